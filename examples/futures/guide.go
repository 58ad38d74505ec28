package main

import (
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq/future"
	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
	serverfuture "github.com/cqrpc/cqrpc/server/future"
)

// guide is the talk's server handlers. They run on the poller of their call's
// queue and must not block; what comes later is left to futures.
type guide struct {
	pb.UnimplementedRouteGuideFutureServer
}

// nameOf is all that this guide knows.
func nameOf(at *pb.Point) string {
	if at.GetLatitude() > 1 {
		return "Upper Town"
	}
	return "Lower Town"
}

// GetFeature implements pb.RouteGuideFutureServer:
//
//	fn on_unary(context, request, response_sink) { context.spawn(|| { ... }) }
func (*guide) GetFeature(ctx *serverfuture.Context, at *pb.Point, sink *serverfuture.ResponseSink[pb.Feature]) {
	if at.GetLatitude() == 0 && at.GetLongitude() == 0 {
		return // no answer, until the client has had enough; a sink costs nothing
	}
	err := ctx.Spawn(func() { // after this function, on the same poller
		sink.Success(&pb.Feature{Name: nameOf(at), Location: at})
	})
	if err != nil {
		sink.Fail(cqrpc.Status{Code: cqrpc.CodeUnavailable, Message: err.Error()})
	}
}

// RecordRoute implements pb.RouteGuideFutureServer:
//
//	request_stream.fold(|request| { ... }).and_then(|| { ... })
func (*guide) RecordRoute(
	_ *serverfuture.Context, requests *serverfuture.Stream[pb.Point], sink *serverfuture.ResponseSink[pb.RouteSummary],
) {
	var summary pb.RouteSummary
	requests.ForEach(func(*pb.Point) error {
		summary.PointCount++
		return nil
	}).OnComplete(func(_ struct{}, err error) {
		if err != nil {
			sink.Fail(cqrpc.StatusOf(err))
			return
		}
		sink.Success(&summary)
	})
}

// ListFeatures implements pb.RouteGuideFutureServer: it sends the corners.
func (*guide) ListFeatures(_ *serverfuture.Context, area *pb.Rectangle, sink *serverfuture.Sink[pb.Feature]) {
	sink.SendFrom(future.Values([]*pb.Feature{
		{Name: nameOf(area.GetLo()), Location: area.GetLo()},
		{Name: nameOf(area.GetHi()), Location: area.GetHi()},
	})).OnComplete(func(_ struct{}, err error) { end(sink, err) })
}

// RouteChat implements pb.RouteGuideFutureServer:
//
//	let resps = request_stream.map(...); response_sink.send_all(resps)
func (*guide) RouteChat(
	_ *serverfuture.Context, requests *serverfuture.Stream[pb.RouteNote], sink *serverfuture.Sink[pb.RouteNote],
) {
	requests.ForEachThen(func(n *pb.RouteNote) *future.Future[struct{}] {
		return sink.Send(&pb.RouteNote{Message: "you said " + n.GetMessage()})
	}).OnComplete(func(_ struct{}, err error) { end(sink, err) })
}

// end closes a sink when everything that was to be sent was, or could not be.
func end[T any](sink *serverfuture.Sink[T], err error) {
	if err != nil {
		sink.Fail(cqrpc.StatusOf(err))
		return
	}
	sink.Close()
}
