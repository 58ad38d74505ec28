package client

import (
	"sync/atomic"

	"github.com/cqrpc/cqrpc/client/resolver"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/transport"
)

// connHandler receives one connection's events.
type connHandler struct {
	sub    *subchannel
	at     resolver.Address
	conn   *transport.Conn
	made   chan struct{} // closed when conn is set
	result chan error    // capacity 1: how the attempt ended

	gone atomic.Pointer[error] // why it takes no more streams, maybe before it is adopted
}

// OnStream never happens: servers open no streams.
func (h *connHandler) OnStream(*transport.Stream, *frame.Headers, *cq.Lane) {}

// OnReady ends the attempt.
func (h *connHandler) OnReady() { h.result <- nil }

// OnDrain releases the connection; its streams go on.
func (h *connHandler) OnDrain(err error) { h.leave(err) }

// OnClosed releases the connection, or fails the attempt. If the connection has drained before,
// the reason for that says more than its end.
func (h *connHandler) OnClosed(err error) {
	if err == nil {
		err = transport.ErrClosed
	}
	if cause := h.gone.Load(); cause != nil {
		err = *cause
	}
	select {
	case h.result <- err:
	default:
	}
	h.leave(err)
	h.sub.conns.remove(h.conn)
}

// leave gives the connection back. That may be before the connection has been adopted:
// adopt checks for it.
func (h *connHandler) leave(err error) {
	<-h.made
	h.gone.CompareAndSwap(nil, &err)
	h.sub.release(h.conn, err)
}
