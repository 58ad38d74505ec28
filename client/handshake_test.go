package client

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/transport"
)

// identity is a self-signed certificate for host, and the roots that trust it.
func identity(t testing.TB, host string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<32, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

// secure replaces a scene's WithInsecure.
func secure(cfg *tls.Config) Option {
	return optionFunc(func(c *config) {
		c.insecure = false
		WithTLS(cfg).apply(c)
	})
}

// acceptTLS does the server's side of the handshake on the next connection.
func (s *scene) acceptTLS(why string, cfg *tls.Config) (net.Conn, error) {
	s.Helper()
	tc := tls.Server(s.accept(why), cfg)
	err := tc.HandshakeContext(s.Context())
	synctest.Wait()
	return tc, err
}

func TestTLS(t *testing.T) {
	cert, roots := identity(t, "mem.test")
	play(t, func(s *scene) {
		var peer call.Peer
		r := s.unary(s.Context(), "a", PeerTo(&peer))
		var asked string
		nc, err := s.acceptTLS("the call connects", transport.TLSConfig(&tls.Config{
			Certificates: []tls.Certificate{cert},
			GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
				asked = h.ServerName
				return nil, nil
			},
		}))
		if err != nil || asked != "mem.test" {
			s.Fatalf("handshake for %q: %v", asked, err)
		}
		p := h2peer.New(s.T, nc, h2peer.Server)
		p.Greet()
		wantCall(p, "over TLS", 1, unaryMethod.Name, "a", ":scheme", "https", ":authority", "mem.test:50051")
		answer(p, 1, "b")
		s.wantOK("over TLS", r, "b")
		if peer.TLS == nil || peer.TLS.NegotiatedProtocol != "h2" {
			s.Errorf("peer.TLS = %v", peer.TLS)
		}
	}, secure(&tls.Config{RootCAs: roots}))
}

// The server must prove the name of WithAuthority, or that of the TLS configuration.
func TestTLSServerName(t *testing.T) {
	cert, roots := identity(t, "other.test")
	server := transport.TLSConfig(&tls.Config{Certificates: []tls.Certificate{cert}})
	for name, opts := range map[string][]Option{
		"authority":           {secure(&tls.Config{RootCAs: roots}), WithAuthority("other.test")},
		"authority with port": {secure(&tls.Config{RootCAs: roots}), WithAuthority("other.test:8443")},
		"configuration":       {secure(&tls.Config{RootCAs: roots, ServerName: "other.test"}), WithAuthority("third.test")},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				s.ch.Connect()
				nc, err := s.acceptTLS("Connect connects", server)
				if err != nil {
					s.Fatal(err)
				}
				p := h2peer.New(s.T, nc, h2peer.Server)
				p.Greet()
				s.wantState("the name was proved", Ready)
			}, opts...)
		})
	}
}

