package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/server"
)

// serve serves what a handler answers to sayHello.
func serve(
	hello func(context.Context, *pb.HelloRequest) (*pb.HelloReply, error), opts ...server.Option,
) (address string, stop func()) {
	s := server.New(opts...)
	must(s.Register(server.Unary(sayHello, hello)))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	served := make(chan error)
	go func() { served <- s.Serve(lis) }()
	return lis.Addr().String(), func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) // then calls are cancelled
		defer cancel()
		must(s.Shutdown(ctx))
		<-served
	}
}

// Metadata in both directions, and a deadline. A handler finds the call's in its
// context.
func ExampleWithMetadata() {
	address, stop := serve(func(ctx context.Context, req *pb.HelloRequest) (*pb.HelloReply, error) {
		in, _ := server.Incoming(ctx)
		if in.Metadata.Get("authorization") != "Bearer 1234" {
			return nil, cqrpc.Errorf(cqrpc.CodeUnauthenticated, "no token")
		}
		_, isBounded := ctx.Deadline()
		must(server.SetHeader(ctx, cqrpc.Pairs("bounded", fmt.Sprint(isBounded))))
		must(server.SetTrailer(ctx, cqrpc.Pairs("cost", "3")))
		return &pb.HelloReply{Message: "Hello " + req.GetName()}, nil
	})
	defer stop()
	ch, err := client.NewChannel(address, client.WithInsecure())
	must(err)
	defer ch.Close()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var header, trailer cqrpc.Metadata
	reply, err := client.Unary(ctx, ch, sayHello, &pb.HelloRequest{Name: "gopher"},
		client.WithMetadata(cqrpc.Pairs("authorization", "Bearer 1234")),
		client.HeaderTo(&header), client.TrailerTo(&trailer))
	fmt.Println(reply.GetMessage(), err, header.Get("bounded"), trailer.Get("cost"))

	_, err = client.Unary(ctx, ch, sayHello, &pb.HelloRequest{Name: "gopher"})
	fmt.Println(cqrpc.CodeOf(err) == cqrpc.CodeUnauthenticated, err)
	// Output:
	// Hello gopher <nil> true 3
	// true UNAUTHENTICATED: no token
}

// A name with three addresses, here written out, and calls on each of them in turn.
func ExampleWithBalancing() {
	var addresses []string
	for _, name := range []string{"north", "south", "west"} {
		address, stop := serve(func(context.Context, *pb.HelloRequest) (*pb.HelloReply, error) {
			return &pb.HelloReply{Message: name}, nil
		})
		defer stop()
		addresses = append(addresses, address)
	}
	ch, err := client.NewChannel("ipv4:"+strings.Join(addresses, ","), client.WithInsecure(),
		client.WithBalancing(client.RoundRobin))
	must(err)
	defer ch.Close()

	answers := make(map[string]int)
	for len(answers) < 3 { // calls do not wait for all to be connected
		reply, err := client.Unary(context.Background(), ch, sayHello, &pb.HelloRequest{})
		must(err)
		answers[reply.GetMessage()]++
	}
	fmt.Println(slices.Sorted(maps.Keys(answers)))
	// Output: [north south west]
}

// Client and server in one process without a socket, as tests like to have them.
func ExampleWithDialer() {
	s := server.New()
	must(s.Register(server.Unary(sayHello, func(_ context.Context, req *pb.HelloRequest) (*pb.HelloReply, error) {
		return &pb.HelloReply{Message: "Hello " + req.GetName()}, nil
	})))
	ch, err := client.NewChannel("memory", client.WithInsecure(), client.WithDialer(s.Dial))
	must(err)

	reply, err := client.Unary(context.Background(), ch, sayHello, &pb.HelloRequest{Name: "gopher"})
	fmt.Println(reply.GetMessage(), err)
	fmt.Println(ch.Close(), s.Shutdown(context.Background()))
	// Output:
	// Hello gopher <nil>
	// <nil> <nil>
}

// Both ends with TLS. The certificate is httptest's, for 127.0.0.1 and example.com.
func ExampleWithTLS() {
	borrowed := httptest.NewTLSServer(nil)
	borrowed.Close()
	roots := x509.NewCertPool()
	roots.AddCert(borrowed.Certificate())

	address, stop := serve(func(_ context.Context, req *pb.HelloRequest) (*pb.HelloReply, error) {
		return &pb.HelloReply{Message: "Hello " + req.GetName()}, nil
	}, server.WithTLS(&tls.Config{Certificates: borrowed.TLS.Certificates}))
	defer stop()

	for _, cfg := range []*tls.Config{{RootCAs: roots}, nil} { // nil: the system's roots
		ch, err := client.NewChannel(address, client.WithTLS(cfg))
		must(err)
		reply, err := client.Unary(context.Background(), ch, sayHello, &pb.HelloRequest{Name: "gopher"})
		_, isUnknown := errors.AsType[x509.UnknownAuthorityError](err)
		fmt.Println(reply.GetMessage(), cqrpc.CodeOf(err), isUnknown)
		must(ch.Close())
	}
	// Output:
	// Hello gopher OK false
	//  UNAVAILABLE true
}

// Calls that a busy server refuses are sent again, as those of all styles are: here the first
// two attempts are in vain. The server asks for the second one after 5 ms.
func ExampleWithRetry() {
	address, stop := serve(func(ctx context.Context, req *pb.HelloRequest) (*pb.HelloReply, error) {
		in, _ := server.Incoming(ctx)
		attempt := in.Metadata.Get("grpc-previous-rpc-attempts")
		switch attempt {
		case "":
			must(server.SetTrailer(ctx, cqrpc.Pairs("grpc-retry-pushback-ms", "5")))
			return nil, cqrpc.Errorf(cqrpc.CodeUnavailable, "busy")
		case "1":
			return nil, cqrpc.Errorf(cqrpc.CodeUnavailable, "still busy")
		}
		return &pb.HelloReply{Message: "Hello " + req.GetName() + ", after " + attempt}, nil
	})
	defer stop()
	ch, err := client.NewChannel(address, client.WithInsecure(),
		client.WithRetry(call.RetryPolicy{
			MaxAttempts: 4, InitialBackoff: 10 * time.Millisecond, MaxBackoff: time.Second, BackoffMultiplier: 2,
			Codes: []cqrpc.Code{cqrpc.CodeUnavailable},
		}, "/helloworld.Greeter/"), // all methods of the service
		client.WithRetryThrottling(call.RetryThrottling{MaxTokens: 10, TokenRatio: 0.1}))
	must(err)
	defer ch.Close()

	reply, err := client.Unary(context.Background(), ch, sayHello, &pb.HelloRequest{Name: "gopher"})
	fmt.Println(reply.GetMessage(), err)

	_, err = client.Unary(context.Background(), ch, sayHello, &pb.HelloRequest{Name: "gopher"},
		client.WithCallRetry(call.RetryPolicy{})) // not this one
	fmt.Println(err)
	// Output:
	// Hello gopher, after 2 <nil>
	// UNAVAILABLE: busy
}
