package parity

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/transport"
)

// NewServer makes the server of all hosts of this library, without a service.
func NewServer(c *Credentials, s Serving) *server.Server {
	opts := []server.Option{server.WithMaxRecvMessage(s.MaxRecv), server.WithMaxSendMessage(s.MaxSend)}
	if c != nil {
		opts = append(opts, server.WithTLS(c.Server()))
	}
	if s.Gzip {
		opts = append(opts, server.WithCompressor("gzip"))
	}
	var t transport.Config
	if s.Window != 0 {
		t = fixedWindow(s.Window)
	}
	t.MaxConcurrentStreams, t.MaxHeaderList = s.MaxStreams, s.MaxHeaderList
	if s.Pings {
		t.Keepalive = transport.Keepalive{Time: time.Second, Timeout: Patience}
	}
	opts = append(opts, server.WithTransport(t))
	return server.New(append(opts, s.Options...)...)
}

// Run serves lis. wait returns when what was made for the server has ended.
func Run(t *testing.T, srv *server.Server, lis net.Listener, wait func()) (drain, stop func()) {
	served := make(chan error, 1)
	go func() { served <- srv.Serve(lis) }()
	drain = func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}
	stop = func() {
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, server.ErrServerClosed) {
			t.Error(err)
		}
		served <- server.ErrServerClosed // for the next stop
		wait()
		if n := srv.Stats().Unread; n != 0 {
			t.Errorf("the server has ended and counts %d bytes that nobody has read", n)
		}
	}
	return drain, stop
}
