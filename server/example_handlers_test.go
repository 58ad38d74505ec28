package server_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/server"
)

// helloWithin makes one call to s, within the process.
func helloWithin(s *server.Server, name string) {
	nc, err := s.Dial(context.Background(), "", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	c := newClient(nc)
	defer c.conn.Close()
	var res wrapperspb.StringValue
	st := c.unary(sayHello.Name, wrapperspb.String(name), &res)
	fmt.Printf("%v %q %q\n", st.Code, res.Value, st.Message)
}

// A handler for all methods that are not registered: messages are bytes, and the context knows the
// method. This one sends every message back.
func ExampleGeneric() {
	s := server.New()
	err := s.Register(server.Generic(func(ctx context.Context, messages *server.RawStream) error {
		in, _ := server.Incoming(ctx)
		fmt.Println(in.Method)
		for {
			m, err := messages.Recv()
			if errors.Is(err, io.EOF) {
				return nil // the client has half-closed
			}
			if err != nil {
				return err
			}
			if err := messages.Send(m); err != nil { // which takes m
				return err
			}
		}
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	helloWithin(s, "gopher")
	fmt.Println(s.Shutdown(context.Background()))
	// Output:
	// /example.Greeter/SayHello
	// OK "gopher" ""
	// <nil>
}

// One place knows which errors of the application have a status of their own.
func ExampleWithErrorMapper() {
	s := server.New(server.WithErrorMapper(func(err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return cqrpc.Errorf(cqrpc.CodeNotFound, "nobody has that name: %w", err)
		}
		return err
	}))
	err := s.Register(server.Unary(sayHello,
		func(_ context.Context, req *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
			return nil, fmt.Errorf("greet %s: %w", req.Value, fs.ErrNotExist)
		}))
	if err != nil {
		fmt.Println(err)
		return
	}
	helloWithin(s, "gopher")
	fmt.Println(s.Shutdown(context.Background()))
	// Output:
	// NOT_FOUND "" "nobody has that name: greet gopher: file does not exist"
	// <nil>
}
