package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
)

// alpn is the protocol name of HTTP/2 over TLS (RFC 9113 section 3.2).
const alpn = "h2"

// TLSConfig returns a copy of cfg that offers h2 and nothing older than TLS 1.2,
// as RFC 9113 section 9.2 wants; so do those that its GetConfigForClient returns. A nil
// cfg means the zero configuration.
func TLSConfig(cfg *tls.Config) *tls.Config {
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg = offeringH2(cfg)
	if choose := cfg.GetConfigForClient; choose != nil {
		cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			chosen, err := choose(hello)
			if chosen == nil || err != nil {
				return nil, err
			}
			return offeringH2(chosen), nil
		}
	}
	return cfg
}

func offeringH2(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	cfg.NextProtos = []string{alpn}
	if cfg.MinVersion == 0 {
		cfg.MinVersion = tls.VersionTLS12
	}
	return cfg
}

// prepared is TLSConfig, unless that has been done.
func prepared(cfg *tls.Config) *tls.Config {
	if cfg != nil && cfg.MinVersion != 0 && slices.Equal(cfg.NextProtos, []string{alpn}) {
		return cfg
	}
	return TLSConfig(cfg)
}

// ClientTLS performs the client's TLS handshake on nc and checks that h2 was
// agreed. ctx bounds it. On error nc is closed. The result is a *tls.Conn; its type does
// not say so, so that programs that never call this are linked without TLS.
func ClientTLS(ctx context.Context, nc net.Conn, cfg *tls.Config) (net.Conn, error) {
	return handshakeTLS(ctx, tls.Client(belowTLS(nc), prepared(cfg)))
}

// ServerTLS is the server's side of ClientTLS. The keys of session tickets belong to a
// configuration: clients resume sessions only if all connections are given the same one,
// that TLSConfig has returned once.
func ServerTLS(ctx context.Context, nc net.Conn, cfg *tls.Config) (net.Conn, error) {
	return handshakeTLS(ctx, tls.Server(belowTLS(nc), prepared(cfg)))
}

func handshakeTLS(ctx context.Context, tc *tls.Conn) (net.Conn, error) {
	err := tc.HandshakeContext(ctx)
	if err == nil {
		if p := tc.ConnectionState().NegotiatedProtocol; p != alpn {
			err = fmt.Errorf("peer did not agree on ALPN protocol %q but %q", alpn, p)
		}
	}
	if err != nil {
		_ = tc.Close()
		var rh tls.RecordHeaderError
		if errors.As(err, &rh) {
			err = fmt.Errorf("peer does not speak TLS on this port: %w", err)
		}
		return nil, fmt.Errorf("TLS handshake with %v: %w", tc.RemoteAddr(), err)
	}
	return tc, nil
}
