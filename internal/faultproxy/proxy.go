package faultproxy

import (
	"context"
	"errors"
	"net"
	"sync"
)

// Proxy passes the connections of a listener on to a server.
type Proxy struct {
	// immutable
	front net.Listener
	dial  func(context.Context) (net.Conn, error)
	plan  func(n int) Plan
	stop  context.CancelFunc
	run   sync.WaitGroup

	mu sync.Mutex
	// guarded by mu
	links    []*link // in the order of Accept
	isClosed bool
}

// Start accepts connections from front, which is the proxy's now, and passes
// each to one that dial makes. plan says what happens to the n-th, from 0; nil
// means nothing. Close ends it.
func Start(front net.Listener, dial func(context.Context) (net.Conn, error), plan func(n int) Plan) *Proxy {
	ctx, stop := context.WithCancel(context.Background())
	p := &Proxy{front: front, dial: dial, plan: plan, stop: stop}
	p.run.Go(func() { p.accept(ctx) })
	return p
}

// accept runs until the listener is closed.
func (p *Proxy) accept(ctx context.Context) {
	for {
		nc, err := p.front.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // a connection that was gone before it was accepted
		}
		l := p.enter(nc)
		if l == nil {
			reset(nc)
			return
		}
		p.run.Go(func() { l.run(ctx, p.dial) })
	}
}

// enter makes the link of a connection, nil if the proxy is closed.
func (p *Proxy) enter(client net.Conn) *link {
	p.mu.Lock()
	n := len(p.links)
	isClosed := p.isClosed
	p.mu.Unlock()
	if isClosed {
		return nil
	}
	var plan Plan
	if p.plan != nil {
		plan = p.plan(n)
	}
	l := newLink(client, plan)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.isClosed {
		return nil
	}
	p.links = append(p.links, l) // only accept does
	return l
}

// Passed returns how many bytes of the n-th connection were passed, 0 if there is
// none.
func (p *Proxy) Passed(n int) (up, down int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n >= len(p.links) {
		return 0, 0
	}
	return p.links[n].up.passed.Load(), p.links[n].down.passed.Load()
}

// Cut breaks all connections that are open.
func (p *Proxy) Cut() {
	p.mu.Lock()
	links := p.links
	p.mu.Unlock()
	for _, l := range links {
		l.cut()
	}
}

// Close closes the listener, breaks all connections and waits until nothing of
// the proxy runs any more. It may be called again.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.isClosed = true
	p.mu.Unlock()
	p.stop()
	_ = p.front.Close()
	p.Cut()
	p.run.Wait()
}
