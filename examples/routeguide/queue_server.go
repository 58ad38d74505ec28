package main

import (
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/async"
)

// queueGuide serves from completion queues. For every call there is a record
// whose address is the tag of all its operations: an event leads back to it, and
// Proceed takes its next step. A record has one operation at a time, so it needs
// no lock; while it waits it costs no goroutine.
type queueGuide struct {
	*guide
	service *pb.RouteGuideAsyncService
}

// serveQueue lets two queues with a poller each serve the guide.
func serveQueue(s *server.Server, g *guide) (drain func() error, err error) {
	q := &queueGuide{guide: g}
	if q.service, err = pb.RegisterRouteGuideAsyncService(s); err != nil {
		return nil, err
	}
	queues := []*cq.Queue{cq.New(), cq.New()}
	for _, queue := range queues {
		if err := s.AddQueue(queue); err != nil {
			return nil, err
		}
		b := binding{q, queue}
		b.requestFeature()
		b.requestList()
		b.requestRecord()
		b.requestChat()
	}
	wait := cq.Poll(queues, 1, cq.Proceed)
	return func() error {
		wait() // the server's shutdown shuts its queues down
		return nil
	}, nil
}

// binding is where a record lives: on one queue all its life.
type binding struct {
	*queueGuide
	queue *cq.Queue
}

// check reports what only a mistake in this program can be: an operation that
// cannot be started. No event comes of it, so the call is given up.
func (b binding) check(ctx *async.Context, err error) {
	if err != nil {
		b.log.Error("operation rejected", "method", ctx.Method(), "error", err)
		ctx.TryCancel()
	}
}

// requested reports an error of requesting a call: only a server that is being
// shut down refuses.
func (b binding) requested(err error) {
	if err != nil {
		b.log.Info("no more calls", "reason", err)
	}
}

// state is how far a record has come; what it waits for.
//
//	            ┌──────────────┐
//	            ▼              │
//	requested ──► reading ──► writing      each method has those it needs
//	                 └────┬────┘
//	                      ▼
//	                  finishing ──► gone: the garbage collector deletes it
type state uint8

const (
	requested state = iota // a call
	reading                // a message
	writing                // the end of a write
	finishing              // the end of the call
)

// String names the state.
func (s state) String() string {
	return [...]string{"requested", "reading", "writing", "finishing"}[s]
}

// featureCall is one call of GetFeature.
type featureCall struct {
	binding
	state     state
	ctx       async.Context
	point     pb.Point
	responder async.ResponseWriter[pb.Feature]
}

func (b binding) requestFeature() {
	c := &featureCall{binding: b}
	b.requested(b.service.RequestGetFeature(&c.ctx, &c.point, &c.responder, b.queue, b.queue, c))
}

// Proceed implements cq.Proceeder.
func (c *featureCall) Proceed(ok bool) {
	if c.state == finishing || !ok { // all is done, or there is no call: the server shuts down
		return
	}
	c.requestFeature() // somebody must wait for the next call while this one is served
	c.state = finishing
	c.check(&c.ctx, c.responder.Finish(c.feature(&c.point), cqrpc.Status{}, c))
}

// listCall is one call of ListFeatures.
type listCall struct {
	binding
	state  state
	ctx    async.Context
	area   pb.Rectangle
	writer async.Writer[pb.Feature]
	left   []*pb.Feature // to be written
}

func (b binding) requestList() {
	c := &listCall{binding: b}
	b.requested(b.service.RequestListFeatures(&c.ctx, &c.area, &c.writer, b.queue, b.queue, c))
}

// Proceed implements cq.Proceeder.
func (c *listCall) Proceed(ok bool) {
	switch c.state {
	case requested:
		if !ok {
			return
		}
		c.requestList()
		c.left = c.features.within(&c.area)
		c.next()
	case writing:
		if !ok {
			c.left = nil // the call is dead; a status is owed all the same
		}
		c.next()
	}
}

func (c *listCall) next() {
	if len(c.left) == 0 {
		c.state = finishing
		c.check(&c.ctx, c.writer.Finish(cqrpc.Status{}, c))
		return
	}
	f := c.left[0]
	c.state, c.left = writing, c.left[1:]
	c.check(&c.ctx, c.writer.Write(f, c))
}

// recordCall is one call of RecordRoute.
type recordCall struct {
	binding
	state   state
	ctx     async.Context
	reader  async.Reader[pb.Point, pb.RouteSummary]
	point   *pb.Point // being read
	journey *journey
}

func (b binding) requestRecord() {
	c := &recordCall{binding: b}
	b.requested(b.service.RequestRecordRoute(&c.ctx, &c.reader, b.queue, b.queue, c))
}

// Proceed implements cq.Proceeder.
func (c *recordCall) Proceed(ok bool) {
	switch c.state {
	case requested:
		if !ok {
			return
		}
		c.requestRecord()
		c.journey = c.newJourney()
		c.read()
	case reading:
		if ok {
			c.journey.visit(c.point)
			c.read()
			return
		}
		c.state = finishing // the client has half-closed, or the call is dead
		c.check(&c.ctx, c.reader.Finish(c.journey.summary(), cqrpc.Status{}, c))
	}
}

func (c *recordCall) read() {
	c.state, c.point = reading, new(pb.Point) // the journey keeps the last one
	c.check(&c.ctx, c.reader.Read(c.point, c))
}

// chatCall is one call of RouteChat.
type chatCall struct {
	binding
	state  state
	ctx    async.Context
	stream async.ReaderWriter[pb.RouteNote, pb.RouteNote]
	note   *pb.RouteNote   // being read
	left   []*pb.RouteNote // to be written before the next is read
}

func (b binding) requestChat() {
	c := &chatCall{binding: b}
	b.requested(b.service.RequestRouteChat(&c.ctx, &c.stream, b.queue, b.queue, c))
}

// Proceed implements cq.Proceeder.
func (c *chatCall) Proceed(ok bool) {
	switch c.state {
	case requested:
		if !ok {
			return
		}
		c.requestChat()
		c.next()
	case reading:
		if ok {
			c.left = c.leave(c.note)
			c.next()
			return
		}
		c.finish() // the client has half-closed, or the call is dead
	case writing:
		if !ok {
			c.finish()
			return
		}
		c.next()
	}
}

// next answers a note with the earlier ones, and reads another after them.
func (c *chatCall) next() {
	if len(c.left) == 0 {
		c.state, c.note = reading, new(pb.RouteNote) // the guide keeps it
		c.check(&c.ctx, c.stream.Read(c.note, c))
		return
	}
	n := c.left[0]
	c.state, c.left = writing, c.left[1:]
	c.check(&c.ctx, c.stream.Write(n, c))
}

func (c *chatCall) finish() {
	c.state = finishing
	c.check(&c.ctx, c.stream.Finish(cqrpc.Status{}, c))
}
