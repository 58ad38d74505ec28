package otelcqrpc_test

import (
	"testing"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/otelcqrpc"
)

// What the filter adds to a call, at one end: with nothing installed, and with OpenTelemetry's SDK,
// whose own share that is.
func BenchmarkFilter(b *testing.B) {
	for name, opts := range map[string][]otelcqrpc.Option{
		"nothing": nil,
		"metrics": {otelcqrpc.WithMeterProvider(newTelescope().meter)},
	} {
		filter := otelcqrpc.NewFilter(opts...)
		for _, isServer := range []bool{false, true} {
			side := map[bool]string{false: "client", true: "server"}[isServer]
			b.Run(name+"/"+side, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					start := call.Start{Method: "/a.Service/Method", Authority: "localhost:443", IsServer: isServer}
					if _, err := filter(b.Context(), &start); err != nil {
						b.Fatal(err)
					}
					start.OnEnd(call.End{})
				}
			})
		}
	}
}
