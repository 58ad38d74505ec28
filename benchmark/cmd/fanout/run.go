package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/cqrpc/cqrpc/benchmark/internal/own"
	"github.com/cqrpc/cqrpc/benchmark/internal/usage"
)

// report is the last line. Memory is resident bytes of the server, when it has
// given back what it does not use; the peak is not so kind.
type report struct {
	Streams    int     `json:"streams"`
	Conns      int     `json:"conns"`
	OpenS      float64 `json:"open_s"`
	Before     int64   `json:"before"`
	Open       int64   `json:"open"`
	After      int64   `json:"after"` // the broadcast
	Peak       int64   `json:"peak"`
	Client     int64   `json:"client"` // with all open
	Sent       int     `json:"sent"`
	Arrived    int     `json:"arrived"`
	BroadcastS float64 `json:"broadcast_s"` // until the last has arrived
}

// run does everything once.
func run(ctx context.Context, o options) (r report, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.patience)
	defer cancel()
	debug.SetGCPercent(o.collect)
	r = report{Streams: o.streams, Conns: o.conns}
	s, err := start(ctx, o.collect)
	if err != nil {
		return r, err
	}
	defer func() {
		if e := s.stop(); err == nil {
			err = e
		}
	}()
	told, err := s.order(tellOrder)
	if err != nil {
		return r, err
	}
	r.Before = told.Resident
	t0 := time.Now()
	a, err := own.NewAudience(ctx, s.addr, o.streams, o.conns)
	if err != nil {
		return r, err
	}
	defer a.Close()
	r.OpenS = time.Since(t0).Seconds()
	return r, r.broadcast(ctx, s, a, o)
}

// broadcast is what follows when all streams are open.
func (r *report) broadcast(ctx context.Context, s *server, a *own.Audience, o options) error {
	told, err := s.order(tellOrder)
	if err != nil {
		return err
	}
	debug.FreeOSMemory()
	r.Open, r.Client = told.Resident, usage.Self().Resident
	note("%d streams open on the server in %.1f s: %.2f GB before, %.2f GB now, %.0f bytes each",
		told.Streams, r.OpenS, gb(r.Before), gb(r.Open), float64(r.Open-r.Before)/float64(max(told.Streams, 1)))
	t0 := time.Now()
	sent, err := s.order(fmt.Sprint(broadcastOrder, " ", o.size))
	if err != nil {
		return err
	}
	err = a.Await(ctx)
	r.BroadcastS, r.Sent, r.Arrived = time.Since(t0).Seconds(), sent.Sent, a.Arrived()
	if err != nil {
		return err
	}
	if told, err = s.order(tellOrder); err != nil {
		return err
	}
	r.After, r.Peak = told.Resident, told.Peak
	note("%d of %d have the message after %.2f s: %.2f GB after it, %.2f GB at the peak; %.2f GB the client",
		r.Arrived, r.Streams, r.BroadcastS, gb(r.After), gb(r.Peak), gb(r.Client))
	return nil
}

func note(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func gb(bytes int64) float64 { return float64(bytes) / 1e9 }
