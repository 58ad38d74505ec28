package main

import (
	"context"
	"errors"

	"github.com/cqrpc/cqrpc/client"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/cq/future"
	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
)

// futureTraveller gets futures of everything and chains what is to follow.
type futureTraveller struct {
	env  *future.Environment
	stub *pb.RouteGuideFutureClient
	out  *screen
}

func joinFuture(ch *client.Channel, out *screen) traveller {
	env := future.NewEnvironment(1)
	return &futureTraveller{env, pb.NewRouteGuideFutureClient(ch, env), out}
}

func (t *futureTraveller) close() error { return t.env.Close() }

func (t *futureTraveller) getFeature(ctx context.Context, at *pb.Point) error {
	f, err := t.stub.GetFeature(ctx, at).Await(ctx)
	if err != nil {
		return err
	}
	t.out.found(f)
	return nil
}

func (t *futureTraveller) listFeatures(ctx context.Context, area *pb.Rectangle) error {
	for f, err := range t.stub.ListFeatures(ctx, area).All(ctx) {
		if err != nil {
			return err
		}
		t.out.found(f)
	}
	return nil
}

func (t *futureTraveller) recordRoute(ctx context.Context, r *route) (*pb.RouteSummary, error) {
	sink, summary := t.stub.RecordRoute(ctx)
	if _, err := t.visit(sink, r).Await(ctx); err != nil {
		sink.Cancel() // unless the call has ended: then the summary's error says why
	}
	return summary.Await(ctx)
}

// visit sends the next point, rests, and goes on, to the end of the route.
func (t *futureTraveller) visit(sink *clientfuture.Sink[pb.Point], r *route) *future.Future[struct{}] {
	p := r.next()
	if p == nil {
		return sink.Close()
	}
	t.out.visiting(p)
	rested := future.Then(sink.Send(p), func(struct{}) *future.Future[struct{}] { return t.env.After(r.delay()) })
	return future.Then(rested, func(struct{}) *future.Future[struct{}] { return t.visit(sink, r) })
}

// routeChat sends by a chain of futures and receives on this goroutine.
func (t *futureTraveller) routeChat(ctx context.Context, notes []*pb.RouteNote) error {
	sink, answers := t.stub.RouteChat(ctx)
	sent := t.say(sink, notes)
	for n, err := range answers.All(ctx) {
		if err != nil {
			return err
		}
		t.out.got(n)
	}
	_, err := sent.Await(ctx)
	if errors.Is(err, future.ErrFinished) {
		return nil // the server had heard enough
	}
	return err
}

// say sends the notes, each when the one before has been taken, and half-closes
// after the last.
func (t *futureTraveller) say(sink *clientfuture.Sink[pb.RouteNote], notes []*pb.RouteNote) *future.Future[struct{}] {
	next := future.Values(notes)
	sent := sink.SendFrom(func() (*pb.RouteNote, bool) {
		n, ok := next()
		if ok {
			t.out.sending(n)
		}
		return n, ok
	})
	return future.Then(sent, func(struct{}) *future.Future[struct{}] { return sink.Close() })
}
