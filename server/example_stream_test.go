package server_test

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/server"
)

// chat is what generated code would declare.
var chat = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{
	Name: "/example.Greeter/Chat", Shape: call.BidiStream,
}

// A method with many requests and many responses, in the sync style. What the function returns ends the
// call.
func ExampleBidiStream() {
	s := server.New()
	err := s.Register(server.BidiStream(chat, func(
		_ context.Context, in *server.Receiver[wrapperspb.StringValue], out *server.Sender[wrapperspb.StringValue],
	) error {
		for req, err := range in.All() {
			if err != nil {
				return err // the client is gone
			}
			if err := out.Send(wrapperspb.String("Hello " + req.Value)); err != nil {
				return err
			}
		}
		return nil // the client has half-closed
	}))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(converse(s, "gopher", "world"))
	fmt.Println(s.Shutdown(context.Background()))
	// Output:
	// Hello gopher
	// Hello world
	// <nil>
	// <nil>
}
