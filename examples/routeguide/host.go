package main

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/cqrpc/cqrpc/server"
)

// shutdownDeadline is how long calls may take to end when a server stops.
const shutdownDeadline = 5 * time.Second

// host runs the server of one style.
type host struct {
	server   *server.Server
	listener net.Listener
	drain    func() error // waits for what the style has running
	served   chan error   // what Serve returned
}

// newHost listens on addr and serves g there.
func newHost(addr string, s style, g *guide) (*host, error) {
	h := &host{server: server.New(), served: make(chan error, 1)}
	var err error
	if h.drain, err = s.serve(h.server, g); err != nil {
		return nil, err
	}
	if h.listener, err = net.Listen("tcp", addr); err != nil {
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

// end shuts down the server first and then the queues on which it delivers.
func (h *host) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownDeadline)
	defer cancel()
	return errors.Join(h.server.Shutdown(ctx), h.drain())
}
