package load

import (
	"context"
	"errors"
	"time"

	"github.com/cqrpc/cqrpc/benchmark/internal/usage"
)

// least is how many operations there are at least, so that there is a median.
const least = 3

// afresh does one operation after the other, each on a connection that is made
// for it: what counts is how soon a new connection is fast. Rates are those of
// the median operation.
func afresh(ctx context.Context, c Client, p Plan) (Report, error) {
	if p.Warmup > 0 { // the processes are to be warm, connections are not
		if err := once(ctx, c, p, newMeter()); err != nil {
			return Report{}, err
		}
	}
	m, usage0 := newMeter(), usage.Self()
	for n := 0; n < least || m.now() < p.Duration; n++ {
		if err := once(ctx, c, p, m); err != nil {
			return Report{}, err
		}
	}
	r := report(p, m.latency.Load(), usage.Self().Since(usage0), m.now())
	r.OpsPerS = float64(time.Second/time.Microsecond) / r.P50
	r.MBPerS = r.OpsPerS * float64(p.Size) / 1e6
	r.OpsTotal = r.Ops
	if p.Warmup > 0 {
		r.OpsTotal++
	}
	return r, nil
}

// once does one operation on a connection of its own, counted from before that.
func once(ctx context.Context, c Client, p Plan, m *meter) error {
	due := m.now()
	conn, err := c.Dial()
	if err != nil {
		return err
	}
	w := make(window, 1)
	w <- struct{}{}
	newTurn(conn, p, m, w).begin(due)
	if err := m.enterWindow(ctx, w); err != nil {
		return errors.Join(err, m.stop(patience))
	}
	return nil
}
