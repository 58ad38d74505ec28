package call

import (
	"context"

	"github.com/cqrpc/cqrpc/cq"
)

// Await waits for a batch of the call that was started on w, as w.Wait does. Meanwhile the caller
// may do the work of the call's transport, so that nobody has to wake it.
func (c *Call) Await(ctx context.Context, w *cq.Waiter) (cq.Event, bool) {
	c.mu.Lock()
	st := c.stream
	c.mu.Unlock()
	if st != nil {
		if s := st.Source(); s != nil {
			w.Serve(ctx, s)
		}
	}
	return w.Wait(ctx)
}
