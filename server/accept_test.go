package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
)

// troubled is a listener whose Accept fails as the script says, then works.
type troubled struct {
	*memconn.Listener
	script []error
	at     []time.Time // of Accepts
}

func (l *troubled) Accept() (net.Conn, error) {
	l.at = append(l.at, time.Now())
	if len(l.script) > 0 {
		err := l.script[0]
		l.script = l.script[1:]
		return nil, &net.OpError{Op: "accept", Net: "mem", Err: err}
	}
	return l.Listener.Accept()
}

// TestAcceptBacksOff: errors that pass are waited for, longer and longer.
func TestAcceptBacksOff(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := server.New()
		l := &troubled{Listener: memconn.Listen()}
		for range 10 {
			l.script = append(l.script, syscall.EMFILE)
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		time.Sleep(5 * time.Second) // fake clock
		synctest.Wait()
		var rests []time.Duration
		for i := 1; i < len(l.at); i++ {
			rests = append(rests, l.at[i].Sub(l.at[i-1]))
		}
		if len(rests) != 10 || rests[0] != 5*time.Millisecond || rests[3] != 40*time.Millisecond || rests[9] != time.Second {
			t.Errorf("rests are %v", rests)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, server.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
	})
}

// TestAcceptBackoffBeginsAnew: after a connection the pauses are short again.
func TestAcceptBackoffBeginsAnew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := server.New()
		full := []error{syscall.EMFILE, syscall.EMFILE, syscall.EMFILE, syscall.EMFILE}
		l := &troubled{Listener: memconn.Listen(), script: full}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		time.Sleep(time.Second) // fake clock
		synctest.Wait()
		l.script = []error{syscall.EMFILE}
		nc, err := l.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // fake clock
		synctest.Wait()
		if n := len(l.at); n != 7 || l.at[6].Sub(l.at[5]) != 5*time.Millisecond {
			t.Errorf("accepted at %v", l.at)
		}
		_ = nc.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		<-served
	})
}

// late is an error that has a time-out.
type late struct{ error }

func (late) Timeout() bool   { return true }
func (late) Temporary() bool { return false }

// brief is an error that a listener of the application calls temporary.
type brief struct{ error }

func (brief) Temporary() bool { return true }

// TestAcceptGoesOnAfterTemporaryErrors: what says nothing about the listener does not end Serve.
func TestAcceptGoesOnAfterTemporaryErrors(t *testing.T) {
	for _, passing := range []error{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED, syscall.ECONNRESET,
		late{errors.New("late")}, brief{errors.New("brief")},
	} {
		bubble(t, func(t *testing.T) {
			s := server.New()
			l := &troubled{Listener: memconn.Listen(), script: []error{passing}}
			served := make(chan error, 1)
			go func() { served <- s.Serve(l) }()
			time.Sleep(time.Second) // fake clock
			synctest.Wait()
			if len(l.at) != 2 {
				t.Errorf("%v: accepted %d times", passing, len(l.at))
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := <-served; !errors.Is(err, server.ErrServerClosed) {
				t.Errorf("%v: Serve returned %v", passing, err)
			}
		})
	}
}

func TestAcceptBackoffEndsAtShutdown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := server.New()
		l := &troubled{Listener: memconn.Listen()}
		for range 100 {
			l.script = append(l.script, syscall.ENFILE)
		}
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		synctest.Wait()
		began := time.Now()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, server.ErrServerClosed) {
			t.Errorf("Serve: %v", err)
		}
		if d := time.Since(began); d > 0 {
			t.Errorf("Close waited %v for a resting Serve", d)
		}
	})
}

// TestAcceptGivesUp: a listener that is broken is not tried again, the server
// and its other listeners go on.
func TestAcceptGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		x := serveHandlers(t, serverUnaryEcho)
		broken := errors.New("broken")
		if err := x.server.Serve(&troubled{memconn.Listen(), []error{broken}, nil}); !errors.Is(err, broken) {
			t.Errorf("Serve: %v; want the error of Accept", err)
		}
		p := x.dial()
		p.Request(1, unary.Name)
		p.WriteMessage(1, true, nil)
		p.WantResponse("the other listener is fine", 1)
	})
}

