package testservice

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/internal/parity"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// Metadata that UnaryCall and FullDuplexCall echo (echo metadata).
const (
	EchoInitialKey  = "x-grpc-test-echo-initial"
	EchoTrailingKey = "x-grpc-test-echo-trailing-bin"
)

func emptyCall(parity.Call, *testpb.Empty) (*testpb.Empty, error) { return new(testpb.Empty), nil }

func (s *service) unaryCall(c parity.Call, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	if err := echoMetadata(c); err != nil {
		return nil, err
	}
	if err := echoStatus(req.GetResponseStatus()); err != nil {
		return nil, err
	}
	if err := checkCompression(req, req.GetExpectCompressed()); err != nil {
		return nil, err
	}
	p, err := payload(req.GetResponseType(), req.GetResponseSize())
	if err != nil {
		return nil, err
	}
	res := &testpb.SimpleResponse{Payload: p}
	if req.GetFillServerId() {
		res.ServerId = s.id
	}
	compressIf(req.GetResponseCompressed(), res)
	return res, perCall(c, req.GetOrcaPerQueryReport())
}

func streamingOutputCall(c parity.Call, req *OutputRequest, out parity.Sender[OutputResponse]) error {
	return respond(c, req, out)
}

func streamingInputCall(_ parity.Call, in parity.Receiver[InputRequest]) (*InputResponse, error) {
	sum := 0
	for {
		req, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return &InputResponse{AggregatedPayloadSize: int32(sum)}, nil
		}
		if err != nil {
			return nil, err
		}
		if err := checkCompression(req, req.GetExpectCompressed()); err != nil {
			return nil, err
		}
		sum += len(req.GetPayload().GetBody())
	}
}

// fullDuplexCall answers each request when it comes.
func (s *service) fullDuplexCall(
	c parity.Call, in parity.Receiver[OutputRequest], out parity.Sender[OutputResponse],
) error {
	if err := echoMetadata(c); err != nil {
		return err
	}
	hasTurn := false
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
		if r := req.GetOrcaOobReport(); r != nil {
			if !hasTurn {
				if err := s.load.acquire(c.Context()); err != nil {
					return err
				}
				defer s.load.release()
				hasTurn = true
			}
			s.load.set(reportOf(r))
		}
		if err := respond(c, req, out); err != nil {
			return err
		}
	}
}

// halfDuplexCall answers all requests after the last has come.
func halfDuplexCall(c parity.Call, in parity.Receiver[OutputRequest], out parity.Sender[OutputResponse]) error {
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
func respond(c parity.Call, req *OutputRequest, out parity.Sender[OutputResponse]) error {
	for _, want := range req.GetResponseParameters() {
		pause(c.Context(), time.Duration(want.GetIntervalUs())*time.Microsecond)
		p, err := payload(req.GetResponseType(), want.GetSize())
		if err != nil {
			return err
		}
		res := &OutputResponse{Payload: p}
		compressIf(want.GetCompressed(), res)
		if err := out.Send(res); err != nil {
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

func echoMetadata(c parity.Call) error {
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
