package conformance

import (
	"context"
	"time"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	"github.com/cqrpc/cqrpc/transport"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// quickly is a back-off for servers that come back in a moment.
const quickly = 10 * time.Millisecond

// dialChannel makes the channel of the two cqrpc callers.
func dialChannel(d dialing) (*client.Channel, error) {
	opts := []client.Option{client.WithBackoff(client.Backoff{Initial: quickly, Max: quickly})}
	if d.credentials == nil {
		opts = append(opts, client.WithInsecure())
	} else {
		opts = append(opts, client.WithTLS(d.credentials.client()))
	}
	if d.window != 0 {
		opts = append(opts, client.WithTransport(fixedWindow(d.window)))
	}
	return client.NewChannel(d.address, opts...)
}

func fixedWindow(bytes int) transport.Config {
	return transport.Config{InitialWindow: bytes, MaxWindow: -1}
}

// syncCaller is cqrpc's sync style.
type syncCaller struct{ *client.Channel }

func dialSync(d dialing) (caller, error) {
	ch, err := dialChannel(d)
	return syncCaller{ch}, err
}

// asCallOptions is options in the words of cqrpc.
func asCallOptions(o options) []client.CallOption {
	opts := []client.CallOption{
		client.WithMetadata(o.metadata), client.WithWaitForReady(o.waitForReady),
		client.WithMaxRecvMessage(o.maxRecv), client.WithMaxSendMessage(o.maxSend),
	}
	if o.gzip {
		opts = append(opts, client.WithCompressor("gzip"))
	}
	if o.header != nil {
		opts = append(opts, client.HeaderTo(o.header))
	}
	if o.trailer != nil {
		opts = append(opts, client.TrailerTo(o.trailer))
	}
	return opts
}

func (c syncCaller) EmptyCall(ctx context.Context, req *testpb.Empty, o options) (*testpb.Empty, error) {
	return client.Unary(ctx, c.Channel, testservice.EmptyCall, req, asCallOptions(o)...)
}

func (c syncCaller) UnaryCall(
	ctx context.Context, req *testpb.SimpleRequest, o options,
) (*testpb.SimpleResponse, error) {
	return client.Unary(ctx, c.Channel, testservice.UnaryCall, req, asCallOptions(o)...)
}

func (c syncCaller) StreamingOutputCall(ctx context.Context, req *outputRequest, o options) (output, error) {
	s, err := client.ServerStream(ctx, c.Channel, testservice.StreamingOutputCall, req, asCallOptions(o)...)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (c syncCaller) StreamingInputCall(ctx context.Context, o options) (input, error) {
	s, err := client.ClientStream(ctx, c.Channel, testservice.StreamingInputCall, asCallOptions(o)...)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (c syncCaller) FullDuplexCall(ctx context.Context, o options) (duplex, error) {
	return c.duplex(ctx, testservice.FullDuplexCall, o)
}

func (c syncCaller) HalfDuplexCall(ctx context.Context, o options) (duplex, error) {
	return c.duplex(ctx, testservice.HalfDuplexCall, o)
}

func (c syncCaller) duplex(
	ctx context.Context, m call.Method[outputRequest, outputResponse], o options,
) (duplex, error) {
	s, err := client.BidiStream(ctx, c.Channel, m, asCallOptions(o)...)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (c syncCaller) Invoke(ctx context.Context, method string) error {
	m := call.Method[testpb.Empty, testpb.Empty]{Name: method}
	_, err := client.Unary(ctx, c.Channel, m, new(testpb.Empty))
	return err
}
