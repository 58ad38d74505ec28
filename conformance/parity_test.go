package conformance

import (
	"slices"
	"testing"

	"github.com/cqrpc/cqrpc/internal/parity"
)

// The reference at either end.
var (
	grpcgoClient = parity.CallerKind{Name: "grpc-go", Dial: dialGRPCGo, Lacks: []parity.Feature{
		parity.Cardinality, parity.Encoding, parity.CallerFilter, parity.Pause,
	}}
	grpcgoServer = parity.HostKind{Name: "grpc-go", Serve: serveGRPCGo, Lacks: []parity.Feature{
		parity.TryCancel, parity.Cardinality, parity.Encoding, parity.HostFilter,
	}}
)

var (
	callers = append([]parity.CallerKind{grpcgoClient}, parity.Callers...)
	hosts   = append([]parity.HostKind{grpcgoServer}, parity.Hosts...)
)

// pairings is the reference with everybody, on either side and both, in
// plaintext and over TLS, and what generated code runs on in its place. Package parity
// has the others.
func pairings(t *testing.T) []*parity.Pairing {
	t.Helper()
	var all []*parity.Pairing
	for _, c := range []*parity.Credentials{nil, parity.TestCredentials(t)} {
		for _, from := range callers {
			all = append(all, &parity.Pairing{Caller: from, Host: grpcgoServer, Credentials: c})
		}
		for _, to := range parity.Hosts {
			all = append(all, &parity.Pairing{Caller: grpcgoClient, Host: to, Credentials: c})
		}
	}
	return append(all, compatPairings(t)...)
}

// spares reports pairings that a heavy scenario leaves out. The reference need
// not prove itself, and over TLS the sync style is enough.
func spares(s *parity.Scenario, p *parity.Pairing) bool {
	ends := []string{p.Caller.Name, p.Host.Name}
	isReference := ends[0] == ends[1]
	return s.Heavy && (isReference || p.Credentials != nil && !slices.Contains(ends, "sync"))
}

// TestParity runs the scenarios of package parity with grpc-go at one end, and
// with grpc-go at both to test the scenarios.
func TestParity(t *testing.T) {
	for i := range parity.Scenarios {
		s := &parity.Scenarios[i]
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			for _, p := range s.Pick(pairings(t)) {
				if spares(s, p) {
					continue
				}
				t.Run(p.Name(), func(t *testing.T) {
					t.Parallel()
					s.Run(t, p)
				})
			}
		})
	}
}

// syncHost is the host for tests that are not about styles.
func syncHost(t *testing.T) parity.HostKind {
	t.Helper()
	i := slices.IndexFunc(parity.Hosts, func(k parity.HostKind) bool { return k.Name == "sync" })
	return parity.Hosts[i]
}
