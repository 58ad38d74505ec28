package conformance

import (
	"bytes"
	"context"
	"net"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/codec/compressors"
	"github.com/cqrpc/cqrpc/conformance/internal/envelope"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/server"
)

// Deflate is C-core's second encoding, and none of our defaults (docs/decisions/002). What is tested
// does not depend on the style.

func withDeflate() *codec.Compressors {
	return codec.NewCompressors(codec.Gzip(), compressors.Deflate())
}

// TestDeflateFromCCoreClient lets C-core deflate requests to a server that deflates responses, and to
// one that has no deflate.
func TestDeflateFromCCoreClient(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		script  string // its case
		options []server.Option
	}{
		{"deflate", []server.Option{server.WithCompressors(withDeflate()), server.WithCompressor("deflate")}},
		{"deflate_refused", nil},
	} {
		h := parity.Hosts[0].Start(t, nil, parity.Serving{
			Routes: rawRoutes(nil), Options: append(test.options, server.WithCodecs(envelope.Codec())),
		})
		cmd := ccore.command(t, ccore.client, h.Address, test.script)
		var diagnostics bytes.Buffer
		cmd.Stderr = &diagnostics
		out, err := cmd.Output()
		if text := string(out); err != nil || text != test.script+" ok\n" {
			t.Errorf("%v %s\n%s", err, text, diagnostics.String())
		}
		if received := h.Wire.Received.Load(); test.options != nil && received > 1<<20 {
			t.Errorf("%d bytes on the wire for 6 MiB of zeros, want them compressed", received)
		}
	}
}

// TestDeflateFromCCoreServer is about a server of C-core that was told to deflate: it does so
// whatever grpc-accept-encoding says.
func TestDeflateFromCCoreServer(t *testing.T) {
	t.Parallel()
	h := ccore.start(t, "Deflate")
	defer h.stop()
	wire := new(parity.Wire)
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return wire.Wrap(nc), nil
	}
	body := make([]byte, parity.Puffed)
	unary := func(opts []client.Option, of ...client.CallOption) ([]byte, error) {
		ch, err := parity.NewChannel(parity.Dialing{Address: h.address, Options: append(rawOptions(dial), opts...)})
		parity.Want(t, "NewChannel", err)
		defer func() { parity.Want(t, "Close", ch.Close()) }()
		res, err := client.Unary(parity.Within(t), ch, rawMethod("Unary", call.Unary), &rawMessage{Value: body}, of...)
		return res.GetValue(), err
	}

	res, err := unary([]client.Option{client.WithCompressors(withDeflate())}, client.WithCompressor("deflate"))
	parity.Want(t, "with deflate", err)
	if !bytes.Equal(res, body) {
		t.Errorf("response of %d bytes, want the %d zeros of the request", len(res), len(body))
	}
	parity.WantShrunk(t, "request", wire.Sent.Load())
	parity.WantShrunk(t, "response", wire.Received.Load())

	_, err = unary(nil)
	parity.WantCode(t, "without deflate", err, cqrpc.CodeInternal)
	if err != nil && !strings.Contains(err.Error(), `"deflate"`) {
		t.Errorf("%v; want the encoding named", err)
	}
}