func TestServeConn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := server.New()
		if err := s.Register(serverUnaryEcho); err != nil {
			t.Fatal(err)
		}
		near, far := memconn.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- s.ServeConn(far) }()
		p := h2peer.New(t, near, h2peer.Client)
		p.Greet()
		p.Request(1, unary.Name)
		p.WriteMessage(1, true, nil)
		p.WantResponse("a connection from elsewhere", 1)
		near.Fail(errors.New("cable cut"))
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "cable cut") {
			t.Errorf("ServeConn: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// certificate returns a server's TLS configuration and one that trusts it, by
// the clock of the bubble.
func certificate(t *testing.T) (srv, cli *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"server.test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	srv = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	return srv, &tls.Config{RootCAs: roots, ServerName: "server.test", NextProtos: []string{"h2"}}
}

func TestTLS(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv, cli := certificate(t)
		s := server.New(server.WithTLS(srv))
		var info server.Info
		err := s.Register(server.Unary(unary, func(ctx context.Context, req *text) (*text, error) {
			info, _ = server.Incoming(ctx)
			return req, nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		x := serve(t, s)
		nc, err := x.net.Dial(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(tls.Client(nc, cli))
		t.Cleanup(c.conn.Close)
		var res text
		if st := c.unary(unary.Name, &text{Value: "x"}, &res); st.Code != cqrpc.CodeOK || res.Value != "x" {
			t.Fatalf("got %v, %q", st, res.Value)
		}
		if info.Peer.TLS == nil || info.Peer.TLS.NegotiatedProtocol != "h2" {
			t.Errorf("the handler's peer is %+v", info.Peer)
		}
	})
}

// A client that keeps sessions resumes them: the handshakes of a server share the keys of its tickets.
func TestTLSSessionsAreResumed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		srv, cli := certificate(t)
		cli.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		s := server.New(server.WithTLS(srv))
		if err := s.Register(serverUnaryEcho); err != nil {
			t.Fatal(err)
		}
		x := serve(t, s)
		for _, resumes := range []bool{false, true} {
			nc, err := x.net.Dial(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			tc := tls.Client(nc, cli)
			c := newClient(tc)
			var res text
			if st := c.unary(unary.Name, &text{Value: "x"}, &res); st.Code != cqrpc.CodeOK {
				t.Fatalf("got %v", st)
			}
			if got := tc.ConnectionState().DidResume; got != resumes {
				t.Errorf("the connection has resumed a session: %v; want %v", got, resumes)
			}
			c.conn.Close()
		}
	})
}

// A configuration that is chosen for a client need not say h2, like the one that it stands in for.
func TestTLSConfigurationOfGetConfigForClient(t *testing.T) {
	bubble(t, func(t *testing.T) {
		chosen, cli := certificate(t)
		s := server.New(server.WithTLS(&tls.Config{
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return chosen, nil },
		}))
		if err := s.Register(serverUnaryEcho); err != nil {
			t.Fatal(err)
		}
		nc, err := serve(t, s).net.Dial(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		c := newClient(tls.Client(nc, cli))
		t.Cleanup(c.conn.Close)
		var res text
		if st := c.unary(unary.Name, &text{Value: "x"}, &res); st.Code != cqrpc.CodeOK {
			t.Errorf("got %v", st)
		}
		if chosen.NextProtos != nil {
			t.Errorf("the application's configuration was changed: %q", chosen.NextProtos)
		}
	})
}

// A function of the TLS configuration that panics, or ends its goroutine, ends the connection. The
// server goes on, and its end does not wait for it.
func TestTLSConfigurationsThatBreak(t *testing.T) {
	for name, do := range map[string]func(){"panic": func() { panic("a secret") }, "Goexit": runtime.Goexit} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				srv, cli := certificate(t)
				isBroken := true
				srv.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
					if isBroken {
						do()
					}
					return nil, nil
				}
				var reports []string
				x := serve(t, server.New(server.WithTLS(srv), server.WithPanicHandler(func(method string, v any, _ []byte) {
					reports = append(reports, fmt.Sprintf("%q %v", method, v))
				})))
				for _, isBroken = range []bool{true, false} {
					nc, err := x.net.Dial(context.Background())
					if err != nil {
						t.Fatal(err)
					}
					tc := tls.Client(nc, cli)
					if err := tc.Handshake(); (err != nil) != isBroken {
						t.Errorf("broken %v: the handshake has ended with %v", isBroken, err)
					}
					tc.Close()
				}
				synctest.Wait()
				if want := `"" a secret`; len(reports) != 1 || name == "panic" && reports[0] != want {
					t.Errorf("the panic handler was told %q; want %q", reports, want)
				}
				if n := x.server.Stats().Connections; n != 0 {
					t.Errorf("%d connections are left", n)
				}
			})
		})
	}
}

