package grpccompat_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/cqrpc/cqrpc/grpccompat"
	"github.com/cqrpc/cqrpc/internal/parity"
)

// diary is what interceptors have seen, in order.
type diary struct {
	mu    sync.Mutex
	lines []string // guarded by mu
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

// want compares the lines with those of a page, and begins a new one.
func (d *diary) want(t *testing.T, what string, lines ...string) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.lines, lines) {
		t.Errorf("%s: %q; want %q", what, d.lines, lines)
	}
	d.lines = nil
}

type marked struct{ grpc.EmptyCallOption }

func (d *diary) unaryClient(name string) grpc.UnaryClientInterceptor {
	return func(
		ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, next grpc.UnaryInvoker, opts ...grpc.CallOption,
	) error {
		if cc != nil {
			d.note("there is a ClientConn")
		}
		d.note(name + " begins")
		for _, o := range opts {
			if _, ok := o.(marked); ok {
				d.note(name + " is marked")
			}
		}
		err := next(metadata.AppendToOutgoingContext(ctx, "by", name), method, req, reply, cc, opts...)
		d.note(name + " ends: " + status.Code(err).String())
		return err
	}
}

// sentBy counts what goes over a stream, as interceptors wrap one.
type sentBy struct {
	grpc.ClientStream
	diary *diary
	name  string
}

func (s sentBy) SendMsg(m any) error {
	s.diary.note(s.name + " sends")
	return s.ClientStream.SendMsg(m)
}

func (d *diary) streamClient(name string) grpc.StreamClientInterceptor {
	return func(
		ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		d.note(name + " opens " + desc.StreamName)
		s, err := next(metadata.AppendToOutgoingContext(ctx, "by", name), desc, cc, method, opts...)
		return sentBy{s, d, name}, err
	}
}

func (d *diary) unaryServer(name string) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		d.note(name + " gets " + info.FullMethod)
		if _, ok := req.(*testpb.Empty); !ok {
			d.note("the request is of another type")
		}
		if _, ok := info.Server.(*service); !ok {
			d.note("the server is another")
		}
		return next(context.WithValue(ctx, diaryKey{}, name), req)
	}
}

type diaryKey struct{}

// receivedBy is the stream of a handler as interceptors wrap it.
type receivedBy struct {
	grpc.ServerStream
	diary *diary
	name  string
}

func (s receivedBy) RecvMsg(m any) error {
	s.diary.note(s.name + " receives")
	return s.ServerStream.RecvMsg(m)
}

func (s receivedBy) Context() context.Context {
	return context.WithValue(s.ServerStream.Context(), diaryKey{}, s.name)
}

func (d *diary) streamServer(name string) grpc.StreamServerInterceptor {
	return func(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		d.note(name + " gets " + info.FullMethod)
		if !info.IsClientStream || !info.IsServerStream {
			d.note("it is of another shape")
		}
		return next(srv, receivedBy{s, d, name})
	}
}

// The first interceptor is the outermost, that of the option for one the very first.
func TestClientInterceptors(t *testing.T) {
	by := func(ctx context.Context) []string { return metadata.ValueFromIncomingContext(ctx, "by") }
	var seen []string
	address := serve(t, nil, (&service{
		empty:  func(ctx context.Context) error { seen = by(ctx); return status.Error(codes.Aborted, "no") },
		duplex: func(s duplex) error { seen = by(s.Context()); return echo(s) },
	}).register)
	var d diary
	stub := testpb.NewTestServiceClient(grpccompat.NewClientConn(channel(t, nil, address),
		grpccompat.WithChainUnaryInterceptor(d.unaryClient("b"), d.unaryClient("c")),
		grpccompat.WithUnaryInterceptor(d.unaryClient("a")),
		grpccompat.WithStreamInterceptor(d.streamClient("x")),
		grpccompat.WithChainStreamInterceptor(d.streamClient("y"), d.streamClient("z")),
	))
	_, err := stub.EmptyCall(parity.Within(t), new(testpb.Empty), marked{})
	wantCode(t, "EmptyCall", err, codes.Aborted)
	d.want(t, "unary", "a begins", "a is marked", "b begins", "b is marked", "c begins", "c is marked",
		"c ends: Aborted", "b ends: Aborted", "a ends: Aborted")
	if !slices.Equal(seen, []string{"a", "b", "c"}) {
		t.Errorf("the metadata is by %q", seen)
	}
	s := open(t, parity.Within(t), stub)
	parity.Want(t, "Send", s.Send(ask(1)))
	_, err = s.Recv()
	parity.Want(t, "Recv", err)
	d.want(t, "stream", "x opens FullDuplexCall", "y opens FullDuplexCall", "z opens FullDuplexCall",
		"x sends", "y sends", "z sends")
	if !slices.Equal(seen, []string{"x", "y", "z"}) {
		t.Errorf("the metadata is by %q", seen)
	}
	parity.Want(t, "CloseSend", s.CloseSend())
	_, err = s.Recv()
	wantEOF(t, "Recv", err)
}

func TestServerInterceptors(t *testing.T) {
	var d diary
	note := func(ctx context.Context) { d.note("for " + ctx.Value(diaryKey{}).(string)) }
	address := serveWith(t, nil, nil, []grpccompat.ServerOption{
		grpccompat.ChainUnaryInterceptor(d.unaryServer("b"), d.unaryServer("c")),
		grpccompat.UnaryInterceptor(d.unaryServer("a")),
		grpccompat.StreamInterceptor(d.streamServer("x")),
		grpccompat.ChainStreamInterceptor(d.streamServer("y"), d.streamServer("z")),
	}, (&service{
		empty:  func(ctx context.Context) error { note(ctx); return nil },
		duplex: func(s duplex) error { note(s.Context()); return echo(s) },
	}).register)
	stub := testpb.NewTestServiceClient(dial(t, nil, address))
	_, err := stub.EmptyCall(parity.Within(t), new(testpb.Empty))
	parity.Want(t, "EmptyCall", err)
	name := testpb.TestService_EmptyCall_FullMethodName
	d.want(t, "unary", "a gets "+name, "b gets "+name, "c gets "+name, "for c")
	s := open(t, parity.Within(t), stub)
	parity.Want(t, "CloseSend", s.CloseSend())
	_, err = s.Recv()
	wantEOF(t, "Recv", err)
	name = testpb.TestService_FullDuplexCall_FullMethodName
	d.want(t, "stream", "x gets "+name, "y gets "+name, "z gets "+name, "for z", "z receives", "y receives", "x receives")
}

// An interceptor may answer in place of the server, or of the handler.
func TestInterceptorsThatAnswer(t *testing.T) {
	address := serveWith(t, nil, nil, []grpccompat.ServerOption{
		grpccompat.UnaryInterceptor(func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
			return nil, nil // neither
		}),
		grpccompat.StreamInterceptor(func(any, grpc.ServerStream, *grpc.StreamServerInfo, grpc.StreamHandler) error {
			return status.Error(codes.Unauthenticated, "who?")
		}),
	}, new(service).register)
	stub := testpb.NewTestServiceClient(dial(t, nil, address))
	_, err := stub.EmptyCall(parity.Within(t), new(testpb.Empty))
	wantCode(t, "no response, no error", err, codes.Internal)
	_, err = open(t, parity.Within(t), stub).Recv()
	wantCode(t, "FullDuplexCall", err, codes.Unauthenticated)
}
