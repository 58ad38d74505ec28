package future_test

import (
	"context"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
)

// Of a call that could not be started the filters are told what the future is.
func TestFiltersAreToldWhatTheFutureIs(t *testing.T) {
	play(t, func(s *scene) {
		var told []cqrpc.Status
		ch, err := client.NewChannel("passthrough:///mem", client.WithInsecure(), client.WithDialer(s.dial),
			client.WithFilter(func(ctx context.Context, start *call.Start) (context.Context, error) {
				start.OnEnd = func(e call.End) { told = append(told, e.Status) }
				return ctx, nil
			}))
		if err != nil {
			t.Fatal(err)
		}
		defer ch.Close()
		res := clientfuture.Unary(s.Context(), clientfuture.New(ch, s.env), unary, wrapperspb.String("x"),
			client.WithMetadata(cqrpc.Pairs("not a key", "")))
		e := wantCode(s, "the metadata is illegal", res.Future, cqrpc.CodeInternal)
		if len(told) != 1 || told[0].String() != e.Status.String() {
			t.Errorf("the future failed with %v, the filter was told %v", e, told)
		}
	})
}
