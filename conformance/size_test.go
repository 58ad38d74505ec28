package conformance

import (
	"testing"

	"github.com/cqrpc/cqrpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
)

func hugeMessages(t *testing.T, p *pairing) {
	const size = 16 << 20
	h := p.serve(t, serving{service: echo(), maxRecv: size + 100})
	body := noise(size, 1)
	res, err := p.dial(t, h).UnaryCall(within(t), &testpb.SimpleRequest{
		Payload: &testpb.Payload{Body: body},
	}, options{maxRecv: size + 100})
	want(t, "UnaryCall", err)
	wantBody(t, "response", res.GetPayload(), body)
}

// sized is a request whose payload makes it n bytes long on the wire: field and
// length of payload and of body are two bytes or three each, for n in question.
func sized(t *testing.T, n int) *testpb.SimpleRequest {
	t.Helper()
	for body := n; body >= 0; body-- {
		req := &testpb.SimpleRequest{Payload: &testpb.Payload{Body: make([]byte, body)}}
		if proto.Size(req) == n {
			return req
		}
	}
	t.Fatalf("no request is %d bytes long", n)
	return nil
}

const limit = 10_000

func clientRecvLimit(t *testing.T, p *pairing) {
	c := p.connect(t, echo())
	_, err := c.UnaryCall(within(t), sized(t, limit), options{maxRecv: limit})
	want(t, "a response of just the limit", err)
	_, err = c.UnaryCall(within(t), sized(t, limit+1), options{maxRecv: limit})
	wantCode(t, "a response of one byte more", err, cqrpc.CodeResourceExhausted)
	_, err = c.EmptyCall(within(t), new(testpb.Empty), options{})
	want(t, "the next call", err)
}

func serverRecvLimit(t *testing.T, p *pairing) {
	c := p.dial(t, p.serve(t, serving{service: echo(), maxRecv: limit}))
	_, err := c.UnaryCall(within(t), sized(t, limit), options{})
	want(t, "a request of just the limit", err)
	_, err = c.UnaryCall(within(t), sized(t, limit+1), options{})
	wantCode(t, "a request of one byte more", err, cqrpc.CodeResourceExhausted)
	_, err = c.UnaryCall(within(t), sized(t, 100*limit), options{})
	wantCode(t, "a request of a hundred times as much", err, cqrpc.CodeResourceExhausted)
	_, err = c.EmptyCall(within(t), new(testpb.Empty), options{})
	want(t, "the next call", err)
}

func clientSendLimit(t *testing.T, p *pairing) {
	c := p.connect(t, echo())
	_, err := c.UnaryCall(within(t), sized(t, limit), options{maxSend: limit})
	want(t, "a request of just the limit", err)
	_, err = c.UnaryCall(within(t), sized(t, limit+1), options{maxSend: limit})
	wantCode(t, "a request of one byte more", err, cqrpc.CodeResourceExhausted)
	_, err = c.EmptyCall(within(t), new(testpb.Empty), options{})
	want(t, "the next call", err)
}

func serverSendLimit(t *testing.T, p *pairing) {
	c := p.dial(t, p.serve(t, serving{service: echo(), maxSend: limit}))
	_, err := c.UnaryCall(within(t), sized(t, limit), options{})
	want(t, "a response of just the limit", err)
	_, err = c.UnaryCall(within(t), sized(t, limit+1), options{})
	wantCode(t, "a response of one byte more", err, cqrpc.CodeResourceExhausted)
	_, err = c.EmptyCall(within(t), new(testpb.Empty), options{})
	want(t, "the next call", err)
}
