package conformance

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/transport"
)

// newServer makes the server of the two cqrpc hosts, without a service.
func newServer(c *credentials, s serving) *server.Server {
	opts := []server.Option{server.WithMaxRecvMessage(s.maxRecv), server.WithMaxSendMessage(s.maxSend)}
	if c != nil {
		opts = append(opts, server.WithTLS(c.server()))
	}
	if s.gzip {
		opts = append(opts, server.WithCompressor("gzip"))
	}
	var t transport.Config
	if s.window != 0 {
		t = fixedWindow(s.window)
	}
	t.MaxConcurrentStreams = s.maxStreams
	if s.pings {
		t.Keepalive = transport.Keepalive{Time: time.Second, Timeout: time.Second}
	}
	return server.New(append(opts, server.WithTransport(t))...)
}

func (s *serving) orStandard() *testservice.Service {
	if s.service == nil {
		return testservice.New()
	}
	return s.service
}

// run serves lis. wait returns when what was made for the server has ended.
func run(t *testing.T, srv *server.Server, lis net.Listener, wait func()) (drain, stop func()) {
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
	}
	return drain, stop
}

func serveSync(t *testing.T, lis net.Listener, c *credentials, s serving) (drain, stop func()) {
	srv := newServer(c, s)
	if err := srv.Register(s.orStandard().Handlers()...); err != nil {
		t.Fatal(err)
	}
	return run(t, srv, lis, func() {})
}

func serveQueue(t *testing.T, lis net.Listener, c *credentials, s serving) (drain, stop func()) {
	srv := newServer(c, s)
	wait, err := s.orStandard().AttachQueue(srv, 2)
	if err != nil {
		t.Fatal(err)
	}
	return run(t, srv, lis, wait)
}
