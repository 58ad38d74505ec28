package main

import (
	"errors"
	"io"

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
	sendAll(sink, g.features.within(area)).OnComplete(func(_ struct{}, err error) {
		if err != nil {
			sink.Fail(cqrpc.StatusOf(err))
			return
		}
		sink.Close()
	})
}

// sendAll sends each message when the one before has been taken: a chain of
// futures, which is resolved with the last.
func sendAll[T any](sink *serverfuture.Sink[T], left []*T) *future.Future[struct{}] {
	if len(left) == 0 {
		return future.Ready(struct{}{})
	}
	return future.Then(sink.Send(left[0]), func(struct{}) *future.Future[struct{}] {
		return sendAll(sink, left[1:])
	})
}

// RecordRoute implements pb.RouteGuideFutureServer. It folds the requests into
// a journey.
func (g *futureGuide) RecordRoute(
	_ *serverfuture.Context, requests *serverfuture.Stream[pb.Point], sink *serverfuture.ResponseSink[pb.RouteSummary],
) {
	j := g.newJourney()
	var visit func(*pb.Point, error)
	visit = func(p *pb.Point, err error) {
		switch {
		case err == nil:
			j.visit(p)
			requests.Next().OnComplete(visit)
		case errors.Is(err, io.EOF): // the client has half-closed
			sink.Success(j.summary())
		default:
			sink.Fail(cqrpc.StatusOf(err))
		}
	}
	requests.Next().OnComplete(visit)
}

// RouteChat implements pb.RouteGuideFutureServer. It reads a note when all the
// answers to the one before have been taken.
func (g *futureGuide) RouteChat(
	_ *serverfuture.Context, requests *serverfuture.Stream[pb.RouteNote], sink *serverfuture.Sink[pb.RouteNote],
) {
	var answer func(*pb.RouteNote, error)
	next := func(_ struct{}, err error) {
		if err != nil {
			sink.Fail(cqrpc.StatusOf(err))
			return
		}
		requests.Next().OnComplete(answer)
	}
	answer = func(n *pb.RouteNote, err error) {
		switch {
		case err == nil:
			sendAll(sink, g.leave(n)).OnComplete(next)
		case errors.Is(err, io.EOF): // the client has half-closed
			sink.Close()
		default:
			sink.Fail(cqrpc.StatusOf(err))
		}
	}
	requests.Next().OnComplete(answer)
}
