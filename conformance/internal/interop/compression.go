package interop

import (
	"context"
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	"github.com/cqrpc/cqrpc/internal/parity"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
)

// gzip is the options of calls that may compress their requests; each request
// says whether it wants to be.
var gzip = parity.Options{Gzip: true}

func wantCompressed(res proto.Message, want bool) error {
	if got := testservice.WasCompressed(res); got != want {
		return fmt.Errorf("response compressed: %t, want %t", got, want)
	}
	return nil
}

// clientCompressedUnary probes first whether the server can tell.
func clientCompressedUnary(ctx context.Context, c *Client) error {
	probe := largeCall()
	probe.ExpectCompressed = &testpb.BoolValue{Value: true}
	_, err := c.simple(ctx, probe, gzip)
	if err := wantCode(err, cqrpc.CodeInvalidArgument); err != nil {
		return fmt.Errorf("a request that only claims to be compressed: %w", err)
	}
	for _, compressed := range []bool{true, false} {
		req := largeCall()
		req.ExpectCompressed = &testpb.BoolValue{Value: compressed}
		if compressed {
			testservice.Compress(req)
		}
		res, err := c.simple(ctx, req, gzip)
		if err != nil {
			return err
		}
		if err := wantSize(res.GetPayload(), largeResponse); err != nil {
			return err
		}
	}
	return nil
}

func serverCompressedUnary(ctx context.Context, c *Client) error {
	for _, compressed := range []bool{true, false} {
		req := largeCall()
		req.ResponseCompressed = &testpb.BoolValue{Value: compressed}
		res, err := c.simple(ctx, req, parity.Options{})
		if err != nil {
			return err
		}
		if err := wantCompressed(res, compressed); err != nil {
			return err
		}
		if err := wantSize(res.GetPayload(), largeResponse); err != nil {
			return err
		}
	}
	return nil
}

func clientCompressedStreaming(ctx context.Context, c *Client) error {
	request := func(size int, compressed, claims bool) *testservice.InputRequest {
		req := &testservice.InputRequest{
			Payload: payload(size), ExpectCompressed: &testpb.BoolValue{Value: claims},
		}
		if compressed {
			testservice.Compress(req)
		}
		return req
	}
	probe, err := c.input(ctx, gzip)
	if err != nil {
		return err
	}
	_ = probe.send(request(27182, false, true)) // what became of it tells the status
	_, err = probe.closeAndRecv()
	if err := wantCode(err, cqrpc.CodeInvalidArgument); err != nil {
		return fmt.Errorf("a request that only claims to be compressed: %w", err)
	}
	s, err := c.input(ctx, gzip)
	if err != nil {
		return err
	}
	if err := s.send(request(27182, true, true)); err != nil {
		return err
	}
	if err := s.send(request(45904, false, false)); err != nil {
		return err
	}
	return wantSum(s, 27182+45904)
}

func serverCompressedStreaming(ctx context.Context, c *Client) error {
	s, err := c.output(ctx, &testservice.OutputRequest{ResponseParameters: []*testpb.ResponseParameters{
		{Size: 31415, Compressed: &testpb.BoolValue{Value: true}},
		{Size: 92653, Compressed: &testpb.BoolValue{Value: false}},
	}})
	if err != nil {
		return err
	}
	for _, want := range []struct {
		size       int
		compressed bool
	}{{31415, true}, {92653, false}} {
		res, err := wantNext(s, want.size)
		if err != nil {
			return err
		}
		if err := wantCompressed(res, want.compressed); err != nil {
			return err
		}
	}
	return wantDone(s)
}
