package reactor

import "github.com/cqrpc/cqrpc/server"

// Context is the call as its handler sees it; see [server.Context]. It stays
// valid as long as it is referred to.
type Context struct {
	server.Context

	rpc *rpc
}

// TryCancel ends the call: the client sees CANCELLED unless the call has ended.
// OnCancel follows, never inside TryCancel.
func (c *Context) TryCancel() {
	switch {
	case c.rpc == nil:
		c.Context.TryCancel()
	case c.rpc.fate.enter():
		c.cancelAlone()
	case c.rpc.fate.now().fate() == bound:
		box := &c.rpc.base.box
		box.Enter()
		c.Context.TryCancel()
		box.Exit()
	}
}

// cancelAlone is TryCancel of a call that had no reactor, which it may get meanwhile.
func (c *Context) cancelAlone() {
	c.Context.TryCancel()
	if c.rpc.fate.leave() {
		c.rpc.base.box.Exit()
	}
}

// DefaultReactor is the library's reactor for a unary method: it reacts to nothing,
// and only has to be finished, at once or later and from any goroutine. A context
// always returns the same one. For methods of other shapes it is of no use.
func (c *Context) DefaultReactor() *DefaultReactor {
	if c.rpc != nil {
		if r := c.rpc.method.spare(); r != nil {
			return r
		}
	}
	return new(DefaultReactor)
}

// DefaultReactor is a [UnaryReactor] that reacts to nothing.
type DefaultReactor struct{ UnaryBase }
