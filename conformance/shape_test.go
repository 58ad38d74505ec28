package conformance

import (
	"errors"
	"io"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// The sizes of grpc/grpc, doc/interop-test-descriptions.md.
var (
	requestSizes  = []int{27182, 8, 1828, 45904}
	responseSizes = []int32{31415, 9, 2653, 58979}
)

const (
	largeRequest  = 271828
	largeResponse = 314159
)

func emptyUnary(t *testing.T, p *pairing) {
	_, err := p.connect(t, nil).EmptyCall(within(t), new(testpb.Empty), options{})
	want(t, "EmptyCall", err)
}

func largeUnary(t *testing.T, p *pairing) {
	res, err := p.connect(t, nil).UnaryCall(within(t), &testpb.SimpleRequest{
		Payload: &testpb.Payload{Body: make([]byte, largeRequest)}, ResponseSize: largeResponse,
	}, options{})
	want(t, "UnaryCall", err)
	wantBody(t, "response", res.GetPayload(), make([]byte, largeResponse))
}

func serverStreaming(t *testing.T, p *pairing) {
	s := begin[output](t)(p.connect(t, nil).StreamingOutputCall(within(t), asking(responseSizes...), options{}))
	for _, n := range responseSizes {
		res, err := s.Recv()
		want(t, "Recv", err)
		wantBody(t, "response", res.GetPayload(), make([]byte, n))
	}
	_, err := s.Recv()
	wantEnd(t, "after the last response", err)
}

func clientStreaming(t *testing.T, p *pairing) {
	s := begin[input](t)(p.connect(t, nil).StreamingInputCall(within(t), options{}))
	sum := 0
	for _, n := range requestSizes {
		want(t, "Send", s.Send(&inputRequest{Payload: &testpb.Payload{Body: make([]byte, n)}}))
		sum += n
	}
	res, err := s.CloseAndRecv()
	want(t, "CloseAndRecv", err)
	if got := int(res.GetAggregatedPayloadSize()); got != sum {
		t.Errorf("server has counted %d bytes, want %d", got, sum)
	}
}

func pingPong(t *testing.T, p *pairing) {
	s := begin[duplex](t)(p.connect(t, nil).FullDuplexCall(within(t), options{}))
	for i, n := range requestSizes {
		req := asking(responseSizes[i])
		req.Payload = &testpb.Payload{Body: make([]byte, n)}
		want(t, "Send", s.Send(req))
		res, err := s.Recv()
		want(t, "Recv", err)
		wantBody(t, "response", res.GetPayload(), make([]byte, responseSizes[i]))
	}
	want(t, "CloseSend", s.CloseSend())
	_, err := s.Recv()
	wantEnd(t, "after CloseSend", err)
}

func halfDuplex(t *testing.T, p *pairing) {
	s := begin[duplex](t)(p.connect(t, nil).HalfDuplexCall(within(t), options{}))
	for _, n := range responseSizes {
		want(t, "Send", s.Send(asking(n)))
	}
	want(t, "CloseSend", s.CloseSend())
	for _, n := range responseSizes {
		res, err := s.Recv()
		want(t, "Recv", err)
		wantBody(t, "response", res.GetPayload(), make([]byte, n))
	}
	_, err := s.Recv()
	wantEnd(t, "after the last response", err)
}

func emptyStream(t *testing.T, p *pairing) {
	s := begin[duplex](t)(p.connect(t, nil).FullDuplexCall(within(t), options{}))
	want(t, "CloseSend", s.CloseSend())
	_, err := s.Recv()
	wantEnd(t, "after CloseSend", err)
}

// echo answers every request with its payload.
func echo() *testservice.Service {
	s := testservice.New()
	s.FullDuplexCall = func(
		_ testservice.Call, in testservice.Receiver[outputRequest], out testservice.Sender[outputResponse],
	) error {
		for {
			req, err := in.Recv()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := out.Send(&outputResponse{Payload: req.GetPayload()}); err != nil {
				return err
			}
		}
	}
	s.UnaryCall = func(_ testservice.Call, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return &testpb.SimpleResponse{Payload: req.GetPayload()}, nil
	}
	return s
}

// A message of no bytes is five bytes of prefix and must be delivered, also by
// a server stream that consists of nothing else.
func emptyMessages(t *testing.T, p *pairing) {
	s := begin[duplex](t)(p.connect(t, echo()).FullDuplexCall(within(t), options{}))
	const n = 3
	for range n {
		want(t, "Send", s.Send(new(outputRequest)))
	}
	want(t, "CloseSend", s.CloseSend())
	for range n {
		res, err := s.Recv()
		want(t, "Recv", err)
		wantBody(t, "response", res.GetPayload(), nil)
	}
	_, err := s.Recv()
	wantEnd(t, "after the last response", err)
}

func serverGoesOn(t *testing.T, p *pairing) {
	service := testservice.New()
	service.FullDuplexCall = func(
		_ testservice.Call, in testservice.Receiver[outputRequest], out testservice.Sender[outputResponse],
	) error {
		if _, err := in.Recv(); !errors.Is(err, io.EOF) {
			return cqrpc.Errorf(cqrpc.CodeFailedPrecondition, "%v where the half-close should be", err)
		}
		for i := range byte(5) {
			if err := out.Send(&outputResponse{Payload: &testpb.Payload{Body: []byte{i}}}); err != nil {
				return err
			}
		}
		return nil
	}
	s := begin[duplex](t)(p.connect(t, service).FullDuplexCall(within(t), options{}))
	want(t, "CloseSend", s.CloseSend())
	for i := range byte(5) {
		res, err := s.Recv()
		want(t, "Recv", err)
		wantBody(t, "response", res.GetPayload(), []byte{i})
	}
	_, err := s.Recv()
	wantEnd(t, "after the last response", err)
}

func sendWhileReceiving(t *testing.T, p *pairing) {
	exchange(t, p, 200, func(i int) []byte { return noise(i*97%5000, uint64(i)) })
}

func manyMessages(t *testing.T, p *pairing) {
	exchange(t, p, 10_000, func(i int) []byte { return []byte{byte(i), byte(i >> 8)} })
}

// exchange sends n messages to an echo from one goroutine and checks from
// another that they come back.
func exchange(t *testing.T, p *pairing, n int, body func(i int) []byte) {
	s := begin[duplex](t)(p.connect(t, echo()).FullDuplexCall(within(t), options{}))
	sent := make(chan error, 1)
	go func() {
		for i := range n {
			if err := s.Send(carrying(body(i))); err != nil {
				sent <- err
				return
			}
		}
		sent <- s.CloseSend()
	}()
	for i := range n {
		res, err := s.Recv()
		want(t, "Recv", err)
		wantBody(t, "response", res.GetPayload(), body(i))
	}
	_, err := s.Recv()
	wantEnd(t, "after the last response", err)
	want(t, "Send", <-sent)
}

func unimplementedMethod(t *testing.T, p *pairing) {
	c := p.connect(t, nil)
	err := c.Invoke(within(t), "/grpc.testing.TestService/UnimplementedCall")
	wantCode(t, "UnimplementedCall", err, cqrpc.CodeUnimplemented)
	err = c.Invoke(within(t), "/grpc.testing.TestService/NoSuchMethod")
	wantCode(t, "NoSuchMethod", err, cqrpc.CodeUnimplemented)
}

func unimplementedService(t *testing.T, p *pairing) {
	err := p.connect(t, nil).Invoke(within(t), "/grpc.testing.UnimplementedService/UnimplementedCall")
	wantCode(t, "UnimplementedCall", err, cqrpc.CodeUnimplemented)
}
