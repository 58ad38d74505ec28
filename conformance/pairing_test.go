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

// pairings is every client with every server, in plaintext and over TLS.
func pairings(t *testing.T) []*pairing {
	t.Helper()
	var all []*pairing
	for _, c := range []*credentials{nil, testCredentials(t)} {
		for _, from := range callers {
			for _, to := range hosts {
				all = append(all, &pairing{from, to, c})
			}
		}
	}
	return all
}

// name is a path of subtests, "plaintext/grpc-go_to_cqrpc-sync".
func (p *pairing) name() string {
	link := "plaintext"
	if p.credentials != nil {
		link = "tls"
	}
	return link + "/" + p.caller.name + "_to_" + p.host.name
}

// isReference reports that grpc-go is at both ends.
func (p *pairing) isReference() bool { return p.caller.name == "grpc-go" && p.host.name == "grpc-go" }

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
