package grpccompat

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
)

// ClientOption is a setting of NewClientConn.
type ClientOption interface{ applyClient(*clientConfig) }

type clientOption func(*clientConfig)

func (o clientOption) applyClient(c *clientConfig) { o(c) }

// clientConfig is what the options add up to.
type clientConfig struct {
	unary  interceptors[grpc.UnaryClientInterceptor]
	stream interceptors[grpc.StreamClientInterceptor]

	observers observers
	options   []grpc.CallOption
}

// WithUnaryInterceptor has calls of Invoke made by f. It is called before the interceptors
// of WithChainUnaryInterceptor; of several such options the last counts. The
// *grpc.ClientConn that f is given is nil, for there is none.
func WithUnaryInterceptor(f grpc.UnaryClientInterceptor) ClientOption {
	return clientOption(func(c *clientConfig) { c.unary.setFirst(f) })
}

// WithChainUnaryInterceptor has calls of Invoke made by each of fs, the first being the
// outermost, inside those of earlier options. See WithUnaryInterceptor for what is nil.
func WithChainUnaryInterceptor(fs ...grpc.UnaryClientInterceptor) ClientOption {
	return clientOption(func(c *clientConfig) { c.unary.add(fs) })
}

// WithStreamInterceptor is WithUnaryInterceptor for NewStream.
func WithStreamInterceptor(f grpc.StreamClientInterceptor) ClientOption {
	return clientOption(func(c *clientConfig) { c.stream.setFirst(f) })
}

// WithChainStreamInterceptor is WithChainUnaryInterceptor for NewStream.
func WithChainStreamInterceptor(fs ...grpc.StreamClientInterceptor) ClientOption {
	return clientOption(func(c *clientConfig) { c.stream.add(fs) })
}

// WithStatsHandler has h told of all calls, inside interceptors, beside those of earlier
// options. It hears of calls and not of connections; sizes are those before compression,
// and 0 with a codec that does not know them, and a repeated attempt is not told. A unary
// call that is observed is made like a stream.
func WithStatsHandler(h stats.Handler) ClientOption {
	return clientOption(func(c *clientConfig) { c.observers.add(h) })
}

// WithDefaultCallOptions has all calls made with opts before their own, behind those of
// earlier options. Credentials of a channel are one: grpc.PerRPCCredentials, in whose place a call
// may have its own.
func WithDefaultCallOptions(opts ...grpc.CallOption) ClientOption {
	return clientOption(func(c *clientConfig) { c.options = append(c.options, opts...) })
}
