package main

import (
	"context"
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/cq/future"
	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
)

// visitor makes the calls of the talk's part on gRPC.
type visitor struct {
	out  screen
	stub *pb.RouteGuideFutureClient
}

func point(lat, lon int32) *pb.Point { return &pb.Point{Latitude: lat, Longitude: lon} }

// nowhere is a point about which the guide is silent.
var nowhere = point(0, 0)

// unary: let future = unary(service, method, request); future.wait()
func (v visitor) unary(ctx context.Context) error {
	v.out.linef("unary")
	feature, err := v.stub.GetFeature(ctx, point(1, 1)).Await(ctx)
	if err != nil {
		return err
	}
	v.out.linef("  %s", feature.GetName())
	return nil
}

// several: the combinators work on calls as on anything else.
func (v visitor) several(ctx context.Context) error {
	v.out.linef("several calls at once")
	length := func(f *pb.Feature) (int, error) { return len(f.GetName()), nil }
	n, err := future.Map(v.stub.GetFeature(ctx, point(2, 1)), length).Await(ctx)
	if err != nil {
		return err
	}
	v.out.linef("  map: a name of %d letters", n)

	// The second call depends on the answer to the first.
	first := v.stub.GetFeature(ctx, point(1, 1))
	north := future.Then(first, func(f *pb.Feature) *clientfuture.Response[pb.Feature] {
		return v.stub.GetFeature(ctx, point(f.GetLocation().GetLatitude()+1, 1))
	})
	feature, err := north.Await(ctx)
	if err != nil {
		return err
	}
	v.out.linef("  then: north of it is %s", feature.GetName())

	silent := v.stub.GetFeature(ctx, nowhere)
	selected, err := future.Select(silent, v.stub.GetFeature(ctx, point(1, 1))).Await(ctx)
	if err != nil {
		return err
	}
	v.out.linef("  select: %s was faster than nowhere", selected.Value.GetName())
	silent.Cancel() // the loser goes on, unless somebody ends it

	both, err := future.Join(v.stub.GetFeature(ctx, point(1, 1)), v.stub.GetFeature(ctx, point(2, 1))).Await(ctx)
	if err != nil {
		return err
	}
	v.out.linef("  join: %s and %s", both[0].GetName(), both[1].GetName())
	return nil
}

// clientStreaming: let (sink, future) = client_streaming(service, method)
func (v visitor) clientStreaming(ctx context.Context) error {
	v.out.linef("client streaming")
	sink, response := v.stub.RecordRoute(ctx)
	for i := range int32(3) {
		// sink.send(request).wait()
		if _, err := sink.Send(point(i, 1)).Await(ctx); err != nil {
			return err
		}
	}
	sink.Close()
	summary, err := response.Await(ctx)
	if err != nil {
		return err
	}
	v.out.linef("  %d points", summary.GetPointCount())
	return nil
}

// serverStreaming: stream.for_each(|response| ...)
func (v visitor) serverStreaming(ctx context.Context) error {
	v.out.linef("server streaming")
	stream := v.stub.ListFeatures(ctx, &pb.Rectangle{Lo: point(1, 1), Hi: point(2, 2)})
	_, err := stream.ForEach(func(feature *pb.Feature) error { // on the poller
		v.out.linef("  %s", feature.GetName())
		return nil
	}).Await(ctx)
	return err
}

// duplex: let (sink, stream) = duplex_streaming(service, method)
func (v visitor) duplex(ctx context.Context) error {
	v.out.linef("duplex streaming")
	sink, stream := v.stub.RouteChat(ctx)
	defer stream.Close()
	// The answer of each note is a future before the note is sent, and a length
	// before it is there: streams are futures one after the other.
	for _, text := range []string{"hello", "how far is it?"} {
		answer := future.Map(stream.Next(), func(n *pb.RouteNote) (string, error) {
			return fmt.Sprintf("%q (%d letters)", n.GetMessage(), len(n.GetMessage())), nil
		})
		if _, err := sink.Send(&pb.RouteNote{Message: text}).Await(ctx); err != nil {
			return err
		}
		line, err := answer.Await(ctx)
		if err != nil {
			return err
		}
		v.out.linef("  %s", line)
	}
	if _, err := sink.Close().Await(ctx); err != nil {
		return err
	}
	_, err := stream.Recv(ctx)
	v.out.linef("  after the last: %v", err)
	return nil
}

// cancel: in Rust by dropping the future, here by saying so.
func (v visitor) cancel(ctx context.Context) error {
	v.out.linef("cancelling")
	silent := v.stub.GetFeature(ctx, nowhere)
	silent.Cancel()
	_, err := silent.Await(ctx)
	v.out.linef("  a unary call: %v", cqrpc.CodeOf(err))

	_, stream := v.stub.RouteChat(ctx)
	stream.Cancel() // both halves are one call
	_, err = stream.Recv(ctx)
	v.out.linef("  a stream: %v", cqrpc.CodeOf(err))
	return nil
}

// leaveOpen closes an environment on which a call is open: it is cancelled, and
// Close says what it was.
func leaveOpen(ctx context.Context, out screen, channel *client.Channel) error {
	out.linef("closing an environment")
	env := future.NewEnvironment(3, future.WithName("short-lived"))
	stub := pb.NewRouteGuideFutureClient(channel, env)
	_, stream := stub.RouteChat(ctx) // and no Close
	out.linef("  %v", env)
	out.linef("  %v", env.Close())
	_, err := stream.Recv(ctx)
	out.linef("  its stream: %v", cqrpc.CodeOf(err))
	_, err = stub.GetFeature(ctx, nowhere).Await(ctx)
	out.linef("  a call after that: %v", err)
	return nil
}
