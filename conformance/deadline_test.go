package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// deadlineOf is a service whose EmptyCall tells how much time it had left, -1
// for no deadline.
func deadlineOf(left chan<- time.Duration) *testservice.Service {
	s := testservice.New()
	s.EmptyCall = func(c testservice.Call, _ *testpb.Empty) (*testpb.Empty, error) {
		if d, ok := c.Context().Deadline(); ok {
			left <- time.Until(d)
		} else {
			left <- -1
		}
		return new(testpb.Empty), nil
	}
	return s
}

func deadlineTravels(t *testing.T, p *pairing) {
	left := make(chan time.Duration, 1)
	c := p.connect(t, deadlineOf(left))
	const timeout = 10 * time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	_, err := c.EmptyCall(ctx, new(testpb.Empty), options{})
	want(t, "EmptyCall", err)
	// A minute is what the machine may have been busy with other things.
	if d := <-left; d > timeout || d < timeout-time.Minute {
		t.Errorf("handler had %v left of %v", d, timeout)
	}
}

func noDeadline(t *testing.T, p *pairing) {
	left := make(chan time.Duration, 1)
	_, err := p.connect(t, deadlineOf(left)).EmptyCall(t.Context(), new(testpb.Empty), options{})
	want(t, "EmptyCall", err)
	if d := <-left; d != -1 {
		t.Errorf("handler had %v left, want no deadline", d)
	}
}

// hanging is a service whose calls last until their contexts end. They tell
// when they begin and why they end.
func hanging() (s *testservice.Service, begun chan struct{}, ended chan error) {
	begun, ended = make(chan struct{}, 1), make(chan error, 1)
	hang := func(c testservice.Call) error {
		begun <- struct{}{}
		<-c.Context().Done()
		ended <- c.Context().Err()
		return c.Context().Err()
	}
	s = testservice.New()
	s.UnaryCall = func(c testservice.Call, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return nil, hang(c)
	}
	s.StreamingInputCall = func(c testservice.Call, _ testservice.Receiver[inputRequest]) (*inputResponse, error) {
		return nil, hang(c)
	}
	s.FullDuplexCall = func(
		c testservice.Call, _ testservice.Receiver[outputRequest], out testservice.Sender[outputResponse],
	) error {
		if err := out.Send(new(outputResponse)); err != nil {
			return err
		}
		return hang(c)
	}
	return s, begun, ended
}

// Which end's clock strikes first is open, so the handler may also see the
// client's RST_STREAM.
func deadlineEndsBoth(t *testing.T, p *pairing) {
	service, begun, ended := hanging()
	c := p.connect(t, service)
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	// The deadline must not be used up before the call is there.
	_, err := c.EmptyCall(ctx, new(testpb.Empty), options{})
	want(t, "EmptyCall", err)
	soon, cancelSoon := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancelSoon()
	_, err = c.UnaryCall(soon, new(testpb.SimpleRequest), options{})
	wantCode(t, "UnaryCall", err, cqrpc.CodeDeadlineExceeded)
	<-begun
	if err := <-ended; err != context.DeadlineExceeded && err != context.Canceled {
		t.Errorf("handler's context ended with %v", err)
	}
}

func deadlinePassed(t *testing.T, p *pairing) {
	c := p.connect(t, nil)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err := c.EmptyCall(ctx, new(testpb.Empty), options{})
	wantCode(t, "EmptyCall", err, cqrpc.CodeDeadlineExceeded)
}

func timeoutOnSleepingServer(t *testing.T, p *pairing) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	s, err := p.connect(t, nil).FullDuplexCall(ctx, options{})
	if err == nil {
		_ = s.Send(carrying(make([]byte, 27182))) // may come too late
		_, err = s.Recv()
	}
	wantCode(t, "a call of 1 ms", err, cqrpc.CodeDeadlineExceeded)
}

func deadlineEndsSend(t *testing.T, p *pairing) {
	service, begun, _ := hanging()
	c := p.connect(t, service)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	s, err := c.StreamingInputCall(ctx, options{})
	if err == nil {
		wantEnd(t, "Send", sendUntilEnd(s))
		_, err = s.CloseAndRecv()
	}
	wantCode(t, "CloseAndRecv", err, cqrpc.CodeDeadlineExceeded)
	<-begun
}
