package memconn

// Stall holds back what the peer sends to this end: Reads here see neither its
// bytes nor its close until Resume. The peer's Writes still fill the buffer,
// and wait once its write limit is reached. Closing or failing this end still
// ends its Reads.
func (c *Conn) Stall() { c.in.update(func() { c.in.stalled = true }) }

// Resume ends Stall.
func (c *Conn) Resume() { c.in.update(func() { c.in.stalled = false }) }

// Fail breaks the connection: pending and later Reads and Writes of both ends
// return err, and buffered bytes are lost. A connection that is already broken
// keeps its first error.
func (c *Conn) Fail(err error) {
	for _, f := range []*flow{c.in, c.out} {
		f.update(func() {
			f.readErr = first(f.readErr, err)
			f.writeErr = first(f.writeErr, err)
			f.buf.Reset()
		})
	}
}

// FailRead makes pending and later Reads of this end return err. The peer
// notices nothing.
func (c *Conn) FailRead(err error) {
	c.in.update(func() { c.in.readErr = first(c.in.readErr, err) })
}

// FailWrite makes pending and later Writes of this end return err, while what
// the peer sent can still be read: the view a client has of a server that said
// goodbye and closed.
func (c *Conn) FailWrite(err error) {
	c.out.update(func() { c.out.writeErr = first(c.out.writeErr, err) })
}

// SetReadBufferSize makes every Read of this end return at most n bytes,
// however large its argument. n ≤ 0, the default, sets no bound.
func (c *Conn) SetReadBufferSize(n int) { c.in.update(func() { c.in.chunk = n }) }

// SetWriteLimit makes Writes of this end wait while n bytes are written and not
// yet read by the peer. n ≤ 0, the default, sets no bound.
func (c *Conn) SetWriteLimit(n int) { c.out.update(func() { c.out.limit = n }) }

// Written reports how many Write calls of this end have delivered something and
// returned, and how many bytes were delivered in all: what a test of write
// coalescing asks.
func (c *Conn) Written() (calls int, bytes int64) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.out.calls, c.out.written
}

func first(old, err error) error {
	if old != nil {
		return old
	}
	return err
}
