package client

import "github.com/cqrpc/cqrpc/call"

// opener is a Channel as its calls see it. What only the engine may call is
// thereby no method of Channel.
type opener Channel

var _ call.Opener = (*opener)(nil)

// Open finds a stream for a call, now or when there is a connection.
func (o *opener) Open(c *call.Call) {
	ch := (*Channel)(o)
	w := waiting{call: c, forReady: c.WaitsForReady()}
	for {
		picker, cause := ch.pick(w)
		if cause != nil {
			c.Fail(unavailable(cause))
			return
		}
		if picker == nil {
			if c.Finished() { // its Forget may have come before it was listed
				o.Forget(c)
			}
			return
		}
		conn, peer := picker.pick(pickInfo{c.Method(), c.Authority()})
		s, err := newStream(conn, c)
		if err == nil {
			c.Bind(s, peer)
			return
		}
		ch.drop(picker, conn)
		ch.balancer.release(conn, err) // it will report so itself, a little later
	}
}

// Obstacle is the last connect error.
func (o *opener) Obstacle() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// Forget drops a call that ended while it waited.
func (o *opener) Forget(c *call.Call) {
	o.mu.Lock()
	o.waiting.remove(c)
	o.mu.Unlock()
}
