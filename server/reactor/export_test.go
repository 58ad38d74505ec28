package reactor

// HeldTryCancel is a TryCancel that has found the call without a reactor, and goes on when
// the test likes.
func HeldTryCancel(c *Context) (goOn func(), isAlone bool) { return c.cancelAlone, c.rpc.fate.enter() }
