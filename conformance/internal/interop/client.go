package interop

import (
	"context"
	"fmt"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/conformance/internal/envelope"
	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	"github.com/cqrpc/cqrpc/internal/parity"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
)

// Config says whom to call and how.
type Config struct {
	// Dial makes a caller with Options. It is called once, and for each call of
	// channel_soak.
	Dial func() (parity.Caller, error)
	// Metadata goes out with every call.
	Metadata cqrpc.Metadata
	// Concurrent is the number of calls of concurrent_large_unary.
	Concurrent int
	// Soak is for rpc_soak, channel_soak and long_lived_channel.
	Soak Soak
}

// Options is what the channel of a caller needs for this package.
func Options() []client.Option {
	return []client.Option{
		client.WithCodec(envelope.Codec()), client.WithCompressors(testservice.Compressors()),
	}
}

// Client makes the calls of the cases.
type Client struct {
	config Config
	caller parity.Caller
}

// New dials.
func New(c Config) (*Client, error) {
	caller, err := c.Dial()
	return &Client{c, caller}, err
}

// Close ends what New began.
func (c *Client) Close() error { return c.caller.Close() }

// patience ends a case whose peer hangs; no case is about it.
const patience = 5 * time.Minute

// Run runs the case of a name.
func (c *Client) Run(ctx context.Context, name string) error {
	for _, test := range Cases {
		if test.Name != name {
			continue
		}
		if test.Soaks {
			return test.run(ctx, c)
		}
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return test.run(ctx, c)
	}
	if reason := leftOut[name]; reason != "" {
		return fmt.Errorf("%s is left out: %s", name, reason)
	}
	return fmt.Errorf("there is no test case %q", name)
}

// options completes those of one call.
func (c *Client) options(name string, o parity.Options) parity.Options {
	o.Method = name
	o.Metadata = append(c.config.Metadata[:len(c.config.Metadata):len(c.config.Metadata)], o.Metadata...)
	return o
}

// unary makes a call with one request and one response.
func (c *Client) unary(ctx context.Context, name string, req, res proto.Message, o parity.Options) error {
	return unaryOf(ctx, c.caller, name, req, res, c.options(name, o))
}

func unaryOf(ctx context.Context, from parity.Caller, name string, req, res proto.Message, o parity.Options) error {
	b, err := proto.Marshal(req)
	if err != nil {
		return err
	}
	o.Method = name
	got, err := from.Unary(ctx, b, o)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return proto.Unmarshal(got, res)
}

// simple calls UnaryCall.
func (c *Client) simple(
	ctx context.Context, req *testpb.SimpleRequest, o parity.Options,
) (*testpb.SimpleResponse, error) {
	res := new(testpb.SimpleResponse)
	return res, c.unary(ctx, testservice.UnaryCall.Name, req, res, o)
}

// output is the responses of a call.
type output[Res any, P interface {
	*Res
	proto.Message
}] struct{ parity.Output }

func (s output[Res, P]) recv() (*Res, error) {
	b, err := s.Recv()
	if err != nil {
		return nil, err
	}
	res := new(Res)
	return res, proto.Unmarshal(b, P(res))
}

type (
	responses = output[testservice.OutputResponse, *testservice.OutputResponse]
	reports   = output[testservice.LoadReport, *testservice.LoadReport]
)

// input is the requests of StreamingInputCall and its response.
type input struct{ parity.Input }

func (s input) send(req *testservice.InputRequest) error { return send(s, req) }

func (s input) closeAndRecv() (*testservice.InputResponse, error) {
	b, err := s.CloseAndRecv()
	if err != nil {
		return nil, err
	}
	res := new(testservice.InputResponse)
	return res, proto.Unmarshal(b, res)
}

// duplex is a FullDuplexCall.
type duplex struct {
	responses
	parity.Duplex
}

func (s duplex) send(req *testservice.OutputRequest) error { return send(s.Duplex, req) }

func send(s interface{ Send([]byte) error }, req proto.Message) error {
	b, err := proto.Marshal(req)
	if err != nil {
		return err
	}
	return s.Send(b)
}

func (c *Client) output(ctx context.Context, req *testservice.OutputRequest) (responses, error) {
	b, err := proto.Marshal(req)
	if err != nil {
		return responses{}, err
	}
	s, err := c.caller.ServerStream(ctx, b, c.options(testservice.StreamingOutputCall.Name, parity.Options{}))
	return responses{s}, err
}

func (c *Client) input(ctx context.Context, o parity.Options) (input, error) {
	s, err := c.caller.ClientStream(ctx, c.options(testservice.StreamingInputCall.Name, o))
	return input{s}, err
}

func (c *Client) duplex(ctx context.Context, o parity.Options) (duplex, error) {
	s, err := c.caller.BidiStream(ctx, c.options(testservice.FullDuplexCall.Name, o))
	return duplex{responses{s}, s}, err
}
