package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"google.golang.org/protobuf/proto"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
)

// userKey is the key under which a call's context has who calls.
type userKey struct{}

// authenticate lets a server's calls in that have a token.
func authenticate(ctx context.Context, start *call.Start) (context.Context, error) {
	// With mutual TLS, start.Peer.TLS has the client's certificates.
	if start.Metadata.Get("authorization") != "Bearer 1234" {
		return nil, cqrpc.Errorf(cqrpc.CodeUnauthenticated, "no token for %s", start.Method)
	}
	return context.WithValue(ctx, userKey{}, "gopher"), nil
}

// Authorization at both ends: a client's filter adds the token, a server's checks it
// and tells handlers of every style who calls.
func ExampleWithFilter() {
	address, stop := serve(func(ctx context.Context, _ *pb.HelloRequest) (*pb.HelloReply, error) {
		user, _ := ctx.Value(userKey{}).(string)
		return &pb.HelloReply{Message: "Hello " + user}, nil
	}, server.WithFilter(authenticate))
	defer stop()

	token := "Bearer 1234" // of a cache, say, that asks for a new one in time
	addToken := func(ctx context.Context, start *call.Start) (context.Context, error) {
		if token == "" {
			return nil, cqrpc.Errorf(cqrpc.CodeUnauthenticated, "logged out: the call is not even sent")
		}
		start.Metadata = append(start.Metadata, cqrpc.Pairs("authorization", token)...)
		return ctx, nil
	}
	ch, err := client.NewChannel(address, client.WithInsecure(), client.WithFilter(addToken))
	must(err)
	defer ch.Close()

	for _, token = range []string{"Bearer 1234", "Bearer 4321", ""} {
		reply, err := client.Unary(context.Background(), ch, sayHello, &pb.HelloRequest{})
		fmt.Println(reply.GetMessage(), err)
	}
	// Output:
	// Hello gopher <nil>
	//  UNAUTHENTICATED: no token for /helloworld.Greeter/SayHello
	//  UNAUTHENTICATED: logged out: the call is not even sent
}

// logCalls returns a filter that writes a line for each call: of a client, as here,
// or of a server.
func logCalls(l *slog.Logger) call.Filter {
	return func(ctx context.Context, start *call.Start) (context.Context, error) {
		// The time that a call takes is that from here to OnEnd.
		start.OnEnd = func(end call.End) {
			l.Info("call", "method", start.Method, "status", end.Status.Code,
				"sent", end.Sent.Bytes, "received", end.Received.Bytes)
		}
		return ctx, nil
	}
}

// A client that logs all its calls, and a server that checks all requests before its
// handlers see them.
func ExampleWithFilter_logging() {
	l := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	validate := func(ctx context.Context, start *call.Start) (context.Context, error) {
		start.OnRecv = func(m any) error {
			if m, ok := m.(proto.Message); ok && proto.Size(m) == 0 {
				return cqrpc.Errorf(cqrpc.CodeInvalidArgument, "an empty %s", m.ProtoReflect().Descriptor().Name())
			}
			return nil
		}
		return ctx, nil
	}
	address, stop := serve(func(_ context.Context, req *pb.HelloRequest) (*pb.HelloReply, error) {
		if req.GetName() == "nobody" {
			return nil, errors.New("I do not greet nobody")
		}
		return &pb.HelloReply{Message: "Hello " + req.GetName()}, nil
	}, server.WithFilter(validate))
	defer stop()
	ch, err := client.NewChannel(address, client.WithInsecure(), client.WithFilter(logCalls(l)))
	must(err)
	defer ch.Close()

	for _, name := range []string{"gopher", "nobody", ""} {
		_, _ = client.Unary(context.Background(), ch, sayHello, &pb.HelloRequest{Name: name}) // the log has it
	}
	// Output:
	// msg=call method=/helloworld.Greeter/SayHello status=OK sent=8 received=14
	// msg=call method=/helloworld.Greeter/SayHello status=UNKNOWN sent=8 received=0
	// msg=call method=/helloworld.Greeter/SayHello status=INVALID_ARGUMENT sent=0 received=0
}
