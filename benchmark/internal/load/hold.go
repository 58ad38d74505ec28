package load

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"github.com/cqrpc/cqrpc/benchmark/internal/usage"
)

// opening is how many streams or connections are being opened at a time.
const opening = 256

// hold opens streams, each with one message there and back, or connections, each
// with one call. Connections then do nothing for the plan's duration before they are
// weighed, because an implementation does not give up at once what an idle one can do
// without.
func hold(ctx context.Context, c Client, p Plan) (Report, error) {
	debug.FreeOSMemory()
	m, usage0 := newMeter(), usage.Self()
	conns, err := dial(c, p.Conns)
	if err != nil {
		return Report{}, err
	}
	n := p.Conns
	if p.Mode == IdleStreams {
		n *= p.Streams
	}
	if err := open(ctx, conns, p, m, n); err != nil {
		return Report{}, err
	}
	wall := m.now()
	counts := m.latency.Load()
	if p.Mode == IdleConns {
		select {
		case <-time.After(p.Duration):
		case <-ctx.Done():
			return Report{}, ctx.Err()
		}
	}
	debug.FreeOSMemory()
	used := usage.Self().Since(usage0)
	r := report(p, counts, used, wall)
	r.Bytes = float64(used.Resident) / float64(n)
	r.OpsTotal = r.Ops
	return r, nil
}

// beside opens the streams that are held while the mode is at work, on the same
// connections. What opening them has left behind is collected before that.
func beside(ctx context.Context, conns []Conn, p Plan) error {
	if p.Held == 0 {
		return nil
	}
	idle := Plan{Mode: IdleStreams, Size: p.Size}
	if err := open(ctx, conns, idle, newMeter(), p.Held*len(conns)); err != nil {
		return err
	}
	debug.FreeOSMemory()
	if p.Opened == nil {
		return nil
	}
	return p.Opened(ctx)
}

// open does n operations, each in a slot of its own, and returns when all have
// ended.
func open(ctx context.Context, conns []Conn, p Plan, m *meter, n int) error {
	w := make(window, opening)
	for i := range n {
		if err := m.enterWindow(ctx, w); err != nil {
			return errors.Join(err, m.stop(patience))
		}
		newTurn(conns[i%len(conns)], p, m, w).begin(m.now())
	}
	for range cap(w) {
		if err := m.enterWindow(ctx, w); err != nil {
			return errors.Join(err, m.stop(patience))
		}
	}
	return nil
}
