package conformance

import (
	"net"
	"testing"

	"github.com/cqrpc/cqrpc/grpccompat"
	"github.com/cqrpc/cqrpc/internal/parity"
)

// The client and the server of grpcgo_*_test.go, not a line changed, on cqrpc.
var (
	compatClient = parity.CallerKind{Name: "grpccompat", Dial: dialCompat, Lacks: []parity.Feature{parity.Encoding}}
	compatServer = parity.HostKind{Name: "grpccompat", Serve: serveCompat, Lacks: []parity.Feature{
		parity.TryCancel, parity.Encoding,
	}}
)

// compatPairings is package grpccompat with itself, with the style below it and with
// the reference. TLS is below all of it.
func compatPairings(t *testing.T) []*parity.Pairing {
	t.Helper()
	host := syncHost(t)
	caller := parity.CallerKind{Name: "sync"}
	for _, k := range parity.Callers {
		if k.Name == caller.Name {
			caller = k
		}
	}
	return []*parity.Pairing{
		{Caller: compatClient, Host: compatServer},
		{Caller: compatClient, Host: compatServer, Credentials: parity.TestCredentials(t)},
		{Caller: compatClient, Host: host},
		{Caller: caller, Host: compatServer},
		{Caller: compatClient, Host: grpcgoServer},
		{Caller: grpcgoClient, Host: compatServer},
	}
}

func dialCompat(d parity.Dialing) (parity.Caller, error) {
	ch, err := parity.NewChannel(d)
	if err != nil {
		return nil, err
	}
	return grpcgoCaller{grpccompat.NewClientConn(ch), ch}, nil
}

func serveCompat(t *testing.T, lis net.Listener, c *parity.Credentials, s parity.Serving) (drain, stop func()) {
	srv := parity.NewServer(c, s)
	grpccompat.NewRegistrar(srv).RegisterService(&grpcgoService, s.OrStandard())
	return parity.Run(t, srv, lis, func() {})
}
