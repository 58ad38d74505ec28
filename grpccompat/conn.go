package grpccompat

import (
	"context"
	"slices"

	"google.golang.org/grpc"

	"github.com/cqrpc/cqrpc/client"
)

// ClientConn is a channel as generated clients want it: a [grpc.ClientConnInterface].
// Make one with NewClientConn. It is safe for concurrent use and has nothing to be
// closed: that is the channel's Close.
type ClientConn struct {
	channel *client.Channel
	options []grpc.CallOption // of all calls, before their own
	// nil without interceptors
	unary  grpc.UnaryClientInterceptor
	stream grpc.StreamClientInterceptor

	observers observers
}

var _ grpc.ClientConnInterface = (*ClientConn)(nil)

// NewClientConn returns ch for generated clients, as in pb.NewGreeterClient(NewClientConn(ch)).
// The channel can be used otherwise, too. What grpc.NewClient takes as options, but for
// those here, are options of [client.NewChannel].
func NewClientConn(ch *client.Channel, opts ...ClientOption) *ClientConn {
	var cfg clientConfig
	for _, o := range opts {
		o.applyClient(&cfg)
	}
	return &ClientConn{
		channel: ch, options: slices.Clip(cfg.options), observers: cfg.observers,
		unary: chainUnaryClient(cfg.unary.all()), stream: chainStreamClient(cfg.stream.all()),
	}
}

// Invoke implements [grpc.ClientConnInterface]: it makes a call with one request and one
// response, and waits for it.
func (cc *ClientConn) Invoke(ctx context.Context, method string, args, reply any, opts ...grpc.CallOption) error {
	opts = cc.withDefaults(opts)
	if cc.unary != nil {
		return cc.unary(ctx, method, args, reply, nil, cc.invoke, opts...)
	}
	return cc.invoke(ctx, method, args, reply, nil, opts...)
}

// withDefaults is opts behind those of WithDefaultCallOptions, as interceptors see them.
func (cc *ClientConn) withDefaults(opts []grpc.CallOption) []grpc.CallOption {
	if len(cc.options) == 0 {
		return opts
	}
	return append(cc.options, opts...)
}

// invoke is a [grpc.UnaryInvoker].
func (cc *ClientConn) invoke(
	ctx context.Context, method string, args, reply any, _ *grpc.ClientConn, opts ...grpc.CallOption,
) error {
	if len(cc.observers) > 0 {
		return cc.invokeObserved(ctx, method, args, reply, opts)
	}
	t := cc.specOf(ctx, method, opts)
	if t.err == nil {
		t.err = toGRPC(client.Invoke(ctx, cc.channel, method, args, reply, t.outputs.options(t.options)...))
	}
	t.outputs.fill(t.err)
	return t.err
}

// invokeObserved is invoke with stats handlers, who want to know of each step.
func (cc *ClientConn) invokeObserved(
	ctx context.Context, method string, args, reply any, opts []grpc.CallOption,
) error {
	s, err := cc.newStream(ctx, &oneOfEach, nil, method, opts...)
	if err != nil {
		return err
	}
	if err := s.SendMsg(args); err != nil {
		return err
	}
	return s.RecvMsg(reply)
}

// oneOfEach is the shape of calls of Invoke.
var oneOfEach grpc.StreamDesc

// NewStream implements [grpc.ClientConnInterface]: it begins a call of any shape. Until
// the channel has a connection it waits for one, so that what is wrong with that is its
// error already.
func (cc *ClientConn) NewStream(
	ctx context.Context, desc *grpc.StreamDesc, method string, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	opts = cc.withDefaults(opts)
	if cc.stream != nil {
		return cc.stream(ctx, desc, nil, method, cc.newStream, opts...)
	}
	return cc.newStream(ctx, desc, nil, method, opts...)
}
