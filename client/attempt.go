package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
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

var (
	errNoConn         = errors.New("the dialer has returned no connection")
	errDialerPanicked = errors.New("panic in dialer or TLS configuration")
	errDialerExited   = errors.New("dialer or TLS configuration has ended its goroutine")
)

// dial calls the application: its dialer, and what it has put into its TLS configuration.
func (a *attempt) dial(ctx context.Context) (_ net.Conn, err error) {
	var nc net.Conn
	hasReturned := false
	defer func() {
		if hasReturned {
			return
		}
		if nc != nil {
			_ = nc.Close()
		}
		if v := recover(); v != nil { // else runtime.Goexit: nobody gets what is returned
			a.sub.cfg.alarm().Error("channel: panic in dialer or TLS configuration",
				"address", a.at.Addr, "panic", v, "stack", string(debug.Stack()))
			err = a.failure(errDialerPanicked) // the value may hold secrets
		}
	}()
	cfg := a.sub.cfg
	nc, err = cfg.dial(ctx, a.at.Network, a.at.Addr)
	if err == nil && nc == nil {
		err = errNoConn
	}
	switch {
	case err != nil:
		err = a.failure(err)
	case cfg.secure != nil:
		nc, err = cfg.secure(ctx, nc, a.sub.serverName())
	}
	hasReturned = true
	return nc, err
}

// failure is err as the reason why there is no connection.
func (a *attempt) failure(err error) error { return naming(a.at.Addr, "dial "+a.at.Addr, err) }

// naming returns err with the prefix, unless it names the address by itself.
func naming(address, prefix string, err error) error {
	if strings.Contains(err.Error(), address) {
		return err
	}
	return fmt.Errorf("%s: %w", prefix, err)
}
