package grpccompat

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
)

// ServerOption is a setting of NewRegistrar.
type ServerOption interface{ applyServer(*serverConfig) }

type serverOption func(*serverConfig)

func (o serverOption) applyServer(c *serverConfig) { o(c) }

// serverConfig is what the options add up to.
type serverConfig struct {
	unary  interceptors[grpc.UnaryServerInterceptor]
	stream interceptors[grpc.StreamServerInterceptor]

	observers observers
}

// UnaryInterceptor has methods with one request and one response served through f. It is
// called before the interceptors of ChainUnaryInterceptor; of several such options the
// last counts.
func UnaryInterceptor(f grpc.UnaryServerInterceptor) ServerOption {
	return serverOption(func(c *serverConfig) { c.unary.setFirst(f) })
}

// ChainUnaryInterceptor has methods with one request and one response served through
// each of fs, the first being the outermost, inside those of earlier options.
func ChainUnaryInterceptor(fs ...grpc.UnaryServerInterceptor) ServerOption {
	return serverOption(func(c *serverConfig) { c.unary.add(fs) })
}

// StreamInterceptor is UnaryInterceptor for the other methods.
func StreamInterceptor(f grpc.StreamServerInterceptor) ServerOption {
	return serverOption(func(c *serverConfig) { c.stream.setFirst(f) })
}

// ChainStreamInterceptor is ChainUnaryInterceptor for the other methods.
func ChainStreamInterceptor(fs ...grpc.StreamServerInterceptor) ServerOption {
	return serverOption(func(c *serverConfig) { c.stream.add(fs) })
}

// StatsHandler has h told of all calls, outside interceptors, beside those of earlier
// options. It hears of calls that reach a handler and not of connections; sizes are those
// before compression, and 0 with a codec that does not know them. The response of an
// observed method does not go out together with its status.
func StatsHandler(h stats.Handler) ServerOption {
	return serverOption(func(c *serverConfig) { c.observers.add(h) })
}
