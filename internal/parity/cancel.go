package parity

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/cqrpc/cqrpc"
)

func cancelBeforeBegin(t *testing.T, p *Pairing) {
	var calls atomic.Int32
	service := Echo()
	count := func() { calls.Add(1) }
	service.Unary = func(_ Call, req []byte) ([]byte, error) { count(); return req, nil }
	service.ServerStream = func(Call, []byte, Out) error { count(); return nil }
	service.ClientStream = func(Call, In) ([]byte, error) { count(); return nil, nil }
	service.BidiStream = func(Call, In, Out) error { count(); return nil }
	c := p.Connect(t, service)
	ctx, cancel := context.WithCancel(Within(t))
	cancel()
	for _, shape := range shapes {
		WantCode(t, shape.name, shape.call(ctx, c), cqrpc.CodeCanceled)
	}
	_, err := c.Unary(Within(t), nil, Options{})
	Want(t, "Unary on the same channel", err)
	if n := calls.Load(); n != 1 {
		t.Errorf("server got %d calls, want the last only", n)
	}
}

// cancelWhileServed cancels a call of each shape that the server has begun.
func cancelWhileServed(t *testing.T, p *Pairing) {
	service, begun, ended := hanging()
	c := p.Connect(t, service)
	for _, shape := range shapes {
		ctx, cancel := context.WithCancel(Within(t))
		go func() {
			<-begun
			cancel()
		}()
		WantCode(t, shape.name, shape.call(ctx, c), cqrpc.CodeCanceled)
		wantCancelled(t, ended)
	}
}

func wantCancelled(t *testing.T, ended <-chan error) {
	t.Helper()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("handler's context ended with %v, want %v", err, context.Canceled)
	}
}

func cancelAfterBegin(t *testing.T, p *Pairing) {
	service, begun, ended := hanging()
	ctx, cancel := context.WithCancel(Within(t))
	defer cancel()
	s := begin[Input](t)(p.Connect(t, service).ClientStream(ctx, Options{}))
	<-begun
	cancel()
	_, err := s.CloseAndRecv()
	WantCode(t, "CloseAndRecv", err, cqrpc.CodeCanceled)
	wantCancelled(t, ended)
}

func cancelAfterFirstResponse(t *testing.T, p *Pairing) {
	service, _, ended := hanging()
	c := p.Connect(t, service)
	for _, shape := range []struct {
		name string
		open func(ctx context.Context) (Output, error)
	}{
		{"ServerStream", func(ctx context.Context) (Output, error) { return c.ServerStream(ctx, nil, Options{}) }},
		{"BidiStream", func(ctx context.Context) (Output, error) {
			s, err := c.BidiStream(ctx, Options{})
			Want(t, "begin", err)
			return s, s.Send(make([]byte, 27182))
		}},
	} {
		ctx, cancel := context.WithCancel(Within(t))
		s := begin[Output](t)(shape.open(ctx))
		wantNext(t, s, nil)
		cancel()
		wantFailure(t, s, cqrpc.CodeCanceled)
		wantCancelled(t, ended)
	}
}

// A call that is cancelled when both directions are done with may have ended
// with either status, but it has ended.
func cancelAfterHalfClose(t *testing.T, p *Pairing) {
	service, _, ended := hanging()
	ctx, cancel := context.WithCancel(Within(t))
	defer cancel()
	s := begin[Duplex](t)(p.Connect(t, service).BidiStream(ctx, Options{}))
	Want(t, "CloseSend", s.CloseSend())
	wantNext(t, s, nil)
	cancel()
	wantFailure(t, s, cqrpc.CodeCanceled)
	wantCancelled(t, ended)
}

// Whether the server has ended the call or the cancel came first is open; later
// a cancel has no effect.
func cancelAfterEnd(t *testing.T, p *Pairing) {
	c := p.Connect(t, Echo())
	ctx, cancel := context.WithCancel(Within(t))
	s := begin[Duplex](t)(c.BidiStream(ctx, Options{}))
	Want(t, "CloseSend", s.CloseSend())
	wantDone(t, s)
	cancel()
	wantDone(t, s)
	Want(t, "the next call", ping(Within(t), c, Options{}))
}

func cancelEndsSend(t *testing.T, p *Pairing) {
	service, begun, ended := hanging()
	c := p.Connect(t, service)
	ctx, cancel := context.WithCancel(Within(t))
	defer cancel()
	s := begin[Input](t)(c.ClientStream(ctx, Options{}))
	sent := make(chan error, 1)
	go func() { sent <- sendUntilEnd(s) }()
	<-begun
	stall(t, c)
	cancel()
	WantEnd(t, "Send", <-sent)
	_, err := s.CloseAndRecv()
	WantCode(t, "CloseAndRecv", err, cqrpc.CodeCanceled)
	wantCancelled(t, ended)
}

func cancelOne(t *testing.T, p *Pairing) {
	c := p.Connect(t, Echo())
	stays := begin[Duplex](t)(c.BidiStream(Within(t), Options{}))
	for i := range 20 {
		ctx, cancel := context.WithCancel(Within(t))
		s := begin[Duplex](t)(c.BidiStream(ctx, Options{}))
		Want(t, "Send", s.Send(Noise(10_000, uint64(i))))
		cancel()
		_, _ = s.Recv() // the response or the cancellation, whichever was first
		Want(t, "the other", Rally(stays, []byte{byte(i)}))
	}
	Want(t, "CloseSend", stays.CloseSend())
	wantDone(t, stays)
}
