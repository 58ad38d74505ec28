package faultproxy

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// link is one connection through the proxy.
type link struct {
	// immutable
	client   net.Conn
	up, down *pipe
	broken   chan struct{} // closed by cut

	mu sync.Mutex
	// guarded by mu
	server net.Conn // nil until dialed
	isOver bool
}

func newLink(client net.Conn, plan Plan) *link {
	l := &link{client: client, broken: make(chan struct{})}
	l.up, l.down = &pipe{link: l, way: plan.Up}, &pipe{link: l, way: plan.Down}
	return l
}

// run dials the server and passes bytes until both directions have ended.
func (l *link) run(ctx context.Context, dial func(context.Context) (net.Conn, error)) {
	server, err := dial(ctx)
	if err != nil || !l.meet(server) {
		if err == nil {
			reset(server)
		}
		l.cut()
		return
	}
	l.up.from, l.up.to = l.client, server
	l.down.from, l.down.to = server, l.client
	var both sync.WaitGroup
	both.Go(l.up.run)
	both.Go(l.down.run)
	both.Wait()
	l.mu.Lock()
	l.isOver = true
	l.mu.Unlock()
	_ = l.client.Close()
	_ = server.Close()
}

// meet gives the link its other end, unless it was cut meanwhile.
func (l *link) meet(server net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.server = server
	return !l.isOver
}

// cut breaks both ends, once.
func (l *link) cut() {
	l.mu.Lock()
	wasOver := l.isOver
	l.isOver = true
	server := l.server
	l.mu.Unlock()
	if wasOver {
		return
	}
	close(l.broken)
	reset(l.client)
	if server != nil {
		reset(server)
	}
}

// reset closes nc as a host that has crashed does.
func reset(nc net.Conn) {
	switch c := nc.(type) {
	case interface{ Fail(err error) }:
		c.Fail(syscall.ECONNRESET)
	case interface{ SetLinger(sec int) error }:
		_ = c.SetLinger(0) // RST instead of FIN
	}
	_ = nc.Close()
}

// finish ends the direction towards nc, as FIN does.
func finish(nc net.Conn) {
	if c, ok := nc.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite()
		return
	}
	_ = nc.Close()
}
