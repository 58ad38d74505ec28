// Package load is the work of the bench's clients: how many operations are in
// flight and when they begin, and what is measured meanwhile.
//
//	Run ──Start──► Slot ──► the implementation ──► Turn.Done ──► Histogram
//	                ▲                                  │
//	                └───────────── again ──────────────┘
//
// A Slot and its Turn belong to one operation at a time; everything else may be
// called by any goroutine.
package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/cqrpc/cqrpc/benchmark/internal/usage"
)

// patience is how long operations may take to end when the time is over.
const patience = 20 * time.Second

// Run does what p says and reports. The end of ctx ends it early, with ctx's
// error. The streams of c stay open until c is closed.
func Run(ctx context.Context, c Client, p Plan) (Report, error) {
	if err := p.Check(); err != nil {
		return Report{}, err
	}
	switch {
	case p.Mode.Idle():
		return hold(ctx, c, p)
	case p.Mode.Afresh():
		return afresh(ctx, c, p)
	default:
		return measure(ctx, c, p)
	}
}

// measure keeps all slots at work, or those that are due, and looks at the
// meter when the warm-up is over and at the end.
func measure(ctx context.Context, c Client, p Plan) (Report, error) {
	conns, err := dial(c, p.Conns)
	if err != nil {
		return Report{}, err
	}
	if err := beside(ctx, conns, p); err != nil {
		return Report{}, err
	}
	m := newMeter()
	crowd, disperse := surround(ctx, conns, p, m)
	halt := start(ctx, conns, p, m)
	stop := func() error { return errors.Join(halt(), disperse()) }
	if _, err := m.work(ctx, p.Warmup, new(Counts)); err != nil {
		return Report{}, errors.Join(err, stop())
	}
	counts, usage0, t0 := m.latency.Load(), usage.Self(), m.now()
	taken := crowd.latency.Load()
	measured, err := m.work(ctx, p.Duration, counts)
	if err != nil {
		return Report{}, errors.Join(err, stop())
	}
	wall, used := m.now()-t0, usage.Self().Since(usage0)
	r := report(p, measured, used, wall)
	taken = crowd.latency.Load().Since(taken)
	r.MBPerS += float64(taken.Total()) * float64(p.Crowd.Size) / 1e6 / wall.Seconds()
	err = stop()
	r.OpsTotal = int64(m.latency.Load().Total())
	return r, err
}

// surround lets the crowd begin, with a meter of its own and m's failures.
func surround(ctx context.Context, conns []Conn, p Plan, m *meter) (crowd *meter, stop func() error) {
	crowd = newMeter()
	crowd.failed = m.failed
	return crowd, start(ctx, conns, p.crowd(), crowd)
}

// start lets the slots begin: all, or those that are due.
func start(ctx context.Context, conns []Conn, p Plan, m *meter) (stop func() error) {
	var beat rhythm = closed{}
	var pace *pacer
	if p.Rate > 0 {
		pace = &pacer{inTurn: p.Mode == Down} // of a crowd
		beat = pace
	}
	turns := slots(conns, p, m, beat)
	if pace == nil {
		for _, t := range turns {
			t.begin(m.now())
		}
		return func() error { return m.stop(patience) }
	}
	pace.resting = turns
	pacing, halt := context.WithCancel(ctx)
	halted := make(chan struct{})
	go func() {
		defer close(halted)
		pace.run(pacing, m, p.Rate, nap)
	}()
	return func() error {
		halt()
		<-halted
		return m.stop(patience)
	}
}

// slots makes all slots, connection by connection in turn.
func slots(conns []Conn, p Plan, m *meter, beat rhythm) []*Turn {
	turns := make([]*Turn, 0, p.Conns*p.Streams)
	for range p.Streams {
		for _, conn := range conns {
			turns = append(turns, newTurn(conn, p, m, beat))
		}
	}
	return turns
}

func dial(c Client, n int) (conns []Conn, err error) {
	conns = make([]Conn, n)
	for i := range conns {
		if conns[i], err = c.Dial(); err != nil {
			return nil, err
		}
	}
	return conns, nil
}

func newTurn(conn Conn, p Plan, m *meter, beat rhythm) *Turn {
	t := &Turn{meter: m, rhythm: beat, stride: p.stride()}
	switch p.Mode {
	case PingPong, IdleStreams:
		t.slot = conn.PingPong(t)
	case Down:
		t.slot = conn.Down(t)
	case Up:
		t.slot = conn.Up(t)
	default:
		t.slot = conn.Unary(t)
	}
	return t
}

// work lets time pass: d, or more until an operation has ended, because costs are
// divided by their number. It returns what was counted since before.
func (m *meter) work(ctx context.Context, d time.Duration, before *Counts) (*Counts, error) {
	err := m.pass(ctx, d)
	counts := m.latency.Load().Since(before)
	for more := time.Millisecond; err == nil && counts.Total() == 0; more *= 2 {
		if more > patience {
			return nil, fmt.Errorf("no operation has ended in %v", d+more)
		}
		err = m.pass(ctx, more)
		counts = m.latency.Load().Since(before)
	}
	return counts, err
}

// pass lets time pass, unless something fails.
func (m *meter) pass(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case err := <-m.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// enterWindow waits for a place in w, unless something fails.
func (m *meter) enterWindow(ctx context.Context, w window) error {
	select {
	case err := <-m.failed:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case w <- struct{}{}:
		return nil
	}
}

func report(p Plan, counts *Counts, used usage.Usage, wall time.Duration) Report {
	n := counts.Total()
	each := func(sum float64) float64 { return sum / float64(max(n, 1)) }
	us := func(q float64) float64 { return float64(counts.Quantile(q)) / float64(time.Microsecond) }
	perS := float64(n) / wall.Seconds()
	return Report{
		Mode: p.Mode, Ops: int64(n), OpsPerS: perS, MBPerS: perS * float64(p.Size) / 1e6,
		P50: us(.5), P99: us(.99), P999: us(.999),
		CPU:        each(float64(used.CPU) / float64(time.Microsecond)),
		Allocs:     each(float64(used.Mallocs)),
		Bytes:      each(float64(used.Allocated)),
		Goroutines: runtime.NumGoroutine(),
	}
}
