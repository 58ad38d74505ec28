package parity

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/cqrpc/cqrpc"
)

// A server cancels by answering so: the client must not mistake it for its own
// doing, and its sends end.
func serverAnswersCancelled(t *testing.T, p *Pairing) {
	service := Standard()
	service.BidiStream = func(_ Call, in In, _ Out) error {
		if _, err := in.Recv(); err != nil {
			return err
		}
		return cqrpc.Errorf(cqrpc.CodeCanceled, "the server has changed its mind")
	}
	s := begin[Duplex](t)(p.Connect(t, service).BidiStream(Within(t), Options{}))
	Want(t, "Send", s.Send(nil))
	_, err := s.Recv()
	WantStatus(t, "Recv", err, cqrpc.CodeCanceled, "the server has changed its mind")
	WantEnd(t, "Send after the end", s.Send(nil))
}

// cancelled tries to go on with a call after TryCancel, which has to be in vain.
// It returns what it found to be wrong.
func cancelled(c Call, in In, out Out) error {
	c.TryCancel()
	<-c.Context().Done()
	if err := c.Context().Err(); err != context.Canceled {
		return cqrpc.Errorf(cqrpc.CodeInternal, "the context ended with %v", err)
	}
	if in != nil && errors.Is(untilError(in), io.EOF) {
		return cqrpc.Errorf(cqrpc.CodeInternal, "a call that was cancelled reads to its end")
	}
	// A style may report the fate of a message with the next.
	if out != nil && write(out, 3) == nil {
		return cqrpc.Errorf(cqrpc.CodeInternal, "a call that was cancelled sends")
	}
	return nil
}

// untilError reads on: what had arrived may still be there to be read.
func untilError(in In) error {
	for {
		if _, err := in.Recv(); err != nil {
			return err
		}
	}
}

// tryCancelUnary cancels in the handler.
func tryCancelUnary(t *testing.T, p *Pairing) {
	found := make(chan error, 1)
	service := Standard()
	service.Unary = func(c Call, req []byte) ([]byte, error) {
		found <- cancelled(c, nil, nil)
		return req, nil
	}
	c := p.Connect(t, service)
	_, err := c.Unary(Within(t), nil, Options{})
	WantCode(t, "Unary", err, cqrpc.CodeCanceled)
	Want(t, "the handler", <-found)
	Want(t, "the next call", ping(Within(t), c, Options{}))
}

// read receives n requests.
func read(in In, n int) error {
	for range n {
		if _, err := in.Recv(); err != nil {
			return err
		}
	}
	return nil
}

// write sends n responses.
func write(out Out, n int) error {
	for range n {
		if err := out.Send([]byte("response")); err != nil {
			return err
		}
	}
	return nil
}

// tryCancelRequests cancels before, between and after the requests of a stream.
func tryCancelRequests(t *testing.T, p *Pairing) {
	const requests = 3
	for _, after := range []int{0, 1, requests} {
		found := make(chan error, 1)
		service := Standard()
		service.ClientStream = func(c Call, in In) ([]byte, error) {
			err := read(in, after)
			if err == nil {
				err = cancelled(c, in, nil)
			}
			found <- err
			return nil, nil
		}
		s := begin[Input](t)(p.Connect(t, service).ClientStream(Within(t), Options{}))
		for range requests {
			if err := s.Send([]byte("request")); err != nil {
				WantEnd(t, "Send", err)
				break
			}
		}
		Want(t, "the handler", <-found)
		_, err := s.CloseAndRecv()
		WantCode(t, "CloseAndRecv", err, cqrpc.CodeCanceled)
	}
}

// tryCancelResponses cancels before, between and after the responses of a stream.
func tryCancelResponses(t *testing.T, p *Pairing) {
	const responses = 3
	for _, after := range []int{0, 1, responses} {
		found := make(chan error, 1)
		service := Standard()
		service.ServerStream = func(c Call, _ []byte, out Out) error {
			err := write(out, after)
			if err == nil {
				err = cancelled(c, nil, out)
			}
			found <- err
			return nil
		}
		s, err := p.Connect(t, service).ServerStream(Within(t), nil, Options{})
		WantCode(t, "ServerStream", untilEnd(s, err), cqrpc.CodeCanceled)
		Want(t, "the handler", <-found)
	}
}

// tryCancelBoth cancels before, between and after what both directions carry.
func tryCancelBoth(t *testing.T, p *Pairing) {
	const rounds = 3
	for _, after := range []int{0, 1, rounds} {
		found := make(chan error, 1)
		service := Standard()
		service.BidiStream = func(c Call, in In, out Out) error {
			err := read(in, after)
			if err == nil {
				err = write(out, after)
			}
			if err == nil {
				err = cancelled(c, in, out)
			}
			found <- err
			return nil
		}
		s := begin[Duplex](t)(p.Connect(t, service).BidiStream(Within(t), Options{}))
		for range rounds {
			if err := s.Send([]byte("request")); err != nil {
				WantEnd(t, "Send", err)
				break
			}
		}
		WantCode(t, "BidiStream", untilEnd(s, nil), cqrpc.CodeCanceled)
		Want(t, "the handler", <-found)
		WantEnd(t, "Send after the end", s.Send(nil))
	}
}
