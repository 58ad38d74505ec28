package conformance

import (
	"context"
	"io"

	"github.com/cqrpc/cqrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// grpcgoCaller is the reference.
type grpcgoCaller struct {
	conn *grpc.ClientConn
	stub testpb.TestServiceClient
}

func dialGRPCGo(d dialing) (caller, error) {
	conn, err := newGRPCGo(d)
	if err != nil {
		return nil, err
	}
	return grpcgoCaller{conn, testpb.NewTestServiceClient(conn)}, nil
}

func newGRPCGo(d dialing) (*grpc.ClientConn, error) {
	opts := []grpc.DialOption{
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: quickly, MaxDelay: quickly}, MinConnectTimeout: patience,
		}),
		grpc.WithDisableRetry(), // the pairing is about one attempt
	}
	if d.credentials == nil {
		opts = append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))
	} else {
		opts = append(opts, grpc.WithTransportCredentials(grpccredentials.NewTLS(d.credentials.client())))
	}
	if d.window != 0 {
		opts = append(opts, grpc.WithStaticStreamWindowSize(int32(d.window)), grpc.WithStaticConnWindowSize(1<<20))
	}
	return grpc.NewClient("passthrough:///"+d.address, opts...)
}

func (c grpcgoCaller) Close() error { return c.conn.Close() }

// begin translates options; the function returned does the rest after the call.
func (c grpcgoCaller) begin(ctx context.Context, o options) (context.Context, []grpc.CallOption, func()) {
	ctx = metadata.NewOutgoingContext(ctx, toMD(o.metadata))
	opts := []grpc.CallOption{grpc.WaitForReady(o.waitForReady)}
	if o.gzip {
		opts = append(opts, grpc.UseCompressor(gzip.Name))
	}
	if o.maxRecv != 0 {
		opts = append(opts, grpc.MaxCallRecvMsgSize(o.maxRecv))
	}
	if o.maxSend != 0 {
		opts = append(opts, grpc.MaxCallSendMsgSize(o.maxSend))
	}
	var header, trailer metadata.MD
	opts = append(opts, grpc.Header(&header), grpc.Trailer(&trailer))
	return ctx, opts, func() {
		if o.header != nil {
			*o.header = fromMD(header)
		}
		if o.trailer != nil {
			*o.trailer = fromMD(trailer)
		}
	}
}

func (c grpcgoCaller) EmptyCall(ctx context.Context, req *testpb.Empty, o options) (*testpb.Empty, error) {
	ctx, opts, end := c.begin(ctx, o)
	defer end()
	res, err := c.stub.EmptyCall(ctx, req, opts...)
	return res, fromGRPCGo(err)
}

func (c grpcgoCaller) UnaryCall(
	ctx context.Context, req *testpb.SimpleRequest, o options,
) (*testpb.SimpleResponse, error) {
	ctx, opts, end := c.begin(ctx, o)
	defer end()
	res, err := c.stub.UnaryCall(ctx, req, opts...)
	return res, fromGRPCGo(err)
}

func (c grpcgoCaller) Invoke(ctx context.Context, method string) error {
	return fromGRPCGo(c.conn.Invoke(ctx, method, new(testpb.Empty), new(testpb.Empty)))
}

func (c grpcgoCaller) StreamingOutputCall(ctx context.Context, req *outputRequest, o options) (output, error) {
	ctx, opts, _ := c.begin(ctx, o)
	s, err := c.stub.StreamingOutputCall(ctx, req, opts...)
	return grpcgoOutput{s}, fromGRPCGo(err)
}

func (c grpcgoCaller) StreamingInputCall(ctx context.Context, o options) (input, error) {
	ctx, opts, _ := c.begin(ctx, o)
	s, err := c.stub.StreamingInputCall(ctx, opts...)
	return grpcgoInput{s}, fromGRPCGo(err)
}

func (c grpcgoCaller) FullDuplexCall(ctx context.Context, o options) (duplex, error) {
	ctx, opts, _ := c.begin(ctx, o)
	s, err := c.stub.FullDuplexCall(ctx, opts...)
	return grpcgoDuplex{grpcgoOutput{s}, s}, fromGRPCGo(err)
}

func (c grpcgoCaller) HalfDuplexCall(ctx context.Context, o options) (duplex, error) {
	ctx, opts, _ := c.begin(ctx, o)
	s, err := c.stub.HalfDuplexCall(ctx, opts...)
	return grpcgoDuplex{grpcgoOutput{s}, s}, fromGRPCGo(err)
}

type grpcgoOutput struct {
	stream grpc.ServerStreamingClient[outputResponse]
}

func (s grpcgoOutput) Recv() (*outputResponse, error) {
	res, err := s.stream.Recv()
	return res, fromGRPCGo(err)
}

func (s grpcgoOutput) Header() (cqrpc.Metadata, error) {
	md, err := s.stream.Header()
	return fromMD(md), fromGRPCGo(err)
}

func (s grpcgoOutput) Trailer() cqrpc.Metadata { return fromMD(s.stream.Trailer()) }

type grpcgoInput struct {
	stream grpc.ClientStreamingClient[inputRequest, inputResponse]
}

func (s grpcgoInput) Send(req *inputRequest) error { return fromGRPCGo(s.stream.Send(req)) }

func (s grpcgoInput) CloseAndRecv() (*inputResponse, error) {
	res, err := s.stream.CloseAndRecv()
	return res, fromGRPCGo(err)
}

type grpcgoDuplex struct {
	grpcgoOutput
	stream grpc.BidiStreamingClient[outputRequest, outputResponse]
}

func (s grpcgoDuplex) Send(req *outputRequest) error { return fromGRPCGo(s.stream.Send(req)) }
func (s grpcgoDuplex) CloseSend() error              { return fromGRPCGo(s.stream.CloseSend()) }

// fromGRPCGo turns the reference's errors into ours.
func fromGRPCGo(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	p := status.Convert(err).Proto()
	return &cqrpc.Error{Status: cqrpc.Status{
		Code: cqrpc.Code(p.GetCode()), Message: p.GetMessage(), Details: p.GetDetails(),
	}}
}

func toMD(md cqrpc.Metadata) metadata.MD {
	out := make(metadata.MD)
	for _, p := range md {
		out.Append(p.Key, p.Value)
	}
	return out
}

// fromMD keeps the order of the values of a key, all the order MD has.
func fromMD(in metadata.MD) cqrpc.Metadata {
	var md cqrpc.Metadata
	for key, values := range in {
		for _, v := range values {
			md.Add(key, v)
		}
	}
	return md
}
