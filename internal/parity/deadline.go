package parity

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc"
)

// deadlineOf is a service whose Unary tells how much time it had left, -1 for no
// deadline.
func deadlineOf(left chan<- time.Duration) *Service {
	s := Standard()
	s.Unary = func(c Call, req []byte) ([]byte, error) {
		if d, ok := c.Context().Deadline(); ok {
			left <- time.Until(d)
		} else {
			left <- -1
		}
		return req, nil
	}
	return s
}

func deadlineTravels(t *testing.T, p *Pairing) {
	left := make(chan time.Duration, 1)
	c := p.Connect(t, deadlineOf(left))
	const timeout = 10 * time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	_, err := c.Unary(ctx, nil, Options{})
	Want(t, "Unary", err)
	// A minute is what the machine may have been busy with other things.
	if d := <-left; d > timeout || d < timeout-time.Minute {
		t.Errorf("handler had %v left of %v", d, timeout)
	}
}

func noDeadline(t *testing.T, p *Pairing) {
	left := make(chan time.Duration, 1)
	_, err := p.Connect(t, deadlineOf(left)).Unary(t.Context(), nil, Options{})
	Want(t, "Unary", err)
	if d := <-left; d != -1 {
		t.Errorf("handler had %v left, want no deadline", d)
	}
}

// hanging is a service whose calls last until their contexts end. They tell
// when they begin and why they end. Shapes with many responses send an empty one
// before.
func hanging() (s *Service, begun chan struct{}, ended chan error) {
	begun, ended = make(chan struct{}, 64), make(chan error, 64)
	hang := func(c Call) error {
		begun <- struct{}{}
		<-c.Context().Done()
		ended <- c.Context().Err()
		return c.Context().Err()
	}
	s = Standard()
	s.Unary = func(c Call, _ []byte) ([]byte, error) { return nil, hang(c) }
	s.ServerStream = func(c Call, _ []byte, out Out) error {
		if err := out.Send(nil); err != nil {
			return err
		}
		return hang(c)
	}
	s.ClientStream = func(c Call, _ In) ([]byte, error) { return nil, hang(c) }
	s.BidiStream = func(c Call, _ In, out Out) error {
		if err := out.Send(nil); err != nil {
			return err
		}
		return hang(c)
	}
	return s, begun, ended
}

// shapes makes a call of each shape and waits for its end, which is to come by
// itself: of a stream nothing is sent, and nothing half-closed.
var shapes = []struct {
	name string
	call func(ctx context.Context, c Caller) error
}{
	{"Unary", func(ctx context.Context, c Caller) error {
		_, err := c.Unary(ctx, nil, Options{})
		return err
	}},
	{"ServerStream", func(ctx context.Context, c Caller) error {
		s, err := c.ServerStream(ctx, nil, Options{})
		return untilEnd(s, err)
	}},
	{"ClientStream", func(ctx context.Context, c Caller) error {
		s, err := c.ClientStream(ctx, Options{})
		if err != nil {
			return err
		}
		_, err = s.CloseAndRecv()
		return err
	}},
	{"BidiStream", func(ctx context.Context, c Caller) error {
		s, err := c.BidiStream(ctx, Options{})
		return untilEnd(s, err)
	}},
}

// Which end's clock strikes first is open, so the handler may also see the
// client's RST_STREAM.
func deadlineEndsBoth(t *testing.T, p *Pairing) {
	service, begun, ended := hanging()
	c := p.Connect(t, service)
	for _, shape := range shapes {
		expire(t, begun, func(ctx context.Context) {
			WantCode(t, shape.name, shape.call(ctx, c), cqrpc.CodeDeadlineExceeded)
		})
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: handler's context ended with %v", shape.name, err)
		}
	}
}

// expire gives f a context with so much time that the call that f makes has
// reached the server before it ends. How much that is, the machine says.
func expire(t *testing.T, begun <-chan struct{}, f func(ctx context.Context)) {
	t.Helper()
	for timeout := 50 * time.Millisecond; timeout < Patience; timeout *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		f(ctx)
		cancel()
		select {
		case <-begun:
			return
		default:
		}
	}
	t.Fatal("no call reaches the server")
}

func deadlinePassed(t *testing.T, p *Pairing) {
	c := p.Connect(t, nil)
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	for _, shape := range shapes {
		WantCode(t, shape.name, shape.call(ctx, c), cqrpc.CodeDeadlineExceeded)
	}
	Want(t, "a call with time", ping(Within(t), c, Options{}))
}

func timeoutOnSleepingServer(t *testing.T, p *Pairing) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	s, err := p.Connect(t, nil).BidiStream(ctx, Options{})
	if err == nil {
		_ = s.Send(wish{Ballast: 27182}.bytes()) // may come too late
		_, err = s.Recv()
	}
	WantCode(t, "a call of 1 ms", err, cqrpc.CodeDeadlineExceeded)
}

func deadlineEndsSend(t *testing.T, p *Pairing) {
	service, begun, _ := hanging()
	c := p.Connect(t, service)
	expire(t, begun, func(ctx context.Context) {
		s, err := c.ClientStream(ctx, Options{})
		if err == nil {
			WantEnd(t, "Send", sendUntilEnd(s))
			_, err = s.CloseAndRecv()
		}
		WantCode(t, "CloseAndRecv", err, cqrpc.CodeDeadlineExceeded)
	})
}
