package interop

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	"github.com/cqrpc/cqrpc/internal/parity"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
)

// Sizes of large_unary, which others use, too.
const (
	largeRequest  = 271828
	largeResponse = 314159
)

// pickFirstCalls is how many calls have to come to one server.
const pickFirstCalls = 100

func payload(size int) *testpb.Payload { return &testpb.Payload{Body: make([]byte, size)} }

func largeCall() *testpb.SimpleRequest {
	return &testpb.SimpleRequest{ResponseSize: largeResponse, Payload: payload(largeRequest)}
}

// wantSize says what is wrong with the body of a response, if anything.
func wantSize(p *testpb.Payload, size int) error {
	if p.GetType() != testpb.PayloadType_COMPRESSABLE || len(p.GetBody()) != size {
		return fmt.Errorf("response is %d bytes of %v, want %d of COMPRESSABLE", len(p.GetBody()), p.GetType(), size)
	}
	return nil
}

func emptyUnary(ctx context.Context, c *Client) error {
	res := new(testpb.Empty)
	if err := c.unary(ctx, testservice.EmptyCall.Name, new(testpb.Empty), res, parity.Options{}); err != nil {
		return err
	}
	if n := proto.Size(res); n != 0 {
		return fmt.Errorf("response of %d bytes, want an empty one", n)
	}
	return nil
}

func largeUnary(ctx context.Context, c *Client) error {
	res, err := c.simple(ctx, largeCall(), parity.Options{})
	if err != nil {
		return err
	}
	return wantSize(res.GetPayload(), largeResponse)
}

// concurrentLargeUnary is large_unary many times at once on one channel. The
// descriptions do not say how many times.
func concurrentLargeUnary(ctx context.Context, c *Client) error {
	var work sync.WaitGroup
	errs := make([]error, c.config.Concurrent)
	for i := range errs {
		work.Go(func() { errs[i] = largeUnary(ctx, c) })
	}
	work.Wait()
	return errors.Join(errs...)
}

func pickFirstUnary(ctx context.Context, c *Client) error {
	first := ""
	for i := range pickFirstCalls {
		res, err := c.simple(ctx, &testpb.SimpleRequest{
			ResponseSize: 1, Payload: payload(1), FillServerId: true,
		}, parity.Options{})
		if err != nil {
			return err
		}
		if i == 0 {
			first = res.GetServerId()
		}
		if id := res.GetServerId(); id == "" || id != first {
			return fmt.Errorf("call %d came to server %q, the first to %q", i, id, first)
		}
	}
	return nil
}

func unimplementedMethod(ctx context.Context, c *Client) error {
	return wantUnimplemented(ctx, c, testservice.UnimplementedCall.Name)
}

func unimplementedService(ctx context.Context, c *Client) error {
	return wantUnimplemented(ctx, c, testservice.UnimplementedService.Name)
}
