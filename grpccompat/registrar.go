package grpccompat

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	"google.golang.org/grpc"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/server"
)

// Registrar is a server as generated code wants it to register a service: a
// [grpc.ServiceRegistrar]. Make one with NewRegistrar. It is safe for concurrent use. A
// server may have several, with interceptors of their own.
type Registrar struct {
	// immutable
	server *server.Server
	unary  grpc.UnaryServerInterceptor  // nil without interceptors
	stream grpc.StreamServerInterceptor // likewise

	observers observers

	mu       sync.Mutex
	services map[string]grpc.ServiceInfo // guarded by mu
}

var _ grpc.ServiceRegistrar = (*Registrar)(nil)

// NewRegistrar returns s for generated code, as in pb.RegisterGreeterServer(NewRegistrar(s), impl).
// Methods can be registered with s otherwise, too. What grpc.NewServer takes as options,
// but for those here, are options of [server.New].
func NewRegistrar(s *server.Server, opts ...ServerOption) *Registrar {
	var cfg serverConfig
	for _, o := range opts {
		o.applyServer(&cfg)
	}
	return &Registrar{
		server: s, services: make(map[string]grpc.ServiceInfo),
		unary: chainUnaryServer(cfg.unary.all()), stream: chainStreamServer(cfg.stream.all()),
		observers: cfg.observers,
	}
}

// RegisterService implements [grpc.ServiceRegistrar]: it registers the methods of a
// service, which impl implements, each as a handler of the sync style. What is wrong is a
// mistake in the program, for which grpc-go ends the process and this panics: impl is of
// another type, a method is registered already, or the server serves.
func (r *Registrar) RegisterService(desc *grpc.ServiceDesc, impl any) {
	if impl != nil {
		want, have := reflect.TypeOf(desc.HandlerType).Elem(), reflect.TypeOf(impl)
		if !have.Implements(want) {
			panic(fmt.Sprintf("grpccompat: RegisterService(%q): %v is no %v", desc.ServiceName, have, want))
		}
	}
	info := grpc.ServiceInfo{Metadata: desc.Metadata}
	var handlers []server.Handler
	for i := range desc.Methods {
		m := &desc.Methods[i]
		handlers = append(handlers, r.unaryHandler(fullName(desc, m.MethodName), m.Handler, impl))
		info.Methods = append(info.Methods, grpc.MethodInfo{Name: m.MethodName})
	}
	for i := range desc.Streams {
		s := &desc.Streams[i]
		handlers = append(handlers, r.streamHandler(fullName(desc, s.StreamName), s, impl))
		info.Methods = append(info.Methods, grpc.MethodInfo{
			Name: s.StreamName, IsClientStream: s.ClientStreams, IsServerStream: s.ServerStreams,
		})
	}
	if err := r.server.Register(handlers...); err != nil {
		panic(fmt.Sprintf("grpccompat: RegisterService(%q): %v", desc.ServiceName, err))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.services[desc.ServiceName] = info
}

func fullName(desc *grpc.ServiceDesc, method string) string {
	return "/" + desc.ServiceName + "/" + method
}

// GetServiceInfo describes the services for grpc-go's package reflection and the like:
// those of this Registrar, and by their names alone all others of the server.
func (r *Registrar) GetServiceInfo() map[string]grpc.ServiceInfo {
	all := make(map[string]grpc.ServiceInfo)
	for _, name := range r.server.Services() {
		all[name] = grpc.ServiceInfo{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, info := range r.services {
		info.Methods = append([]grpc.MethodInfo(nil), info.Methods...)
		all[name] = info
	}
	return all
}

func (r *Registrar) unaryHandler(name string, serve grpc.MethodHandler, impl any) server.Handler {
	return server.Untyped(name, call.Unary, func(ctx context.Context, messages *server.UntypedStream) (any, error) {
		s := r.accept(ctx, messages, &oneOfEach)
		defer s.close()
		res, err := serve(impl, s.ctx, s.RecvMsg, r.unary)
		switch {
		case err != nil:
			return nil, s.ends(FromStatus(err))
		case res == nil:
			return nil, s.ends(cqrpc.Errorf(cqrpc.CodeInternal, "handler returned neither a response nor an error"))
		case s.report != nil:
			return nil, s.ends(FromStatus(s.SendMsg(res)))
		}
		return res, nil
	})
}

func (r *Registrar) streamHandler(name string, desc *grpc.StreamDesc, impl any) server.Handler {
	info := &grpc.StreamServerInfo{
		FullMethod: name, IsClientStream: desc.ClientStreams, IsServerStream: desc.ServerStreams,
	}
	return server.Untyped(name, shapeOf(desc), func(ctx context.Context, messages *server.UntypedStream) (any, error) {
		s := r.accept(ctx, messages, desc)
		defer s.close()
		if r.stream == nil || !desc.ClientStreams && !desc.ServerStreams {
			return nil, s.ends(FromStatus(desc.Handler(impl, s)))
		}
		return nil, s.ends(FromStatus(r.stream(impl, s, info, desc.Handler)))
	})
}

func shapeOf(desc *grpc.StreamDesc) call.Shape {
	switch {
	case desc.ClientStreams && desc.ServerStreams:
		return call.BidiStream
	case desc.ClientStreams:
		return call.ClientStream
	case desc.ServerStreams:
		return call.ServerStream
	}
	return call.Unary
}
