package conformance

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc/internal/parity"
)

// TestCCoreClient lets C-core call cqrpc in every style.
func TestCCoreClient(t *testing.T) { eachHost(t, &ccore) }

// TestGRPCJSClient lets grpc-js call cqrpc in every style.
func TestGRPCJSClient(t *testing.T) { eachHost(t, &grpcjs) }

func eachHost(t *testing.T, p *stranger) {
	for _, to := range parity.Hosts {
		t.Run(to.Name, func(t *testing.T) {
			t.Parallel()
			peerCalls(t, p, to)
		})
	}
}

// peerCalls runs the client of p. What is asserted stands in the script.
func peerCalls(t *testing.T, p *stranger, to parity.HostKind) {
	ended := make(chan error, 10)
	h := rawHost(t, to, ended)
	cmd := p.command(t, p.client, h.Address)
	var diagnostics bytes.Buffer
	cmd.Stderr = &diagnostics
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%v\n%s", err, diagnostics.String())
	}
	cases := 0
	for line := range strings.Lines(string(out)) {
		name, verdict, _ := strings.Cut(strings.TrimSpace(line), " ")
		cases++
		t.Run(name, func(t *testing.T) {
			if verdict != "ok" {
				t.Error(verdict)
			}
		})
	}
	if cases < 12 {
		t.Fatalf("%d cases have run, want the 12 of the script", cases)
	}
	if err := <-ended; err != context.DeadlineExceeded && err != context.Canceled {
		t.Errorf("handler's context ended with %v", err)
	}
}
