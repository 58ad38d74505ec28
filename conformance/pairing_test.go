package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
)

// callerKind makes clients of one make.
type callerKind struct {
	name string
	dial func(dialing) (caller, error)
}

var (
	callers = []callerKind{{"grpc-go", dialGRPCGo}, {"cqrpc-sync", dialSync}, {"cqrpc-queue", dialQueue}}
	hosts   = []hostKind{{"grpc-go", serveGRPCGo}, {"cqrpc-sync", serveSync}, {"cqrpc-queue", serveQueue}}
)

// pairing is one make of client and one of server, and what lies between.
type pairing struct {
	caller      callerKind
	host        hostKind
	credentials *credentials // nil: plaintext
}

// name is the path of subtests, "grpc-go_to_cqrpc-sync".
func (p *pairing) name() string { return p.caller.name + "_to_" + p.host.name }

// eachPairing runs f as a parallel subtest for every client and server.
func eachPairing(t *testing.T, c *credentials, f func(t *testing.T, p *pairing)) {
	for _, from := range callers {
		for _, to := range hosts {
			p := &pairing{from, to, c}
			t.Run(p.name(), func(t *testing.T) {
				t.Parallel()
				f(t, p)
			})
		}
	}
}

// serve starts a server for the rest of the test.
func (p *pairing) serve(t *testing.T, s serving) *host {
	t.Helper()
	return p.host.start(t, p.credentials, s)
}

// dial makes a client of h for the rest of the test.
func (p *pairing) dial(t *testing.T, h *host) caller {
	t.Helper()
	return p.dialing(t, dialing{address: h.address})
}

func (p *pairing) dialing(t *testing.T, d dialing) caller {
	t.Helper()
	d.credentials = p.credentials
	c, err := p.caller.dial(d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// connect is serve and dial with nothing special about either. A nil service is
// the standard one.
func (p *pairing) connect(t *testing.T, s *testservice.Service) caller {
	t.Helper()
	return p.dial(t, p.serve(t, serving{service: s}))
}

// patience ends tests that hang; no assertion depends on it.
const patience = 60 * time.Second

// within is the context of a test's calls.
func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// eachLink runs f as a subtest in plaintext and over TLS.
func eachLink(t *testing.T, f func(t *testing.T, c *credentials)) {
	t.Run("plaintext", func(t *testing.T) { f(t, nil) })
	t.Run("tls", func(t *testing.T) { f(t, testCredentials(t)) })
}
