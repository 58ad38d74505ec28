package interop

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	"github.com/cqrpc/cqrpc/internal/parity"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// Sizes of the streaming cases.
var (
	requestSizes  = []int{27182, 8, 1828, 45904}
	responseSizes = []int{31415, 9, 2653, 58979}
)

func clientStreaming(ctx context.Context, c *Client) error {
	s, err := c.input(ctx, parity.Options{})
	if err != nil {
		return err
	}
	sum := 0
	for _, n := range requestSizes {
		if err := s.send(&testservice.InputRequest{Payload: payload(n)}); err != nil {
			return err
		}
		sum += n
	}
	return wantSum(s, sum)
}

// wantSum ends a StreamingInputCall.
func wantSum(s input, sum int) error {
	res, err := s.closeAndRecv()
	if err != nil {
		return err
	}
	if got := int(res.GetAggregatedPayloadSize()); got != sum {
		return fmt.Errorf("aggregated payload size is %d, want %d", got, sum)
	}
	return nil
}

func serverStreaming(ctx context.Context, c *Client) error {
	req := new(testservice.OutputRequest)
	for _, n := range responseSizes {
		req.ResponseParameters = append(req.ResponseParameters, &testpb.ResponseParameters{Size: int32(n)})
	}
	s, err := c.output(ctx, req)
	if err != nil {
		return err
	}
	for _, n := range responseSizes {
		if _, err := wantNext(s, n); err != nil {
			return err
		}
	}
	return wantDone(s)
}

// wantNext receives a response of a size.
func wantNext(s responses, size int) (*testservice.OutputResponse, error) {
	res, err := s.recv()
	if err != nil {
		return nil, fmt.Errorf("%w, want a response of %d bytes", err, size)
	}
	return res, wantSize(res.GetPayload(), size)
}

// wantDone says what is wrong with the end of a call, if anything.
func wantDone(s responses) error {
	_, err := s.recv()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return err
	}
	return errors.New("one response too many")
}

func pingPong(ctx context.Context, c *Client) error {
	s, err := c.duplex(ctx, parity.Options{})
	if err != nil {
		return err
	}
	for i, n := range requestSizes {
		if err := s.rally(n, responseSizes[i]); err != nil {
			return err
		}
	}
	return s.end()
}

// rally sends a request and waits for its response.
func (s duplex) rally(requestSize, responseSize int) error {
	err := s.send(&testservice.OutputRequest{
		ResponseParameters: []*testpb.ResponseParameters{{Size: int32(responseSize)}}, Payload: payload(requestSize),
	})
	if err != nil {
		return err
	}
	_, err = wantNext(s.responses, responseSize)
	return err
}

// end half-closes and wants nothing but OK.
func (s duplex) end() error {
	if err := s.CloseSend(); err != nil {
		return err
	}
	return wantDone(s.responses)
}

func emptyStream(ctx context.Context, c *Client) error {
	s, err := c.duplex(ctx, parity.Options{})
	if err != nil {
		return err
	}
	return s.end()
}
