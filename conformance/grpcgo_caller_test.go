package conformance

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/internal/parity"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	grpccredentials "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// grpcgoCaller is the reference, or another that generated code runs on.
type grpcgoCaller struct {
	grpc.ClientConnInterface
	io.Closer
}

func dialGRPCGo(d parity.Dialing) (parity.Caller, error) {
	conn, err := newGRPCGo(d)
	return grpcgoCaller{conn, conn}, err
}

func newGRPCGo(d parity.Dialing, more ...grpc.DialOption) (*grpc.ClientConn, error) {
	opts := []grpc.DialOption{
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: parity.Quickly, MaxDelay: parity.Quickly},
			MinConnectTimeout: parity.Patience,
		}),
	}
	if d.Retry != nil {
		opts = append(opts, grpc.WithDefaultServiceConfig(retryConfig(d.Retry)))
	} else {
		opts = append(opts, grpc.WithDisableRetry()) // the pairing is about one attempt
	}
	if d.Credentials == nil {
		opts = append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()))
	} else {
		opts = append(opts, grpc.WithTransportCredentials(grpccredentials.NewTLS(d.Credentials.Client())))
	}
	if d.Window != 0 {
		opts = append(opts, grpc.WithStaticStreamWindowSize(int32(d.Window)), grpc.WithStaticConnWindowSize(1<<20))
	}
	if d.UserAgent != "" {
		opts = append(opts, grpc.WithUserAgent(d.UserAgent))
	}
	if d.Authority != "" {
		opts = append(opts, grpc.WithAuthority(d.Authority))
	}
	return grpc.NewClient("passthrough:///"+d.Address, append(opts, more...)...)
}

// retryConfig is a service config with a policy for all calls.
func retryConfig(p *call.RetryPolicy) string {
	codes := make([]string, len(p.Codes))
	for i, code := range p.Codes {
		codes[i] = strconv.Quote(code.String())
	}
	return fmt.Sprintf(`{"methodConfig": [{"name": [{}], "retryPolicy": {"maxAttempts": %d, "initialBackoff": "%.9fs",
		"maxBackoff": "%.9fs", "backoffMultiplier": %g, "retryableStatusCodes": [%s]}}]}`,
		p.MaxAttempts, p.InitialBackoff.Seconds(), p.MaxBackoff.Seconds(), p.BackoffMultiplier, strings.Join(codes, ","))
}

// grpcgoCall is a call with its options translated.
type grpcgoCall struct {
	grpc.ClientStream

	ctx             context.Context
	method          string
	opts            []grpc.CallOption
	o               parity.Options
	header, trailer metadata.MD
}

func newGRPCGoCall(ctx context.Context, shape string, o parity.Options) *grpcgoCall {
	k := &grpcgoCall{ctx: metadata.NewOutgoingContext(ctx, toMD(o.Metadata)), method: o.Method, o: o}
	if k.method == "" {
		k.method = "/" + parity.ServiceName + "/" + shape
	}
	k.opts = []grpc.CallOption{
		grpc.WaitForReady(o.WaitForReady), grpc.Header(&k.header), grpc.Trailer(&k.trailer),
	}
	if o.Gzip {
		k.opts = append(k.opts, grpc.UseCompressor(gzip.Name))
	}
	if o.MaxRecv != 0 {
		k.opts = append(k.opts, grpc.MaxCallRecvMsgSize(o.MaxRecv))
	}
	if o.MaxSend != 0 {
		k.opts = append(k.opts, grpc.MaxCallSendMsgSize(o.MaxSend))
	}
	return k
}

// tell puts the response's metadata where the options say.
func (k *grpcgoCall) tell() {
	if k.o.Header != nil {
		*k.o.Header = fromMD(k.header)
	}
	if k.o.Trailer != nil {
		*k.o.Trailer = fromMD(k.trailer)
	}
}

func (c grpcgoCaller) Unary(ctx context.Context, req []byte, o parity.Options) ([]byte, error) {
	k := newGRPCGoCall(ctx, "Unary", o)
	res := new(parity.Message)
	err := c.Invoke(k.ctx, k.method, &parity.Message{Value: req}, res, k.opts...)
	k.tell()
	return res.GetValue(), fromGRPCGo(err)
}

// open starts a stream, whose directions matter only to who generates code.
func (c grpcgoCaller) open(ctx context.Context, shape string, o parity.Options) (*grpcgoCall, error) {
	k := newGRPCGoCall(ctx, shape, o)
	desc := &grpc.StreamDesc{
		StreamName: shape, ServerStreams: shape != "ClientStream", ClientStreams: shape != "ServerStream",
	}
	s, err := c.NewStream(k.ctx, desc, k.method, k.opts...)
	k.ClientStream = s
	return k, fromGRPCGo(err)
}

func (c grpcgoCaller) ServerStream(ctx context.Context, req []byte, o parity.Options) (parity.Output, error) {
	k, err := c.open(ctx, "ServerStream", o)
	if err != nil {
		return nil, err
	}
	if err := k.Send(req); err != nil && err != io.EOF {
		return nil, err
	}
	return k, k.CloseSend()
}

func (c grpcgoCaller) ClientStream(ctx context.Context, o parity.Options) (parity.Input, error) {
	return c.open(ctx, "ClientStream", o)
}

func (c grpcgoCaller) BidiStream(ctx context.Context, o parity.Options) (parity.Duplex, error) {
	return c.open(ctx, "BidiStream", o)
}

// Send returns io.EOF for what has ended the call on this side, too: in grpc-go SendMsg
// tells that at once, in parity Recv does.
func (k *grpcgoCall) Send(req []byte) error {
	if k.SendMsg(&parity.Message{Value: req}) != nil {
		return io.EOF
	}
	return nil
}

func (k *grpcgoCall) CloseSend() error { return fromGRPCGo(k.ClientStream.CloseSend()) }

func (k *grpcgoCall) Recv() ([]byte, error) {
	res := new(parity.Message)
	err := k.RecvMsg(res)
	return res.GetValue(), fromGRPCGo(err)
}

func (k *grpcgoCall) CloseAndRecv() ([]byte, error) {
	if err := k.CloseSend(); err != nil {
		return nil, err
	}
	res, err := k.Recv()
	k.tell()
	return res, err
}

func (k *grpcgoCall) Header() (cqrpc.Metadata, error) {
	md, err := k.ClientStream.Header()
	return fromMD(md), fromGRPCGo(err)
}

func (k *grpcgoCall) Trailer() cqrpc.Metadata { return fromMD(k.ClientStream.Trailer()) }

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
		if strings.HasPrefix(key, ":") {
			continue // not metadata
		}
		for _, v := range values {
			md.Add(key, v)
		}
	}
	return md
}
