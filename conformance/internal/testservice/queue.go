package testservice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

// standing is how many requests for calls wait, per method and poller: so many
// calls may arrive between two turns of a poller before one has to wait.
const standing = 16

// AttachQueue puts the service on srv in the completion queue style, before
// Serve: calls are asked for with RequestRegisteredCall, each on a queue of
// AddQueue with one poller, and served by a goroutine of their own on a pluck
// queue of their own, one batch after the other.
//
// The function returned waits until the pollers and the calls have ended, which
// is when the server has shut the queues down.
func (s *Service) AttachQueue(srv *server.Server, pollers int) (wait func(), err error) {
	d := &desk{server: srv}
	for range max(pollers, 1) {
		q := cq.New()
		if err := srv.AddQueue(q); err != nil {
			return nil, err
		}
		d.queues = append(d.queues, q)
	}
	if err := s.open(d); err != nil {
		return nil, err
	}
	for _, q := range d.queues {
		d.work.Go(func() { d.poll(q) })
	}
	return d.work.Wait, nil
}

// open asks for the first calls of every method.
func (s *Service) open(d *desk) error {
	return errors.Join(
		d.open(EmptyCall.Name, server.PayloadOnly, one(s.EmptyCall)),
		d.open(UnaryCall.Name, server.PayloadOnly, one(s.UnaryCall)),
		d.open(StreamingOutputCall.Name, server.PayloadOnly, func(c *queueCall) error {
			req := new(OutputRequest)
			if err := c.first(req); err != nil {
				return err
			}
			return s.StreamingOutputCall(c, req, outputMessages{c})
		}),
		d.open(StreamingInputCall.Name, server.PayloadNone, func(c *queueCall) error {
			res, err := s.StreamingInputCall(c, messages[InputRequest, InputResponse]{c})
			return c.reply(res, err)
		}),
		d.open(FullDuplexCall.Name, server.PayloadNone, func(c *queueCall) error {
			return s.FullDuplexCall(c, outputMessages{c}, outputMessages{c})
		}),
		d.open(HalfDuplexCall.Name, server.PayloadNone, func(c *queueCall) error {
			return s.HalfDuplexCall(c, outputMessages{c}, outputMessages{c})
		}),
	)
}

// one serves a method with one request and one response.
func one[Req, Res any](f func(Call, *Req) (*Res, error)) func(*queueCall) error {
	return func(c *queueCall) error {
		req := new(Req)
		if err := c.first(req); err != nil {
			return err
		}
		res, err := f(c, req)
		return c.reply(res, err)
	}
}

// desk takes calls from the server.
type desk struct {
	server *server.Server
	queues []*cq.Queue
	work   sync.WaitGroup
}

// errand is a standing request for calls of one method; it is its own tag.
type errand struct {
	method *server.Method
	queue  *cq.Queue
	slot   server.IncomingCall
	serve  func(c *queueCall) error
}

func (d *desk) open(name string, payload server.PayloadHandling, serve func(c *queueCall) error) error {
	m, err := d.server.RegisterMethod(name, payload)
	if err != nil {
		return err
	}
	for _, q := range d.queues {
		for range standing {
			if err := d.ask(&errand{method: m, queue: q, serve: serve}); err != nil {
				return err
			}
		}
	}
	return nil
}

// ask requests a call. It is bound to the queue of its request for want of a
// better one: only the goroutine that serves it will start batches, on a queue
// of its own.
func (d *desk) ask(e *errand) error {
	e.slot = server.IncomingCall{}
	return d.server.RequestRegisteredCall(e.method, &e.slot, e.queue, e.queue, e)
}

// poll takes calls until the server has shut the queue down.
func (d *desk) poll(q *cq.Queue) {
	for ev := range q.Events(context.Background()) {
		if !ev.OK {
			continue // the server ends
		}
		e := ev.Tag.(*errand)
		c := newQueueCall(e.slot)
		d.work.Go(func() { c.run(e.serve) })
		_ = d.ask(e) // an error says that the server ends, which Shutdown will say, too
	}
}

// queueCall is one call, with a queue for the events of its batches. Its tags
// are the kinds of what they wait for.
type queueCall struct {
	call    *call.Call
	payload *call.Buffer
	queue   *cq.Queue
	ctx     context.Context //nolint:containedctx // a server call is what its context is about
	cancel  context.CancelFunc
	watch   sync.WaitGroup

	header, trailer cqrpc.Metadata
	begun           bool // initial metadata is out
	response        any  // the one, which goes out with the status
}

