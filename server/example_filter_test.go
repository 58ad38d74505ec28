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

// whoAmI is what generated code would declare.
var whoAmI = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{Name: "/example.Session/WhoAmI"}

// userKey is where the filter puts what it has found out.
type userKey struct{}

// authenticate refuses calls without a token, and tells handlers of every style whose it is.
func authenticate(ctx context.Context, start *call.Start) (context.Context, error) {
	if start.Metadata.Get("authorization") != "Bearer 1234" {
		return nil, cqrpc.Errorf(cqrpc.CodeUnauthenticated, "no token for %s", start.Method)
	}
	return context.WithValue(ctx, userKey{}, "gopher"), nil
}

// A filter stands where other implementations have interceptors: it sees every call before its handler
// runs, whatever its style and shape.
func ExampleWithFilter() {
	s := server.New(server.WithFilter(authenticate))
	err := s.Register(server.Unary(whoAmI,
		func(ctx context.Context, _ *wrapperspb.StringValue) (*wrapperspb.StringValue, error) {
			return wrapperspb.String(ctx.Value(userKey{}).(string)), nil
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
	for _, md := range []cqrpc.Metadata{nil, cqrpc.Pairs("authorization", "Bearer 1234")} {
		user, err := cqclient.Unary(context.Background(), ch, whoAmI, wrapperspb.String(""), cqclient.WithMetadata(md))
		fmt.Println(user.GetValue(), err)
	}
	fmt.Println(ch.Close(), s.Shutdown(context.Background()))
	// Output:
	//  UNAUTHENTICATED: no token for /example.Session/WhoAmI
	// gopher <nil>
	// <nil> <nil>
}
