package main

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/cqrpc/cqrpc/server"
)

// host runs the server of one style.
type host struct {
	out      *printer
	deadline time.Duration // how long calls may take to end at shutdown
	server   *server.Server
	listener net.Listener
	drain    func() error // waits for what the style has running
	served   chan error   // what Serve returned
}

// newHost serves the Greeter on o.listen.
func newHost(s style, out *printer, o options) (*host, error) {
	h := &host{out: out, deadline: o.shutdownDeadline, server: server.New(), served: make(chan error, 1)}
	var err error
	if h.drain, err = s.serve(h.server, out, o); err != nil {
		return nil, err
	}
	if h.listener, err = net.Listen("tcp", o.listen); err != nil {
		return nil, errors.Join(err, h.end())
	}
	go func() { h.served <- h.server.Serve(h.listener) }()
	return h, nil
}

func (h *host) addr() string { return h.listener.Addr().String() }

// stop lets the calls end and waits for everything that was started.
func (h *host) stop() error {
	err := h.end()
	if served := <-h.served; !errors.Is(served, server.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// end ends the server in the order the tutorial asks for: the server first,
// then its queues, which Shutdown does itself, then their pollers drain them.
func (h *host) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), h.deadline)
	defer cancel()
	err := errors.Join(h.server.Shutdown(ctx), h.drain())
	h.out.linef("  server: shut down")
	return err
}
