package conformance

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

func cancelBeforeBegin(t *testing.T, p *pairing) {
	var calls atomic.Int32
	service := testservice.New()
	service.EmptyCall = func(testservice.Call, *testpb.Empty) (*testpb.Empty, error) {
		calls.Add(1)
		return new(testpb.Empty), nil
	}
	c := p.connect(t, service)
	ctx, cancel := context.WithCancel(within(t))
	cancel()
	_, err := c.EmptyCall(ctx, new(testpb.Empty), options{})
	wantCode(t, "EmptyCall", err, cqrpc.CodeCanceled)

	_, err = c.EmptyCall(within(t), new(testpb.Empty), options{})
	want(t, "EmptyCall on the same channel", err)
	if n := calls.Load(); n != 1 {
		t.Errorf("server got %d calls, want the second only", n)
	}
}

func cancelAfterBegin(t *testing.T, p *pairing) {
	service, begun, ended := hanging()
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	s := begin[input](t)(p.connect(t, service).StreamingInputCall(ctx, options{}))
	<-begun
	cancel()
	_, err := s.CloseAndRecv()
	wantCode(t, "CloseAndRecv", err, cqrpc.CodeCanceled)
	wantCancelled(t, ended)
}

func wantCancelled(t *testing.T, ended <-chan error) {
	t.Helper()
	if err := <-ended; err != context.Canceled {
		t.Errorf("handler's context ended with %v, want %v", err, context.Canceled)
	}
}

func cancelAfterFirstResponse(t *testing.T, p *pairing) {
	service, _, ended := hanging()
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	s := begin[duplex](t)(p.connect(t, service).FullDuplexCall(ctx, options{}))
	want(t, "Send", s.Send(carrying(make([]byte, 27182))))
	_, err := s.Recv()
	want(t, "Recv", err)
	cancel()
	_, err = s.Recv()
	wantCode(t, "Recv after cancel", err, cqrpc.CodeCanceled)
	wantCancelled(t, ended)
}

func cancelUnary(t *testing.T, p *pairing) {
	service, begun, ended := hanging()
	c := p.connect(t, service)
	ctx, cancel := context.WithCancel(within(t))
	go func() {
		<-begun
		cancel()
	}()
	_, err := c.UnaryCall(ctx, new(testpb.SimpleRequest), options{})
	wantCode(t, "UnaryCall", err, cqrpc.CodeCanceled)
	wantCancelled(t, ended)
}

func cancelEndsSend(t *testing.T, p *pairing) {
	service, begun, ended := hanging()
	c := p.connect(t, service)
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	s := begin[input](t)(c.StreamingInputCall(ctx, options{}))
	sent := make(chan error, 1)
	go func() { sent <- sendUntilEnd(s) }()
	<-begun
	stall(t, c)
	cancel()
	wantEnd(t, "Send", <-sent)
	_, err := s.CloseAndRecv()
	wantCode(t, "CloseAndRecv", err, cqrpc.CodeCanceled)
	wantCancelled(t, ended)
}

// A server cancels by answering so: the client must not mistake it for its own
// doing, and its sends end.
func serverCancels(t *testing.T, p *pairing) {
	service := testservice.New()
	service.FullDuplexCall = func(
		_ testservice.Call, in testservice.Receiver[outputRequest], _ testservice.Sender[outputResponse],
	) error {
		if _, err := in.Recv(); err != nil {
			return err
		}
		return cqrpc.Errorf(cqrpc.CodeCanceled, "the server has changed its mind")
	}
	s := begin[duplex](t)(p.connect(t, service).FullDuplexCall(within(t), options{}))
	want(t, "Send", s.Send(new(outputRequest)))
	_, err := s.Recv()
	wantCode(t, "Recv", err, cqrpc.CodeCanceled)
	if st := cqrpc.StatusOf(err); st.Message != "the server has changed its mind" {
		t.Errorf("message %q, want the server's", st.Message)
	}
	wantEnd(t, "Send after the end", s.Send(new(outputRequest)))
}

func cancelOne(t *testing.T, p *pairing) {
	c := p.connect(t, echo())
	stays := begin[duplex](t)(c.FullDuplexCall(within(t), options{}))
	for i := range 20 {
		ctx, cancel := context.WithCancel(within(t))
		s := begin[duplex](t)(c.FullDuplexCall(ctx, options{}))
		want(t, "Send", s.Send(carrying(noise(10_000, uint64(i)))))
		cancel()
		_, _ = s.Recv() // the response or the cancellation, whichever was first
		want(t, "Send of the other", stays.Send(carrying([]byte{byte(i)})))
		res, err := stays.Recv()
		want(t, "Recv of the other", err)
		wantBody(t, "response of the other", res.GetPayload(), []byte{byte(i)})
	}
	want(t, "CloseSend", stays.CloseSend())
	_, err := stays.Recv()
	wantEnd(t, "the other", err)
}
