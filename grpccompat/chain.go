package grpccompat

import (
	"context"

	"google.golang.org/grpc"
)

// interceptors are those of one type, as grpc-go orders them.
type interceptors[F any] struct {
	first   []F // none or one
	chained []F
}

func (i *interceptors[F]) setFirst(f F) { i.first = []F{f} }
func (i *interceptors[F]) add(fs []F)   { i.chained = append(i.chained, fs...) }

// all lists them, the outermost first.
func (i *interceptors[F]) all() []F { return append(i.first, i.chained...) }

// chainUnaryClient makes one of all that are not nil, nil of none, and so do the others below.
func chainUnaryClient(all []grpc.UnaryClientInterceptor) grpc.UnaryClientInterceptor {
	if len(all) == 0 {
		return nil
	}
	first, rest := all[0], chainUnaryClient(all[1:])
	switch {
	case first == nil:
		return rest
	case rest == nil:
		return first
	}
	return func(
		ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker,
		opts ...grpc.CallOption,
	) error {
		return first(ctx, method, req, reply, cc, func(
			ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, opts ...grpc.CallOption,
		) error {
			return rest(ctx, method, req, reply, cc, next, opts...)
		}, opts...)
	}
}

func chainStreamClient(all []grpc.StreamClientInterceptor) grpc.StreamClientInterceptor {
	if len(all) == 0 {
		return nil
	}
	first, rest := all[0], chainStreamClient(all[1:])
	switch {
	case first == nil:
		return rest
	case rest == nil:
		return first
	}
	return func(
		ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer,
		opts ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		return first(ctx, desc, cc, method, func(
			ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, opts ...grpc.CallOption,
		) (grpc.ClientStream, error) {
			return rest(ctx, desc, cc, method, next, opts...)
		}, opts...)
	}
}

func chainUnaryServer(all []grpc.UnaryServerInterceptor) grpc.UnaryServerInterceptor {
	if len(all) == 0 {
		return nil
	}
	first, rest := all[0], chainUnaryServer(all[1:])
	switch {
	case first == nil:
		return rest
	case rest == nil:
		return first
	}
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		return first(ctx, req, info, func(ctx context.Context, req any) (any, error) {
			return rest(ctx, req, info, next)
		})
	}
}

func chainStreamServer(all []grpc.StreamServerInterceptor) grpc.StreamServerInterceptor {
	if len(all) == 0 {
		return nil
	}
	first, rest := all[0], chainStreamServer(all[1:])
	switch {
	case first == nil:
		return rest
	case rest == nil:
		return first
	}
	return func(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		return first(srv, s, info, func(srv any, s grpc.ServerStream) error { return rest(srv, s, info, next) })
	}
}
