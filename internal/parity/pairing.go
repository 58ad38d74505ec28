package parity

import (
	"context"
	"testing"
	"time"
)

// Pairing is one style of client and one of server, and what lies between.
type Pairing struct {
	Caller      CallerKind
	Host        HostKind
	Credentials *Credentials // nil: plaintext
}

// Name is a path of subtests, "plaintext/queue_to_sync".
func (p *Pairing) Name() string {
	link := "plaintext"
	if p.Credentials != nil {
		link = "tls"
	}
	return link + "/" + p.Caller.Name + "_to_" + p.Host.Name
}

// Serve starts a server for the rest of the test.
func (p *Pairing) Serve(t *testing.T, s Serving) *Host {
	t.Helper()
	return p.Host.Start(t, p.Credentials, s)
}

// Dial makes a client of h for the rest of the test.
func (p *Pairing) Dial(t *testing.T, h *Host) Caller {
	t.Helper()
	return p.DialAs(t, Dialing{Address: h.Address})
}

// DialAs is Dial with all that can be said about it but the credentials.
func (p *Pairing) DialAs(t *testing.T, d Dialing) Caller {
	t.Helper()
	d.Credentials = p.Credentials
	c, err := p.Caller.Dial(d)
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

// Connect is Serve and Dial with nothing special about either. A nil service is
// the standard one.
func (p *Pairing) Connect(t *testing.T, s *Service) Caller {
	t.Helper()
	return p.Dial(t, p.Serve(t, Serving{Service: s}))
}

// Patience ends tests that hang; no assertion depends on it. Heavy scenarios take seconds under the race detector,
// and many times as long where others use the processors.
const Patience = 5 * time.Minute

// Within is the context of a test's calls.
func Within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	t.Cleanup(cancel)
	return ctx
}
