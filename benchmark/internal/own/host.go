package own

import (
	"errors"
	"net"
	"runtime"

	"github.com/cqrpc/cqrpc/benchmark/internal/service"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/transport"
)

// host is a server, and what has to be stopped after it.
type host struct {
	*server.Server

	isReusing bool // messages are received into the memory of those before
	drain     func()
}

// newHost returns the host of a new server.
func newHost(set service.Setting) host { return host{Server: newServer(set), isReusing: set.Reuse} }

func newServer(set service.Setting) *server.Server {
	options := []server.Option{
		server.WithCodecs(codecOf(set.Reuse)),
		server.WithTransport(transport.Config{MaxConcurrentStreams: service.MaxStreams}),
		server.WithMaxRecvMessage(service.MaxMessage),
		server.WithPendingLimits(server.PendingLimits{Calls: service.MaxStreams}),
	}
	if set.TLS != nil {
		options = append(options, server.WithTLS(set.TLS))
	}
	return server.New(options...)
}

// Serve implements service.Server.
func (h *host) Serve(lis net.Listener) error {
	if err := h.Server.Serve(lis); !errors.Is(err, server.ErrServerClosed) {
		return err
	}
	return nil
}

// Close implements service.Server.
func (h *host) Close() error {
	err := h.Server.Close()
	if h.drain != nil {
		h.drain()
	}
	return err
}

// serverQueues is how many completion queues a server has.
func serverQueues(s service.Setting) int {
	if s.Queues > 0 {
		return s.Queues
	}
	return runtime.GOMAXPROCS(0)
}
