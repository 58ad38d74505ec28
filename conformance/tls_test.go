package conformance

import (
	"crypto/x509"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/internal/parity"
)

// eachSecure runs f as a parallel subtest for every pairing, over TLS.
func eachSecure(t *testing.T, f func(t *testing.T, p *parity.Pairing)) {
	for _, p := range pairings(t) {
		if p.Credentials == nil {
			continue
		}
		t.Run(p.Name(), func(t *testing.T) {
			t.Parallel()
			f(t, p)
		})
	}
}

func TestMutualTLS(t *testing.T) {
	eachSecure(t, func(t *testing.T, p *parity.Pairing) {
		p.Credentials = parity.TestCredentials(t)
		p.Credentials.Mutual = true
		h := p.Serve(t, parity.Serving{})
		_, err := p.Dial(t, h).Unary(parity.Within(t), nil, parity.Options{})
		parity.Want(t, "a client with a certificate", err)

		p.Credentials = parity.TestCredentials(t) // which has none for clients
		_, err = p.Dial(t, h).Unary(parity.Within(t), nil, parity.Options{})
		parity.WantCode(t, "a client without", err, cqrpc.CodeUnavailable)
	})
}

func TestUnknownAuthority(t *testing.T) {
	eachSecure(t, func(t *testing.T, p *parity.Pairing) {
		h := p.Serve(t, parity.Serving{})
		p.Credentials = parity.TestCredentials(t)
		p.Credentials.Authority = x509.NewCertPool()
		_, err := p.Dial(t, h).Unary(parity.Within(t), nil, parity.Options{})
		parity.WantCode(t, "a server nobody vouches for", err, cqrpc.CodeUnavailable)
	})
}

// One end that speaks TLS and one that does not must fail calls, not hang them.
func TestTLSMixUp(t *testing.T) {
	eachSecure(t, func(t *testing.T, p *parity.Pairing) {
		secure := p.Credentials
		h := p.Serve(t, parity.Serving{})
		p.Credentials = nil
		_, err := p.Dial(t, h).Unary(parity.Within(t), nil, parity.Options{})
		parity.WantCode(t, "plaintext client, TLS server", err, cqrpc.CodeUnavailable)

		h = p.Serve(t, parity.Serving{})
		p.Credentials = secure
		_, err = p.Dial(t, h).Unary(parity.Within(t), nil, parity.Options{})
		parity.WantCode(t, "TLS client, plaintext server", err, cqrpc.CodeUnavailable)
	})
}