// Every way of mixing up protocols is told in words (users 36).
func TestWrongProtocol(t *testing.T) {
	cert, roots := identity(t, "mem.test")
	_, strangers := identity(t, "mem.test")
	certs := []tls.Certificate{cert}
	handshake := func(cfg *tls.Config) func(s *scene, nc net.Conn) {
		return func(s *scene, nc net.Conn) {
			tc := tls.Server(nc, cfg)
			_ = tc.HandshakeContext(s.Context())
			synctest.Wait()
			tc.Close()
		}
	}
	write := func(text string) func(*scene, net.Conn) {
		return func(_ *scene, nc net.Conn) {
			_, _ = io.WriteString(nc, text)
			synctest.Wait()
			nc.Close()
		}
	}
	trusting := secure(&tls.Config{RootCAs: roots})
	for _, tt := range []struct {
		name   string
		option Option // security of the client
		server func(s *scene, nc net.Conn)
		words  string
	}{
		{"TLS without ALPN", trusting, handshake(&tls.Config{Certificates: certs}), `did not agree on ALPN protocol "h2"`},
		{"TLS with another ALPN", trusting, handshake(&tls.Config{
			Certificates: certs, NextProtos: []string{"http/1.1"},
		}), "no application protocol"},
		{"TLS of a stranger", secure(&tls.Config{RootCAs: strangers}), handshake(transport.TLSConfig(&tls.Config{
			Certificates: certs,
		})), "unknown authority"},
		{"TLS for another host", secure(&tls.Config{RootCAs: roots, ServerName: "else.test"}), handshake(
			transport.TLSConfig(&tls.Config{Certificates: certs})), "else.test"},
		{"a plaintext HTTP/2 server for a TLS client", trusting, write("\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
			"does not speak TLS"},
		{"a plaintext HTTP/1.1 server for a TLS client", trusting, write("HTTP/1.1 400 Bad Request\r\n\r\n"),
			"does not speak TLS"},
		{"a TLS server for a plaintext client", WithInsecure(), write("\x15\x03\x01\x00\x02\x02\x46"), "TLS"},
		{"a TLS server that just hangs up", WithInsecure(), write(""), "before its SETTINGS; it may expect TLS"},
		{"an HTTP/1.1 server", WithInsecure(), write("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"), "HTTP/1"},
		{"another protocol", WithInsecure(), write("220 mail.test ESMTP ready\r\n"), "http2 connection error"},
		{"an HTTP/2 server without SETTINGS", WithInsecure(),
			write("\x00\x00\x08\x06\x00\x00\x00\x00\x0012345678"), "not SETTINGS"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(s *scene) {
				r := s.unary(s.Context(), "a")
				tt.server(s, s.accept("the call connects"))
				s.advance(2 * time.Second) // past LingerTimeout
				s.wantFailed(tt.name, r, cqrpc.CodeUnavailable, tt.words)
				var e *cqrpc.Error
				if !errors.As(r.err, &e) || e.Origin != cqrpc.OriginTransport {
					s.Errorf("the error is %#v; want its origin to be the transport", r.err)
				}
				s.serveEvery(func(nc net.Conn) { nc.Close() }) // further attempts
			}, tt.option)
		})
	}
}

// A handshake of TLS that never ends is bounded like all of the attempt.
func TestTLSThatNeverAnswers(t *testing.T) {
	play(t, func(s *scene) {
		r := s.unary(s.Context(), "a")
		s.accept("the call connects")
		s.advance(20 * time.Second)
		s.wantFailed("the attempt gets 20 s", r, cqrpc.CodeUnavailable, "TLS handshake", "deadline exceeded")
	}, secure(nil))
}

// A socket that takes no bytes drains its connection, maybe before the server's
// greeting makes it ready: the channel must not keep what takes no streams.
func TestDrainBeforeReady(t *testing.T) {
	var far *memconn.Conn
	dial := func(context.Context, string, string) (net.Conn, error) {
		client, server := memconn.Pipe()
		client.FailWrite(syscall.EPIPE)
		far = server
		return client, nil
	}
	play(t, func(s *scene) {
		s.ch.Connect()
		synctest.Wait()
		p := h2peer.New(s.T, far, h2peer.Server)
		p.WriteSettings()
		s.wantState("the connection was drained when it became ready", Idle)
	}, WithDialer(dial))
}

// A server that hangs up before it has greeted may be noticed by a write while the reader
// finds the end. Then the transport calls it drained and closed, and the cause is that of the drain.
func TestAttemptThatDrainsFails(t *testing.T) {
	play(t, func(s *scene) {
		h := &connHandler{
			sub: s.sub(), conn: new(transport.Conn), made: make(chan struct{}), result: make(chan error, 1),
		}
		close(h.made)
		h.OnDrain(syscall.EPIPE)
		h.OnClosed(nil)
		if err := <-h.result; !errors.Is(err, syscall.EPIPE) {
			s.Errorf("the attempt failed with %v; want why it was drained", err)
		}
	})
}
