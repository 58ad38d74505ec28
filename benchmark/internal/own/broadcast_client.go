package own

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	pb "github.com/cqrpc/cqrpc/benchmark/internal/message"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
	"github.com/cqrpc/cqrpc/call"
)

// opening is how many streams are being opened at a time.
const opening = 4096

// Audience is streams that wait for one message each.
type Audience struct {
	roots
	station *station
	streams []listener
	window  chan struct{} // opening
	arrived atomic.Int64
	all     chan struct{} // closed: every stream has its message
	failed  chan error    // the first error
}

// listener is one stream, and the tag of what it waits for first: that it is
// open. The other tag is its hearing.
type listener struct {
	audience *Audience
	call     *call.Call
	message  *call.Buffer
}

type hearing listener

// NewAudience opens streams, over several connections in turn, and returns when
// the server has seen all.
func NewAudience(ctx context.Context, addr string, streams, conns int) (*Audience, error) {
	setup := load.Setup{Addr: addr, Conns: conns}
	a := &Audience{
		roots: roots{setup: setup}, station: newStation(clientQueues(setup)), streams: make([]listener, streams),
		window: make(chan struct{}, opening), all: make(chan struct{}), failed: make(chan error, 1),
	}
	if err := a.openAll(ctx); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

func (a *Audience) openAll(ctx context.Context) error {
	for range a.setup.Conns {
		if _, err := a.channel(); err != nil {
			return err
		}
	}
	for i := range a.streams {
		if err := a.enter(ctx); err != nil {
			return err
		}
		l := &a.streams[i]
		l.audience = a
		l.call = a.channels[i%len(a.channels)].NewCall(a.station.pick(), service.PingPongName)
		ops := [...]call.Op{call.SendInitialMetadata(nil), call.RecvInitialMetadata(nil)}
		must(l.call.StartBatch(ops[:], l))
	}
	for range cap(a.window) {
		if err := a.enter(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (a *Audience) enter(ctx context.Context) error {
	select {
	case a.window <- struct{}{}:
		return nil
	case err := <-a.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Proceed implements cq.Proceeder: the server has the stream.
func (l *listener) Proceed(ok bool) {
	if !ok {
		l.audience.fail(fmt.Errorf("a stream was not opened: %w", l.call.Err()))
		return
	}
	ops := [...]call.Op{call.RecvMessage(&l.message)}
	must(l.call.StartBatch(ops[:], (*hearing)(l)))
	<-l.audience.window
}

// Proceed implements cq.Proceeder: the message has come, or never will.
func (h *hearing) Proceed(ok bool) {
	a := h.audience
	if !ok || h.message == nil {
		a.fail(errEnded)
		return
	}
	var res pb.SimpleResponse
	err := proto.Unmarshal(h.message.Bytes(), &res)
	h.message.Free()
	h.message = nil
	if err != nil {
		a.fail(err)
		return
	}
	if a.arrived.Add(1) == int64(len(a.streams)) {
		close(a.all)
	}
}

func (a *Audience) fail(err error) {
	select {
	case a.failed <- err:
	default:
	}
}

// Arrived is how many streams have their message.
func (a *Audience) Arrived() int { return int(a.arrived.Load()) }

// Await waits until every stream has its message.
func (a *Audience) Await(ctx context.Context) error {
	select {
	case <-a.all:
		return nil
	case err := <-a.failed:
		return err
	case <-ctx.Done():
		return errors.Join(ctx.Err(), fmt.Errorf("%d of %d have the message", a.Arrived(), len(a.streams)))
	}
}

// Close ends the streams.
func (a *Audience) Close() {
	for i := range a.streams {
		if c := a.streams[i].call; c != nil {
			c.Close()
		}
	}
	a.end()
	a.station.close()
}
