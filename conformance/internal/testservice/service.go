package testservice

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/cqrpc/cqrpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// Call is what a method sees of its call, whatever server it came to: all but
// the messages.
type Call interface {
	// Context ends when the call does, for whatever reason.
	Context() context.Context
	// Metadata is the request's, to be read only.
	Metadata() cqrpc.Metadata
	// SetHeader adds to the initial metadata, which goes out with the first
	// message; SendHeader sends it now.
	SetHeader(md cqrpc.Metadata) error
	SendHeader(md cqrpc.Metadata) error
	// SetTrailer adds to the trailing metadata.
	SetTrailer(md cqrpc.Metadata) error
}

// Receiver is the requests of a call; io.EOF is their end.
type Receiver[Req any] interface{ Recv() (*Req, error) }

// Sender is the responses of a call.
type Sender[Res any] interface{ Send(res *Res) error }

// Service is the six methods. New makes them what the interop tests want; a
// test replaces those it wants to behave otherwise.
type Service struct {
	EmptyCall           func(Call, *testpb.Empty) (*testpb.Empty, error)
	UnaryCall           func(Call, *testpb.SimpleRequest) (*testpb.SimpleResponse, error)
	StreamingOutputCall func(Call, *OutputRequest, Sender[OutputResponse]) error
	StreamingInputCall  func(Call, Receiver[InputRequest]) (*InputResponse, error)
	FullDuplexCall      func(Call, Receiver[OutputRequest], Sender[OutputResponse]) error
	HalfDuplexCall      func(Call, Receiver[OutputRequest], Sender[OutputResponse]) error
}

// New returns the service as the interop test descriptions define it.
func New() *Service {
	return &Service{
		EmptyCall:           emptyCall,
		UnaryCall:           unaryCall,
		StreamingOutputCall: streamingOutputCall,
		StreamingInputCall:  streamingInputCall,
		FullDuplexCall:      fullDuplexCall,
		HalfDuplexCall:      halfDuplexCall,
	}
}

// Metadata that UnaryCall and FullDuplexCall echo (echo metadata).
const (
	EchoInitialKey  = "x-grpc-test-echo-initial"
	EchoTrailingKey = "x-grpc-test-echo-trailing-bin"
)

func emptyCall(Call, *testpb.Empty) (*testpb.Empty, error) { return new(testpb.Empty), nil }

func unaryCall(c Call, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	if err := echoMetadata(c); err != nil {
		return nil, err
	}
	if err := echoStatus(req.GetResponseStatus()); err != nil {
		return nil, err
	}
	p, err := payload(req.GetResponseType(), req.GetResponseSize())
	if err != nil {
		return nil, err
	}
	return &testpb.SimpleResponse{Payload: p}, nil
}

func streamingOutputCall(c Call, req *OutputRequest, out Sender[OutputResponse]) error {
	return respond(c, req, out)
}

func streamingInputCall(_ Call, in Receiver[InputRequest]) (*InputResponse, error) {
	sum := 0
	for {
		req, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return &InputResponse{AggregatedPayloadSize: int32(sum)}, nil
		}
		if err != nil {
			return nil, err
		}
		sum += len(req.GetPayload().GetBody())
	}
}

// fullDuplexCall answers each request when it comes.
func fullDuplexCall(c Call, in Receiver[OutputRequest], out Sender[OutputResponse]) error {
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
		if err := echoStatus(req.GetResponseStatus()); err != nil {
			return err
		}
		if err := respond(c, req, out); err != nil {
			return err
		}
	}
}

// halfDuplexCall answers all requests after the last has come.
func halfDuplexCall(c Call, in Receiver[OutputRequest], out Sender[OutputResponse]) error {
	var all []*OutputRequest
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
		if err := respond(c, req, out); err != nil {
			return err
		}
	}
	return nil
}

// respond sends the responses that req asks for.
func respond(c Call, req *OutputRequest, out Sender[OutputResponse]) error {
	for _, want := range req.GetResponseParameters() {
		pause(c.Context(), time.Duration(want.GetIntervalUs())*time.Microsecond)
		p, err := payload(req.GetResponseType(), want.GetSize())
		if err != nil {
			return err
		}
		if err := out.Send(&OutputResponse{Payload: p}); err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// payload is size zero bytes, as the interop tests want it.
func payload(kind testpb.PayloadType, size int32) (*testpb.Payload, error) {
	switch {
	case kind != testpb.PayloadType_COMPRESSABLE:
		return nil, cqrpc.Errorf(cqrpc.CodeInvalidArgument, "payload type %v is not supported", kind)
	case size < 0:
		return nil, cqrpc.Errorf(cqrpc.CodeInvalidArgument, "response of %d bytes was asked for", size)
	}
	return &testpb.Payload{Type: kind, Body: make([]byte, size)}, nil
}

// echoStatus is the error a request asks for.
func echoStatus(want *testpb.EchoStatus) error {
	st := cqrpc.Status{Code: cqrpc.Code(want.GetCode()), Message: want.GetMessage()}
	return st.Err()
}

func echoMetadata(c Call) error {
	if v := c.Metadata().Values(EchoInitialKey); len(v) > 0 {
		if err := c.SendHeader(cqrpc.Pairs(EchoInitialKey, v[0])); err != nil {
			return err
		}
	}
	if v := c.Metadata().Values(EchoTrailingKey); len(v) > 0 {
		return c.SetTrailer(cqrpc.Pairs(EchoTrailingKey, v[0]))
	}
	return nil
}
