package client

import "github.com/cqrpc/cqrpc/call"

// opener is a Channel as its calls see it. It keeps methods that only the engine
// may call out of Channel.
type opener Channel

var _ call.Opener = (*opener)(nil)

// Open finds a stream for a call, now or when there is a connection.
func (o *opener) Open(c *call.Call) {
	ch := (*Channel)(o)
	w := waitingCall{call: c, forReady: c.WaitsForReady()}
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
		ch.balancer.release(conn, err) // the connection will do so itself, a little later
	}
}

// Obstacle is the last connect error.
func (o *opener) Obstacle() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// Rest notes a call that waits to be sent again, for Close.
func (o *opener) Rest(c *call.Call) {
	o.mu.Lock()
	isShut := o.state == Shutdown
	if !isShut {
		if o.resting == nil {
			o.resting = make(map[*call.Call]struct{})
		}
		o.resting[c] = struct{}{}
	}
	o.mu.Unlock()
	switch {
	case isShut:
		c.Fail(unavailable(ErrChannelClosed))
	case c.Finished(): // its Forget may have come before it was listed
		o.Forget(c)
	}
}

// Forget drops a call that ended while it waited, for a connection or to be sent again.
func (o *opener) Forget(c *call.Call) {
	o.mu.Lock()
	o.waiting.remove(c)
	delete(o.resting, c)
	o.mu.Unlock()
}
