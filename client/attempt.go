package client

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/cqrpc/cqrpc/client/resolver"
	"github.com/cqrpc/cqrpc/transport"
)

// attempt makes a connection to one address: dial, TLS, HTTP/2 handshake.
type attempt struct {
	// immutable
	sub       *subchannel
	at        resolver.Address
	timeout   time.Duration // for all of it
	transport transport.Config
}

// run returns a connection that is ready, for the subchannel to adopt.
func (a *attempt) run(ctx context.Context) (*connHandler, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	nc, err := a.dial(ctx)
	if err != nil {
		return nil, err
	}
	h := &connHandler{sub: a.sub, at: a.at, made: make(chan struct{}), result: make(chan error, 1)}
	h.conn = transport.New(transport.Client, nc, a.transport, h)
	a.sub.conns.add(h.conn)
	close(h.made)
	select {
	case err := <-h.result:
		return h, err
	case <-ctx.Done():
		h.conn.Close()
		return nil, fmt.Errorf("no HTTP/2 SETTINGS from %v within %v: %w", nc.RemoteAddr(), a.timeout, ctx.Err())
	}
}

func (a *attempt) dial(ctx context.Context) (net.Conn, error) {
	cfg := a.sub.cfg
	nc, err := cfg.dial(ctx, a.at.Network, a.at.Addr)
	if err != nil {
		return nil, naming(a.at.Addr, "dial "+a.at.Addr, err)
	}
	if cfg.secure == nil {
		return nc, nil
	}
	return cfg.secure(ctx, nc, a.sub.serverName())
}

// naming returns err with the prefix, unless it names the address by itself.
func naming(address, prefix string, err error) error {
	if strings.Contains(err.Error(), address) {
		return err
	}
	return fmt.Errorf("%s: %w", prefix, err)
}