func newQueueCall(in server.IncomingCall) *queueCall {
	c := &queueCall{call: in.Call, payload: in.Payload, queue: cq.NewPluck()}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if !in.Deadline.IsZero() {
		c.ctx, c.cancel = context.WithDeadline(context.Background(), in.Deadline)
	}
	return c
}

// run serves the call to its end.
func (c *queueCall) run(serve func(c *queueCall) error) {
	c.must(c.call.StartBatchOn(c.queue, []call.Op{call.RecvClose(nil)}, call.RecvCloseOp))
	c.watch.Go(func() {
		c.queue.Pluck(context.Background(), call.RecvCloseOp)
		c.cancel()
	})
	c.finish(cqrpc.StatusOf(serve(c)))
	c.watch.Wait()
	c.call.Close()
	c.payload.Free()
	c.queue.Shutdown()
}

func (c *queueCall) must(err error) {
	if err != nil {
		panic(fmt.Sprintf("BUG: %s: %v", c.call.Method(), err))
	}
}

// batch starts ops and waits for their end, which is also the call's.
func (c *queueCall) batch(tag call.OpKind, ops ...call.Op) error {
	if err := c.call.StartBatchOn(c.queue, ops, tag); err != nil {
		return err
	}
	return c.queue.Pluck(context.Background(), tag).Err
}

// first decodes the message that came with the call.
func (c *queueCall) first(req any) error {
	if c.payload == nil {
		return cqrpc.Errorf(cqrpc.CodeUnimplemented, "no request message")
	}
	defer func() { c.payload.Free(); c.payload = nil }()
	if err := c.call.Codec().Unmarshal(c.payload.Bytes(), req); err != nil {
		return cqrpc.Errorf(cqrpc.CodeInternal, "cannot unmarshal the request: %w", err)
	}
	return nil
}

// reply keeps the one response for finish: with its status it is one batch.
func (c *queueCall) reply(res any, err error) error {
	if err == nil {
		c.response = res
	}
	return err
}

func (c *queueCall) send(res any) error {
	ops := []call.Op{call.SendValue(res)}
	if !c.begun {
		c.begun = true
		ops = append(ops, call.SendInitialMetadata(c.header))
	}
	return c.batch(call.SendMessageOp, ops...)
}

// finish ends the call. That it may have ended before tells RECV_CLOSE.
func (c *queueCall) finish(st cqrpc.Status) {
	ops := []call.Op{call.SendStatus(st, c.trailer)}
	if c.response != nil {
		ops = append(ops, call.SendValue(c.response))
	}
	if !c.begun && (c.response != nil || len(c.header) > 0) {
		ops = append(ops, call.SendInitialMetadata(c.header))
	}
	var misuse *call.BatchError
	if err := c.batch(call.SendStatusOp, ops...); errors.As(err, &misuse) {
		c.call.CancelWithStatus(cqrpc.CodeInternal, misuse.Error())
	}
}

func (c *queueCall) Context() context.Context { return c.ctx }
func (c *queueCall) Metadata() cqrpc.Metadata { return c.call.RequestMetadata() }

func (c *queueCall) SetHeader(md cqrpc.Metadata) error {
	c.header = append(c.header, md...)
	return md.Validate()
}

func (c *queueCall) SendHeader(md cqrpc.Metadata) error {
	c.header = append(c.header, md...)
	c.begun = true
	return c.batch(call.SendInitialMetadataOp, call.SendInitialMetadata(c.header))
}

func (c *queueCall) SetTrailer(md cqrpc.Metadata) error {
	c.trailer = append(c.trailer, md...)
	return md.Validate()
}

// messages is the typed side of a call.
type messages[Req, Res any] struct{ call *queueCall }

type outputMessages = messages[OutputRequest, OutputResponse]

func (m messages[Req, Res]) Recv() (*Req, error) {
	req, got := new(Req), false
	err := m.call.batch(call.RecvMessageOp, call.RecvValue(req, &got))
	switch {
	case err != nil:
		return nil, err
	case !got:
		return nil, io.EOF
	}
	return req, nil
}

func (m messages[Req, Res]) Send(res *Res) error { return m.call.send(res) }
