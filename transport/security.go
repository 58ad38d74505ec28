package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// alpn is the protocol name of HTTP/2 over TLS (RFC 9113 section 3.2).
const alpn = "h2"

// TLSConfig returns a copy of cfg that offers h2 and nothing older than TLS 1.2,
// as RFC 9113 section 9.2 wants. A nil cfg means the zero configuration.
func TLSConfig(cfg *tls.Config) *tls.Config {
	if cfg == nil {
		cfg = &tls.Config{}
	}
	cfg = cfg.Clone()
	cfg.NextProtos = []string{alpn}
	if cfg.MinVersion == 0 {
		cfg.MinVersion = tls.VersionTLS12
	}
	return cfg
}

// ClientTLS performs the client's TLS handshake on nc and checks that h2 was
// agreed. ctx bounds it. On error nc is closed. The result is a *tls.Conn; its type does
// not say so, so that programs that never call this are linked without TLS.
func ClientTLS(ctx context.Context, nc net.Conn, cfg *tls.Config) (net.Conn, error) {
	return handshakeTLS(ctx, tls.Client(belowTLS(nc), TLSConfig(cfg)))
}

// ServerTLS is the server's side of ClientTLS.
func ServerTLS(ctx context.Context, nc net.Conn, cfg *tls.Config) (net.Conn, error) {
	return handshakeTLS(ctx, tls.Server(belowTLS(nc), TLSConfig(cfg)))
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
