package main

import (
	"errors"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq/future"
	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
	"github.com/cqrpc/cqrpc/server"
	serverfuture "github.com/cqrpc/cqrpc/server/future"
)

// futureGuide serves with futures, on the queues of an environment. Methods and
// what they leave to futures run on the poller of their call's queue: they must
// not block, and need no lock for what belongs to one call.
type futureGuide struct {
	pb.UnimplementedRouteGuideFutureServer
	*guide
}

func serveFuture(s *server.Server, g *guide) (drain func() error, err error) {
	env := future.NewEnvironment(2)
	if err := pb.RegisterRouteGuideFutureServer(s, &futureGuide{guide: g}, env); err != nil {
		return nil, errors.Join(err, env.Close())
	}
	return env.Close, nil // reports the calls that are still open: there must be none
}

// GetFeature implements pb.RouteGuideFutureServer.
func (g *futureGuide) GetFeature(
	_ *serverfuture.Context, at *pb.Point, sink *serverfuture.ResponseSink[pb.Feature],
) {
	sink.Success(g.feature(at))
}

// ListFeatures implements pb.RouteGuideFutureServer.
func (g *futureGuide) ListFeatures(
	_ *serverfuture.Context, area *pb.Rectangle, sink *serverfuture.Sink[pb.Feature],
) {
	sink.SendFrom(future.Values(g.features.within(area))).OnComplete(end(sink))
}

// end ends a call when everything that was to be sent was, or could not be.
func end[T any](sink *serverfuture.Sink[T]) func(struct{}, error) {
	return func(_ struct{}, err error) {
		if err != nil {
			sink.Fail(cqrpc.StatusOf(err))
			return
		}
		sink.Close()
	}
}

// RecordRoute implements pb.RouteGuideFutureServer. It folds the requests into
// a journey.
func (g *futureGuide) RecordRoute(
	_ *serverfuture.Context, requests *serverfuture.Stream[pb.Point], sink *serverfuture.ResponseSink[pb.RouteSummary],
) {
	j := g.newJourney()
	requests.ForEach(func(p *pb.Point) error {
		j.visit(p)
		return nil
	}).OnComplete(func(_ struct{}, err error) {
		if err != nil {
			sink.Fail(cqrpc.StatusOf(err))
			return
		}
		sink.Success(j.summary())
	})
}

// RouteChat implements pb.RouteGuideFutureServer. It reads a note when all the
// answers to the one before have been taken.
func (g *futureGuide) RouteChat(
	_ *serverfuture.Context, requests *serverfuture.Stream[pb.RouteNote], sink *serverfuture.Sink[pb.RouteNote],
) {
	requests.ForEachThen(func(n *pb.RouteNote) *future.Future[struct{}] {
		return sink.SendFrom(future.Values(g.leave(n)))
	}).OnComplete(end(sink))
}
