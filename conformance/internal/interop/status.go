package interop

import (
	"context"
	"fmt"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	"github.com/cqrpc/cqrpc/internal/parity"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// wantCode says what is wrong with the error of a call, if anything.
func wantCode(err error, code cqrpc.Code) error {
	if cqrpc.CodeOf(err) == code {
		return nil
	}
	if err == nil {
		return fmt.Errorf("the call succeeded, want %v", code)
	}
	return fmt.Errorf("%w, want %v", err, code)
}

func wantStatus(err error, code cqrpc.Code, message string) error {
	if err := wantCode(err, code); err != nil {
		return err
	}
	if got := cqrpc.StatusOf(err).Message; got != message {
		return fmt.Errorf("status message is %q, want %q", got, message)
	}
	return nil
}

func wantUnimplemented(ctx context.Context, c *Client, name string) error {
	err := c.unary(ctx, name, new(testpb.Empty), new(testpb.Empty), parity.Options{})
	return wantCode(err, cqrpc.CodeUnimplemented)
}

func statusCodeAndMessage(ctx context.Context, c *Client) error {
	const message = "test status message"
	asked := &testpb.EchoStatus{Code: int32(cqrpc.CodeUnknown), Message: message}
	_, err := c.simple(ctx, &testpb.SimpleRequest{ResponseStatus: asked}, parity.Options{})
	if err := wantStatus(err, cqrpc.CodeUnknown, message); err != nil {
		return err
	}
	s, err := c.duplex(ctx, parity.Options{})
	if err != nil {
		return err
	}
	if err := s.send(&testservice.OutputRequest{ResponseStatus: asked}); err != nil {
		return err
	}
	if err := s.CloseSend(); err != nil {
		return err
	}
	_, err = s.recv()
	return wantStatus(err, cqrpc.CodeUnknown, message)
}

func specialStatusMessage(ctx context.Context, c *Client) error {
	const message = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
	_, err := c.simple(ctx, &testpb.SimpleRequest{
		ResponseStatus: &testpb.EchoStatus{Code: int32(cqrpc.CodeUnknown), Message: message},
	}, parity.Options{})
	return wantStatus(err, cqrpc.CodeUnknown, message)
}

func cancelAfterBegin(ctx context.Context, c *Client) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := c.input(ctx, parity.Options{})
	if err != nil {
		return err
	}
	cancel()
	_, err = s.closeAndRecv()
	return wantCode(err, cqrpc.CodeCanceled)
}

func cancelAfterFirstResponse(ctx context.Context, c *Client) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := c.duplex(ctx, parity.Options{})
	if err != nil {
		return err
	}
	if err := s.rally(requestSizes[0], responseSizes[0]); err != nil {
		return err
	}
	cancel()
	_, err = s.recv()
	return wantCode(err, cqrpc.CodeCanceled)
}

func timeoutOnSleepingServer(ctx context.Context, c *Client) error {
	ctx, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	s, err := c.duplex(ctx, parity.Options{})
	if err != nil {
		return wantCode(err, cqrpc.CodeDeadlineExceeded)
	}
	_ = s.send(&testservice.OutputRequest{Payload: payload(requestSizes[0])}) // it may be too late
	_, err = s.recv()
	return wantCode(err, cqrpc.CodeDeadlineExceeded)
}
