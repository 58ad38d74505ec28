package server_test

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	cqclient "github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/server"
)

// translate is what generated code would declare.
var translate = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{Name: "/example.Words/Translate"}

// A handler reads the metadata of the request, and sets that of the response: the header goes out with the
// first message, the trailer with the status.
func ExampleIncoming() {
	s := server.New()
	err := s.Register(server.Unary(translate,
		func(ctx context.Context, word *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
			in, _ := server.Incoming(ctx) // of a handler's context there is always one
			language := in.Metadata.Get("accept-language")
			if err := server.SetHeader(ctx, cqrpc.Pairs("content-language", language)); err != nil {
				return nil, err
			}
			if err := server.SetTrailer(ctx, cqrpc.Pairs("words-left", "99")); err != nil {
				return nil, err
			}
			return wrapperspb.String(word.Value + "o"), nil
		}))
	if err != nil {
		fmt.Println(err)
		return
	}

	ch, err := cqclient.NewChannel("memory", cqclient.WithInsecure(), cqclient.WithDialer(s.Dial))
	if err != nil {
		fmt.Println(err)
		return
	}
	var header, trailer cqrpc.Metadata
	word, err := cqclient.Unary(context.Background(), ch, translate, wrapperspb.String("salut"),
		cqclient.WithMetadata(cqrpc.Pairs("accept-language", "eo")),
		cqclient.HeaderTo(&header), cqclient.TrailerTo(&trailer))
	fmt.Println(word.GetValue(), err)
	fmt.Println(header.Get("content-language"), trailer.Get("words-left"))
	fmt.Println(ch.Close(), s.Shutdown(context.Background()))
	// Output:
	// saluto <nil>
	// eo 99
	// <nil> <nil>
}