// TestTLSOfListener: connections may come with TLS of their own.
func TestTLSOfListener(t *testing.T) {
	for _, protocol := range []string{"h2", "http/1.1"} {
		bubble(t, func(t *testing.T) {
			srv, cli := certificate(t)
			srv.NextProtos, cli.NextProtos = []string{protocol}, []string{protocol}
			s := server.New()
			if err := s.Register(serverUnaryEcho); err != nil {
				t.Fatal(err)
			}
			near, far := memconn.Pipe()
			ended := make(chan error, 1)
			go func() { ended <- s.ServeConn(tls.Server(far, srv)) }()
			c := newClient(tls.Client(near, cli))
			if protocol == "h2" {
				var res text
				if st := c.unary(unary.Name, &text{}, &res); st.Code != cqrpc.CodeOK {
					t.Errorf("got %v", st)
				}
			} else if err := <-ended; err == nil || !strings.Contains(err.Error(), "NextProtos") {
				t.Errorf("ServeConn: %v", err)
			}
			c.conn.Close()
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestDial: a server is reached without a socket, with TLS or not, until its end begins.
func TestDial(t *testing.T) {
	for _, name := range []string{"plaintext", "TLS"} {
		bubble(t, func(t *testing.T) {
			var opts []server.Option
			srv, cli := certificate(t)
			if name == "TLS" {
				opts = append(opts, server.WithTLS(srv))
			}
			s := server.New(opts...)
			if err := s.Register(serverUnaryEcho); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				nc, err := s.Dial(context.Background(), "", "")
				if err != nil {
					t.Fatal(name, err)
				}
				if name == "TLS" {
					nc = tls.Client(nc, cli)
				}
				c := newClient(nc)
				defer c.conn.Close()
				var res text
				if st := c.unary(unary.Name, &text{Value: "x"}, &res); st.Code != cqrpc.CodeOK || res.Value != "re: x" {
					t.Errorf("%s: got %v, %q", name, st, res.Value)
				}
			}
			if n := s.Stats().Connections; n != 2 {
				t.Errorf("%s: %d connections; want 2", name, n)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if nc, err := s.Dial(context.Background(), "", ""); nc != nil || !errors.Is(err, server.ErrServerClosed) {
				t.Errorf("%s: Dial of a server that has ended: %v, %v", name, nc, err)
			}
		})
	}
}

// journal is a log that several goroutines write.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// TestTLSMismatch: what is told when the two ends disagree about TLS, or one says
// nothing.
func TestTLSMismatch(t *testing.T) {
	tests := []struct {
		name  string
		isTLS bool
		say   string
		want  string
	}{
		{"plaintext to TLS", true, http2.ClientPreface, "does not speak TLS"},
		{"TLS to plaintext", false, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS"},
		{"HTTP/1.1", false, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1"},
		{"silence to TLS", true, "", "deadline exceeded"},
		{"silence", false, "", "no HTTP/2 handshake within 20s"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var log journal
				opts := []server.Option{server.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))}
				if test.isTLS {
					srv, _ := certificate(t)
					opts = append(opts, server.WithTLS(srv))
				}
				x := serve(t, server.New(opts...))
				nc, err := x.net.Dial(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
				if _, err := io.WriteString(nc, test.say); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				_, _ = io.Copy(io.Discard, nc)
				if d := time.Since(began); d > 22*time.Second {
					t.Errorf("the connection was kept for %v", d)
				}
				synctest.Wait()
				if got := log.String(); !strings.Contains(got, test.want) || !strings.Contains(got, "client-1") {
					t.Errorf("the log should name the peer and say %q: %s", test.want, got)
				}
			})
		})
	}
}
