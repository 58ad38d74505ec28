package conformance

import (
	"testing"

	"github.com/cqrpc/cqrpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// A MiB of zeros, and what is left of it at most when it was compressed.
const (
	puffed = 1 << 20
	shrunk = 64 << 10
)

// wantShrunk fails unless few bytes crossed the wire, and wantPuffed unless
// many did: that a call succeeds does not say that it was compressed.
func wantShrunk(t *testing.T, direction string, bytes int64) {
	t.Helper()
	if bytes > shrunk {
		t.Errorf("%s: %d bytes on the wire for %d of zeros, want them compressed", direction, bytes, puffed)
	}
}

func wantPuffed(t *testing.T, direction string, bytes int64) {
	t.Helper()
	if bytes < puffed {
		t.Errorf("%s: %d bytes on the wire for %d, want them as they are", direction, bytes, puffed)
	}
}

func clientCompresses(t *testing.T, p *pairing) {
	h := p.serve(t, serving{})
	_, err := p.dial(t, h).UnaryCall(within(t), &testpb.SimpleRequest{
		Payload: &testpb.Payload{Body: make([]byte, puffed)},
	}, options{gzip: true})
	want(t, "UnaryCall", err)
	wantShrunk(t, "request", h.wire.received.Load())
}

func serverCompresses(t *testing.T, p *pairing) {
	h := p.serve(t, serving{gzip: true})
	c := p.dial(t, h)
	res, err := c.UnaryCall(within(t), &testpb.SimpleRequest{
		ResponseSize: puffed, Payload: &testpb.Payload{Body: make([]byte, puffed)},
	}, options{})
	want(t, "UnaryCall", err)
	wantBody(t, "response", res.GetPayload(), make([]byte, puffed))
	wantPuffed(t, "request", h.wire.received.Load())
	wantShrunk(t, "response", h.wire.sent.Load())
}

func bothCompress(t *testing.T, p *pairing) {
	h := p.serve(t, serving{service: echo(), gzip: true})
	s := begin[duplex](t)(p.dial(t, h).FullDuplexCall(within(t), options{gzip: true}))
	for _, body := range [][]byte{make([]byte, puffed), nil, noise(1000, 1), make([]byte, 10), {1}} {
		want(t, "Send", s.Send(carrying(body)))
		res, err := s.Recv()
		want(t, "Recv", err)
		wantBody(t, "response", res.GetPayload(), body)
	}
	want(t, "CloseSend", s.CloseSend())
	_, err := s.Recv()
	wantEnd(t, "after the last response", err)
	wantShrunk(t, "requests", h.wire.received.Load())
	wantShrunk(t, "responses", h.wire.sent.Load())
}

// A message that is small on the wire and large in memory is a bomb.
func inflatedLimit(t *testing.T, p *pairing) {
	c := p.dial(t, p.serve(t, serving{gzip: true, maxRecv: puffed / 2}))
	_, err := c.UnaryCall(within(t), &testpb.SimpleRequest{
		Payload: &testpb.Payload{Body: make([]byte, puffed)},
	}, options{gzip: true})
	wantCode(t, "request over the server's limit", err, cqrpc.CodeResourceExhausted)
	_, err = c.UnaryCall(within(t), &testpb.SimpleRequest{ResponseSize: puffed}, options{maxRecv: puffed / 2})
	wantCode(t, "response over the client's limit", err, cqrpc.CodeResourceExhausted)
}
