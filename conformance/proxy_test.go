package conformance

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	grpcgohealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/internal/parity"
)

// proxy connects names of its own to addresses, for those who know the password.
type proxy struct {
	names map[string]string

	mu    sync.Mutex
	asked []string // guarded by mu
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked = append(p.asked, r.Method+" "+r.Host+" "+r.Header.Get("Proxy-Authorization"))
	p.mu.Unlock()
	address, isKnown := p.names[r.Host]
	if !isKnown {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	there, err := new(net.Dialer).DialContext(r.Context(), "tcp", address)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		there.Close()
		return
	}
	_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
	pass := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		to.Close()
	}
	go pass(there, here)
	go pass(here, there)
}

// take returns what the proxy was asked since the last time.
func (p *proxy) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	asked := p.asked
	p.asked = nil
	return asked
}

// TestProxies has clients of grpc-go and of ours obey the environment. They are processes of their own
// because grpc-go reads it once.
func TestProxies(t *testing.T) {
	certified := parity.TestCredentials(t)
	roots := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certified.Certificate.Leaf.Raw})
	s := grpc.NewServer(grpc.Creds(credentials.NewTLS(certified.Server())))
	healthpb.RegisterHealthServer(s, grpcgohealth.NewServer())
	address := serveTheirs(t, s)
	_, port, err := net.SplitHostPort(address)
	parity.Want(t, "the server's port", err)
	path := filepath.Join(t.TempDir(), "socket")
	lis, err := net.Listen("unix", path)
	parity.Want(t, "Listen", err)
	go func() { _ = s.Serve(lis) }() // until serveTheirs stops s

	p := &proxy{names: map[string]string{
		"greeter.test:443": address, "greeter.test:50051": address, "other.test:443": address, "192.0.2.1:443": address,
		"dead.test:443": "127.0.0.1:0",
	}}
	host := httptest.NewServer(p)
	t.Cleanup(host.Close)
	var targets, codes, asked []string
	for _, tt := range []struct {
		target string
		want   cqrpc.Code
		asked  string // "": nothing
	}{
		{"greeter.test:50051", cqrpc.CodeOK, "greeter.test:50051"},
		{"greeter.test", cqrpc.CodeOK, "greeter.test:443"},
		{"localhost:" + port, cqrpc.CodeOK, ""},
		{"dns:///greeter.test", cqrpc.CodeOK, "greeter.test:443"},
		{"127.0.0.1:" + port, cqrpc.CodeOK, ""},
		{"192.0.2.1", cqrpc.CodeUnavailable, "192.0.2.1:443"}, // which the certificate does not have
		{"passthrough:///greeter.test:443", cqrpc.CodeOK, "greeter.test:443"},
		{"other.test", cqrpc.CodeUnavailable, "other.test:443"}, // likewise
		{"unix://" + path, cqrpc.CodeOK, ""},
		{"bücher.test", cqrpc.CodeUnavailable, "xn--bcher-kva.test:443"}, // the proxy refuses
		{"dead.test", cqrpc.CodeUnavailable, "dead.test:443"},            // the proxy finds nobody
	} {
		targets, codes = append(targets, tt.target), append(codes, fmt.Sprint(tt.target, " ", tt.want))
		if tt.asked != "" {
			asked = append(asked, "CONNECT "+tt.asked+" Basic Z29waGVyOnNlY3JldA==")
		}
	}
	for _, caller := range []string{"cqrpc", "grpc-go"} {
		t.Run(caller, func(t *testing.T) {
			p.take()
			cmd := exec.CommandContext(parity.Within(t), os.Args[0])
			cmd.Env = append(os.Environ(), "HTTPS_PROXY=http://gopher:secret@"+host.Listener.Addr().String(), "NO_PROXY=",
				"CQRPC_PROXIED="+caller, "CQRPC_TARGETS="+strings.Join(targets, " "), "CQRPC_ROOTS="+string(roots))
			out, err := cmd.CombinedOutput()
			parity.Want(t, "the caller's process: "+string(out), err)
			if got := strings.Split(strings.TrimSpace(string(out)), "\n"); !slices.Equal(got, codes) {
				t.Errorf("the calls ended with %q; want %q", got, codes)
			}
			if got := p.take(); !slices.Equal(got, asked) {
				t.Errorf("the proxy was asked %q; want %q", got, asked)
			}
		})
	}
}

// proxied is the process of a caller of TestProxies: a call to each target, and its code as output.
func proxied(caller string) {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(os.Getenv("CQRPC_ROOTS")))
	ctx, cancel := context.WithTimeout(context.Background(), parity.Patience)
	defer cancel()
	for target := range strings.SplitSeq(os.Getenv("CQRPC_TARGETS"), " ") {
		code, err := callProxied(ctx, caller, target, &tls.Config{RootCAs: roots})
		if err != nil {
			panic(err)
		}
		fmt.Println(target, code)
	}
}

func callProxied(ctx context.Context, caller, target string, cfg *tls.Config) (cqrpc.Code, error) {
	if caller == "cqrpc" {
		ch, err := client.NewChannel(target, client.WithTLS(cfg))
		if err != nil {
			return 0, err
		}
		defer ch.Close()
		_, err = ourDoctor{ch}.check(ctx, "")
		return cqrpc.CodeOf(err), nil
	}
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(credentials.NewTLS(cfg)))
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	_, err = theirDoctor{healthpb.NewHealthClient(conn)}.check(ctx, "")
	return cqrpc.Code(status.Code(err)), nil
}
