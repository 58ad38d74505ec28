package call

import (
	"context"

	"github.com/cqrpc/cqrpc/cq"
)

// Await waits for a batch of the call that was started on w, as w.Wait does. Meanwhile the calling
// goroutine may read the call's connection, so that nobody has to wake it.
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
