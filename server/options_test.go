package server_test

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
)

// A compressor that is not in the set would silently never be used; a server
// whose certificate was not loaded would silently serve plaintext.
func TestInvalidOptions(t *testing.T) {
	for want, o := range map[string]server.Option{
		`"zstd" is not among the compressors, identity,gzip`: server.WithCompressor("zstd"),
		"WithTLS without a certificate":                      server.WithTLS(nil),
		"WithTLS without a certificate: every":               server.WithTLS(new(tls.Config)),
	} {
		s := server.New(o)
		s.Close() // what is not refused ends at once
		_, nc := memconn.Pipe()
		_, refused := s.Dial(t.Context(), "", "")
		for how, err := range map[string]error{
			"Serve": s.Serve(memconn.Listen()), "ServeConn": s.ServeConn(net.Conn(nc)), "Dial": refused,
		} {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v; want %s", how, err, want)
			}
		}
	}
}

// TestCertificatesFromElsewhere: a configuration without Certificates may find them
// when a client comes.
func TestCertificatesFromElsewhere(t *testing.T) {
	for name, cfg := range map[string]*tls.Config{
		"GetCertificate": {GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }},
		"GetConfigForClient": {
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, nil },
		},
	} {
		s := server.New(server.WithTLS(cfg))
		s.Close()
		if err := s.Serve(memconn.Listen()); !errors.Is(err, server.ErrServerClosed) {
			t.Errorf("%s: Serve returned %v; want ErrServerClosed", name, err)
		}
	}
}
