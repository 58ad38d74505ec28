package main

import (
	"context"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/reactor"
	"github.com/cqrpc/cqrpc/cq"
	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
)

// reactorTraveller gives each call an object that reacts to what happens to it.
// Its methods wait for the end because the demonstration wants one thing after
// the other; a program that does not has nothing to wait for.
type reactorTraveller struct {
	stub   *pb.RouteGuideReactorClient
	alarms *cq.Queue // runs the callbacks of alarms
	out    *screen
}

func joinReactor(ch *client.Channel, out *screen) traveller {
	return &reactorTraveller{pb.NewRouteGuideReactorClient(ch), cq.NewCallback(nil, nil), out}
}

func (t *reactorTraveller) close() error { return t.alarms.Close(context.Background()) }

func (t *reactorTraveller) getFeature(ctx context.Context, at *pb.Point) error {
	feature := new(pb.Feature)
	done := make(chan error, 1)
	t.stub.GetFeature(ctx, at, feature, func(status cqrpc.Status) {
		if status.Code == cqrpc.CodeOK {
			t.out.found(feature)
		}
		done <- status.Err()
	})
	return <-done
}

// awaiter lets somebody wait for the end of a reactor: it is no part of the
// library, and the tutorial's Await.
type awaiter chan cqrpc.Status

// OnDone is the last reaction.
func (a awaiter) OnDone(status cqrpc.Status) { a <- status }

func (a awaiter) await() error {
	status := <-a
	return status.Err()
}

func newAwaiter() awaiter { return make(awaiter, 1) }

// reader is the tutorial's Reader: it prints features as they come.
type reader struct {
	reactor.ReadBase[pb.Feature]
	awaiter
	out     *screen
	feature pb.Feature
}

func (t *reactorTraveller) listFeatures(ctx context.Context, area *pb.Rectangle) error {
	r := &reader{awaiter: newAwaiter(), out: t.out}
	t.stub.ListFeatures(ctx, area, r)
	r.StartRead(&r.feature)
	r.StartCall()
	return r.await()
}

// OnReadDone reacts to a feature, or with ok=false to the end of them.
func (r *reader) OnReadDone(ok bool) {
	if ok {
		r.out.found(&r.feature)
		r.StartRead(&r.feature)
	}
}

// recorder is the tutorial's Recorder: it visits points and rests at each.
type recorder struct {
	reactor.WriteBase[pb.Point]
	awaiter
	out    *screen
	route  *route
	alarms *cq.Queue
	alarm  cq.Alarm
}

func (t *reactorTraveller) recordRoute(ctx context.Context, route *route) (*pb.RouteSummary, error) {
	r := &recorder{awaiter: newAwaiter(), out: t.out, route: route, alarms: t.alarms}
	summary := new(pb.RouteSummary) // filled before OnDone
	t.stub.RecordRoute(ctx, summary, r)
	// A hold, because writes are started by an alarm and not by a reaction:
	// without it the library could not know that there is more to come.
	r.AddHold()
	r.nextWrite()
	r.StartCall()
	return summary, r.await()
}

// OnWriteDone reacts to the end of a write: rest, then go on.
func (r *recorder) OnWriteDone(ok bool) {
	if !ok {
		r.RemoveHold() // the call is dead; OnDone will say why
		return
	}
	err := r.alarm.Set(r.alarms, time.Now().Add(r.route.delay()), func(cq.Event) { r.nextWrite() })
	if err != nil {
		r.TryCancel()
		r.RemoveHold()
	}
}

func (r *recorder) nextWrite() {
	p := r.route.next()
	if p == nil {
		r.StartWritesDone()
		r.RemoveHold()
		return
	}
	r.out.visiting(p)
	r.StartWrite(p)
}

// chatter is the tutorial's Chatter: it reads and writes at the same time.
type chatter struct {
	reactor.BidiBase[pb.RouteNote, pb.RouteNote]
	awaiter
	out    *screen
	left   []*pb.RouteNote
	answer pb.RouteNote
}

func (t *reactorTraveller) routeChat(ctx context.Context, notes []*pb.RouteNote) error {
	c := &chatter{awaiter: newAwaiter(), out: t.out, left: notes}
	t.stub.RouteChat(ctx, c)
	c.nextWrite()
	c.StartRead(&c.answer)
	c.StartCall()
	return c.await()
}

// OnWriteDone reacts to the end of a write.
func (c *chatter) OnWriteDone(ok bool) {
	if ok {
		c.nextWrite()
	}
}

// OnReadDone reacts to a note, or with ok=false to the end of them.
func (c *chatter) OnReadDone(ok bool) {
	if ok {
		c.out.got(&c.answer)
		c.StartRead(&c.answer)
	}
}

func (c *chatter) nextWrite() {
	if len(c.left) == 0 {
		c.StartWritesDone()
		return
	}
	n := c.left[0]
	c.left = c.left[1:]
	c.out.sending(n)
	c.StartWrite(n)
}
