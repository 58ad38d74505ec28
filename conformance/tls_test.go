package conformance

import (
	"crypto/x509"
	"testing"

	"github.com/cqrpc/cqrpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// eachSecure runs f as a parallel subtest for every pairing, over TLS.
func eachSecure(t *testing.T, f func(t *testing.T, p *pairing)) {
	for _, p := range pairings(t) {
		if p.credentials == nil {
			continue
		}
		t.Run(p.name(), func(t *testing.T) {
			t.Parallel()
			f(t, p)
		})
	}
}

func TestMutualTLS(t *testing.T) {
	eachSecure(t, func(t *testing.T, p *pairing) {
		p.credentials = testCredentials(t)
		p.credentials.mutual = true
		h := p.serve(t, serving{})
		_, err := p.dial(t, h).EmptyCall(within(t), new(testpb.Empty), options{})
		want(t, "a client with a certificate", err)

		p.credentials = testCredentials(t) // which has none for clients
		_, err = p.dial(t, h).EmptyCall(within(t), new(testpb.Empty), options{})
		wantCode(t, "a client without", err, cqrpc.CodeUnavailable)
	})
}

func TestUnknownAuthority(t *testing.T) {
	eachSecure(t, func(t *testing.T, p *pairing) {
		h := p.serve(t, serving{})
		p.credentials = testCredentials(t)
		p.credentials.authority = x509.NewCertPool()
		_, err := p.dial(t, h).EmptyCall(within(t), new(testpb.Empty), options{})
		wantCode(t, "a server nobody vouches for", err, cqrpc.CodeUnavailable)
	})
}

// One end that speaks TLS and one that does not must fail calls, not hang them.
func TestTLSMixUp(t *testing.T) {
	eachSecure(t, func(t *testing.T, p *pairing) {
		secure := p.credentials
		h := p.serve(t, serving{})
		p.credentials = nil
		_, err := p.dial(t, h).EmptyCall(within(t), new(testpb.Empty), options{})
		wantCode(t, "plaintext client, TLS server", err, cqrpc.CodeUnavailable)

		h = p.serve(t, serving{})
		p.credentials = secure
		_, err = p.dial(t, h).EmptyCall(within(t), new(testpb.Empty), options{})
		wantCode(t, "TLS client, plaintext server", err, cqrpc.CodeUnavailable)
	})
}
