package longpipe

import (
	"net"
	"sync"
)

// Proxy listens and carries each connection to a target. Its methods may be
// called by any goroutine.
type Proxy struct {
	// immutable
	lis    net.Listener
	target string
	link   Link

	carrying sync.WaitGroup
	mu       sync.Mutex
	open     map[net.Conn]bool // nil: closed
}

// Listen returns a proxy on loopback to target, both ways over link.
func Listen(target string, link Link) (*Proxy, error) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Proxy{lis: lis, target: target, link: link, open: make(map[net.Conn]bool)}
	p.carrying.Go(p.accept)
	return p, nil
}

// Addr is where it listens.
func (p *Proxy) Addr() string { return p.lis.Addr().String() }

// Close ends all connections and waits for what the proxy has started.
func (p *Proxy) Close() {
	p.lis.Close()
	p.mu.Lock()
	open := p.open
	p.open = nil
	p.mu.Unlock()
	for nc := range open {
		nc.Close()
	}
	p.carrying.Wait()
}

func (p *Proxy) accept() {
	for {
		near, err := p.lis.Accept()
		if err != nil {
			return
		}
		p.carrying.Go(func() { p.join(near) })
	}
}

// join carries both ways until both have ended. An end is passed on as such, for
// TCP has two.
func (p *Proxy) join(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer far.Close()
	if !p.add(near, far) {
		return
	}
	defer p.remove(near, far)
	var up sync.WaitGroup
	up.Go(func() { p.oneWay(far, near) })
	p.oneWay(near, far)
	up.Wait()
}

func (p *Proxy) oneWay(dst, src net.Conn) {
	carry(dst, src, p.link)
	if half, ok := dst.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// add remembers what Close closes; false: it is too late.
func (p *Proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open == nil {
		return false
	}
	for _, nc := range conns {
		p.open[nc] = true
	}
	return true
}

func (p *Proxy) remove(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, nc := range conns {
		delete(p.open, nc)
	}
}
