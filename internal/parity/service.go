package parity

import (
	"context"
	"errors"
	"io"

	"github.com/cqrpc/cqrpc"
)

// Call is what a method sees of its call, whatever server it came to: all but
// the messages.
type Call interface {
	// Context ends when the call does, for whatever reason.
	Context() context.Context
	// Metadata is the request's, to be read only.
	Metadata() cqrpc.Metadata
	// Authority is the host that the client asked for.
	Authority() string
	// Peer is the client's address.
	Peer() string
	// SetHeader adds to the initial metadata, which goes out with the first
	// message; SendHeader sends it now.
	SetHeader(md cqrpc.Metadata) error
	SendHeader(md cqrpc.Metadata) error
	// SetTrailer adds to the trailing metadata.
	SetTrailer(md cqrpc.Metadata) error
	// TryCancel ends the call with CANCELLED. grpc-go has no such thing.
	TryCancel()
}

// Receiver is the requests of a call; io.EOF is their end.
type Receiver[Req any] interface{ Recv() (*Req, error) }

// Sender is the responses of a call.
type Sender[Res any] interface{ Send(res *Res) error }

// In is the requests of a call of Service, whose messages are bytes.
type In interface{ Recv() ([]byte, error) }

// Out is the responses of a call of Service.
type Out interface{ Send(res []byte) error }

// Service is cqrpc.parity.Parity: a method of each shape, and Ping for the calls
// that a scenario makes beside those that it is about. Standard gives methods
// that do what requests ask for; a scenario replaces those it wants to behave
// otherwise.
type Service struct {
	Ping         func(Call, []byte) ([]byte, error)
	Unary        func(Call, []byte) ([]byte, error)
	ServerStream func(Call, []byte, Out) error
	ClientStream func(Call, In) ([]byte, error)
	BidiStream   func(Call, In, Out) error
}

// Standard is the service of which requests are Wishes.
func Standard() *Service {
	return &Service{
		Ping:  func(_ Call, req []byte) ([]byte, error) { return req, nil },
		Unary: grantOne,
		ServerStream: func(c Call, req []byte, out Out) error {
			if err := echoMetadata(c); err != nil {
				return err
			}
			return grant(req, out)
		},
		ClientStream: countBytes,
		BidiStream:   grantEach,
	}
}

// Metadata that Standard echoes.
const (
	echoInitialKey  = "x-parity-echo-initial"
	echoTrailingKey = "x-parity-echo-trailing-bin"
)

func echoMetadata(c Call) error {
	if v := c.Metadata().Values(echoInitialKey); len(v) > 0 {
		if err := c.SendHeader(cqrpc.Pairs(echoInitialKey, v[0])); err != nil {
			return err
		}
	}
	if v := c.Metadata().Values(echoTrailingKey); len(v) > 0 {
		return c.SetTrailer(cqrpc.Pairs(echoTrailingKey, v[0]))
	}
	return nil
}

// grantOne answers with the first response that is wished for.
func grantOne(c Call, req []byte) ([]byte, error) {
	if err := echoMetadata(c); err != nil {
		return nil, err
	}
	w, err := parseWish(req)
	if err != nil || len(w.Sizes) == 0 {
		return nil, err
	}
	return make([]byte, w.Sizes[0]), nil
}

// grant sends the responses that are wished for.
func grant(req []byte, out Out) error {
	w, err := parseWish(req)
	if err != nil {
		return err
	}
	for _, n := range w.Sizes {
		if err := out.Send(make([]byte, n)); err != nil {
			return err
		}
	}
	return nil
}

// countBytes answers with the number of bytes in all requests, in decimal.
func countBytes(c Call, in In) ([]byte, error) {
	if err := echoMetadata(c); err != nil {
		return nil, err
	}
	sum := 0
	for {
		req, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return decimal(sum), nil
		}
		if err != nil {
			return nil, err
		}
		sum += len(req)
	}
}

// grantEach answers each request when it comes.
func grantEach(c Call, in In, out Out) error {
	if err := echoMetadata(c); err != nil {
		return err
	}
	for {
		req, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := grant(req, out); err != nil {
			return err
		}
	}
}

// patient answers all requests after the last has come.
func patient() *Service {
	s := Standard()
	s.BidiStream = func(_ Call, in In, out Out) error {
		var all [][]byte
		for {
			req, err := in.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			all = append(all, req)
		}
		for _, req := range all {
			if err := grant(req, out); err != nil {
				return err
			}
		}
		return nil
	}
	return s
}

// Echo answers every request with itself; ServerStream does so three times, and
// ClientStream with all requests in one.
func Echo() *Service {
	s := Standard()
	s.Unary = func(_ Call, req []byte) ([]byte, error) { return req, nil }
	s.ServerStream = func(_ Call, req []byte, out Out) error {
		for range 3 {
			if err := out.Send(req); err != nil {
				return err
			}
		}
		return nil
	}
	s.ClientStream = func(_ Call, in In) ([]byte, error) {
		var all []byte
		for {
			req, err := in.Recv()
			if errors.Is(err, io.EOF) {
				return all, nil
			}
			if err != nil {
				return nil, err
			}
			all = append(all, req...)
		}
	}
	s.BidiStream = func(_ Call, in In, out Out) error {
		for {
			req, err := in.Recv()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := out.Send(req); err != nil {
				return err
			}
		}
	}
	return s
}
