package async_test

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client/async"
	"github.com/cqrpc/cqrpc/cq"
)

// Many requests, then the one response. A Write that is false says that the call has ended, and Finish why.
func ExampleWriter() {
	ch, stop := greeter()
	defer stop()

	ctx, q := context.Background(), cq.New()
	var reply wrapperspb.StringValue
	var status cqrpc.Status
	rpc, err := async.ClientStream(ctx, ch, greetAll, &reply, q, "started")
	check(err)
	names := []string{"Ada", "Grace", "Barbara"}
	for ev := range q.Events(ctx) {
		switch {
		case ev.Tag == "finished":
			fmt.Println(reply.Value, status.Code)
			q.Shutdown()
		case ev.OK && len(names) > 0:
			check(rpc.Write(wrapperspb.String(names[0]), "written"))
			names = names[1:]
		case ev.OK && ev.Tag != "no more":
			check(rpc.WritesDone("no more"))
		default:
			check(rpc.Finish(&status, "finished"))
		}
	}
	// Output: Hello Ada, Grace, Barbara OK
}

// Requests and responses in turn. The two directions are independent: a program that does not wait for
// a response before it sends the next request has a Read and a Write outstanding.
func ExampleReaderWriter() {
	ch, stop := greeter()
	defer stop()

	ctx, q := context.Background(), cq.New()
	rpc, err := async.BidiStream(ctx, ch, converse, q, "next")
	check(err)
	var reply wrapperspb.StringValue
	var status cqrpc.Status
	names := []string{"Ada", "Grace"}
	for ev := range q.Events(ctx) {
		switch {
		case ev.Tag == "finished":
			fmt.Println(status.Code)
			q.Shutdown()
		case !ev.OK: // after the last response, or the call is dead
			check(rpc.Finish(&status, "finished"))
		case ev.Tag == "read":
			fmt.Println(reply.Value)
			fallthrough
		case ev.Tag == "next":
			if len(names) == 0 {
				check(rpc.WritesDone("written"))
				continue
			}
			check(rpc.Write(wrapperspb.String(names[0]), "written"))
			names = names[1:]
		case ev.Tag == "written":
			check(rpc.Read(&reply, "read"))
		}
	}
	// Output:
	// Hello Ada
	// Hello Grace
	// OK
}
