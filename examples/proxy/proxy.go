package main

import (
	"context"
	"errors"
	"net"

	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

// proxy is a server without methods of its own: it passes every call on.
type proxy struct {
	server  *server.Server
	backend *client.Channel
	served  chan error // what Serve returned
	wait    func()     // for the pollers
}

// waiting is how many calls each queue asks for in advance. More than that which
// come at once wait, see server.WithPendingLimits.
const waiting = 16

// newProxy passes what comes from listener on to backend, from queues with a poller
// each. Neither side has a limit for messages that the client or the backend does
// not have; messages are in memory as a whole, so a proxy for strangers sets one.
func newProxy(listener net.Listener, backend *client.Channel, queues int) (*proxy, error) {
	p := &proxy{server: server.New(server.WithMaxRecvMessage(-1)), backend: backend, served: make(chan error, 1)}
	all := make([]*cq.Queue, queues)
	for i := range all {
		all[i] = cq.New()
		if err := p.server.AddQueue(all[i]); err != nil {
			return nil, err
		}
		for range waiting {
			p.request(all[i])
		}
	}
	p.wait = cq.Poll(all, 1, cq.Proceed)
	go func() { p.served <- p.server.Serve(listener) }()
	return p, nil
}

// request asks for a call of any method. The only error is that the server is being
// shut down; then there is no other call.
func (p *proxy) request(q *cq.Queue) {
	x := &exchange{proxy: p, queue: q}
	_ = p.server.RequestCall(&x.arrived, q, q, step(x.begin))
}

// stop lets the calls end until ctx does.
func (p *proxy) stop(ctx context.Context) error {
	err := p.server.Shutdown(ctx)
	p.wait()
	if served := <-p.served; !errors.Is(served, server.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}
