package interop

import (
	"context"
	"fmt"
	"slices"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	"github.com/cqrpc/cqrpc/internal/parity"
)

// What custom_metadata has echoed.
const (
	initialValue  = "test_initial_metadata_value"
	trailingValue = "\xab\xab\xab"
)

func customMetadata(ctx context.Context, c *Client) error {
	var header, trailer cqrpc.Metadata
	o := parity.Options{
		Metadata: cqrpc.Pairs(testservice.EchoInitialKey, initialValue, testservice.EchoTrailingKey, trailingValue),
	}
	unary := o
	unary.Header, unary.Trailer = &header, &trailer
	res, err := c.simple(ctx, largeCall(), unary)
	if err != nil {
		return err
	}
	if err := wantSize(res.GetPayload(), largeResponse); err != nil {
		return err
	}
	if err := wantEcho(header, trailer); err != nil {
		return fmt.Errorf("UnaryCall: %w", err)
	}

	s, err := c.duplex(ctx, o)
	if err != nil {
		return err
	}
	if err := s.rally(largeRequest, largeResponse); err != nil {
		return err
	}
	if err := s.end(); err != nil {
		return err
	}
	if header, err = s.Duplex.Header(); err != nil {
		return err
	}
	if err := wantEcho(header, s.Duplex.Trailer()); err != nil {
		return fmt.Errorf("FullDuplexCall: %w", err)
	}
	return nil
}

func wantEcho(header, trailer cqrpc.Metadata) error {
	if got := header.Values(testservice.EchoInitialKey); !slices.Equal(got, []string{initialValue}) {
		return fmt.Errorf("initial metadata has %q, want %q", got, initialValue)
	}
	if got := trailer.Values(testservice.EchoTrailingKey); !slices.Equal(got, []string{trailingValue}) {
		return fmt.Errorf("trailing metadata has %q, want %q", got, trailingValue)
	}
	return nil
}
