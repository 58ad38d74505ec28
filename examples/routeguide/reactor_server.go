package main

import (
	"log/slog"

	"google.golang.org/protobuf/proto"

	"github.com/cqrpc/cqrpc"
	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/reactor"
)

// reactorGuide serves with reactors: a method returns an object that reacts to
// what happens to its call, and starts what shall happen next. The library runs
// one reaction of a reactor at a time. This file follows the tutorial on the
// callback API line by line.
type reactorGuide struct {
	pb.UnimplementedRouteGuideReactorServer
	*guide
}

// serveReactor has nothing to drain: a server's Shutdown returns when the last
// reaction, OnDone, has.
func serveReactor(s *server.Server, g *guide) (drain func() error, err error) {
	drain = func() error { return nil }
	return drain, pb.RegisterRouteGuideReactorServer(s, &reactorGuide{guide: g})
}

// GetFeature implements pb.RouteGuideReactorServer. To answer, the
// default reactor will do; to learn how the call ended takes a reactor of one's own.
func (g *reactorGuide) GetFeature(ctx *reactor.Context, point *pb.Point, feature *pb.Feature) reactor.UnaryReactor {
	if g.logsCalls() {
		return newFeatureReactor(g.guide, point, feature)
	}
	feature.Name, feature.Location = g.features.nameAt(point), point
	r := ctx.DefaultReactor()
	r.Finish(cqrpc.Status{})
	return r
}

// featureReactor is the tutorial's custom unary reactor.
type featureReactor struct {
	reactor.UnaryBase
	ending
}

func newFeatureReactor(g *guide, point *pb.Point, feature *pb.Feature) *featureReactor {
	r := &featureReactor{ending: ending{g.log, "GetFeature"}}
	feature.Name, feature.Location = g.features.nameAt(point), point
	r.Finish(cqrpc.Status{})
	return r
}

// ending is the two reactions that all reactors of this server have in common.
type ending struct {
	log    *slog.Logger
	method string
}

// OnDone is the last reaction: the call is over and the reactor is free. In C++
// it would delete itself here.
func (e *ending) OnDone() { e.log.Info("RPC completed", "method", e.method) }

// OnCancel comes before OnDone if the client is gone or the deadline has passed.
func (e *ending) OnCancel() { e.log.Warn("RPC cancelled", "method", e.method) }

// ListFeatures implements pb.RouteGuideReactorServer.
func (g *reactorGuide) ListFeatures(_ *reactor.Context, area *pb.Rectangle) reactor.WriteReactor[pb.Feature] {
	l := &lister{ending: ending{g.log, "ListFeatures"}, left: g.features.within(area)}
	l.nextWrite()
	return l
}

// lister writes one feature after the other.
type lister struct {
	reactor.WriteBase[pb.Feature]
	ending
	left []*pb.Feature
}

// OnWriteDone reacts to the end of a write.
func (l *lister) OnWriteDone(ok bool) {
	if !ok {
		l.Finish(cqrpc.Status{Code: cqrpc.CodeUnknown, Message: "Unexpected Failure"})
		return
	}
	l.nextWrite()
}

func (l *lister) nextWrite() {
	if len(l.left) == 0 {
		l.Finish(cqrpc.Status{}) // nothing written, all is done
		return
	}
	f := l.left[0]
	l.left = l.left[1:]
	l.StartWrite(f)
}

// RecordRoute implements pb.RouteGuideReactorServer.
func (g *reactorGuide) RecordRoute(_ *reactor.Context, summary *pb.RouteSummary) reactor.ReadReactor[pb.Point] {
	r := &routeRecorder{ending: ending{g.log, "RecordRoute"}, journey: g.newJourney(), summary: summary}
	r.nextRead()
	return r
}

// routeRecorder is the tutorial's Recorder on the server.
type routeRecorder struct {
	reactor.ReadBase[pb.Point]
	ending
	journey *journey
	point   *pb.Point // being read
	summary *pb.RouteSummary
}

// OnReadDone reacts to a point, or with ok=false to the end of the points.
func (r *routeRecorder) OnReadDone(ok bool) {
	if ok {
		r.journey.visit(r.point)
		r.nextRead()
		return
	}
	proto.Merge(r.summary, r.journey.summary())
	r.Finish(cqrpc.Status{})
}

func (r *routeRecorder) nextRead() {
	r.point = new(pb.Point) // the journey keeps the last one
	r.StartRead(r.point)
}

// RouteChat implements pb.RouteGuideReactorServer.
func (g *reactorGuide) RouteChat(*reactor.Context) reactor.BidiReactor[pb.RouteNote, pb.RouteNote] {
	c := &noteChatter{ending: ending{g.log, "RouteChat"}, guide: g.guide}
	c.nextWrite()
	return c
}

// noteChatter is the tutorial's Chatter on the server.
type noteChatter struct {
	reactor.BidiBase[pb.RouteNote, pb.RouteNote]
	ending
	guide *guide
	note  *pb.RouteNote   // being read
	left  []*pb.RouteNote // to be written before the next is read
}

// OnReadDone reacts to a note. The guide's lock is held only inside leave:
// reactions may run on any goroutine, so a reactor cannot hold one between them.
func (c *noteChatter) OnReadDone(ok bool) {
	if !ok {
		c.Finish(cqrpc.Status{})
		return
	}
	c.left = c.guide.leave(c.note)
	c.nextWrite()
}

// OnWriteDone reacts to the end of a write. If it failed, so will the next
// read, which ends the call.
func (c *noteChatter) OnWriteDone(bool) { c.nextWrite() }

func (c *noteChatter) nextWrite() {
	if len(c.left) == 0 {
		c.note = new(pb.RouteNote) // the guide keeps it
		c.StartRead(c.note)
		return
	}
	n := c.left[0]
	c.left = c.left[1:]
	c.StartWrite(n)
}
