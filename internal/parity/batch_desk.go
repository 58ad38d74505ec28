package parity

import (
	"context"
	"sync"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

const (
	// standing is how many requests for calls wait, per method and poller: so many
	// calls may arrive between two turns of a poller before one has to wait.
	standing = 16
	// pollers is how many queues a server has, with one poller each.
	pollers = 2
)

// mountBatch puts the service on queues without a style: calls are asked for with
// RequestRegisteredCall, each on a queue with one poller, and served by a
// goroutine of their own on a pluck queue of their own, one batch after the
// other.
func mountBatch(srv *server.Server, routes []Route) (wait func() error, err error) {
	d := &desk{server: srv, queues: newQueues()}
	for _, r := range routes {
		if err := r.onBatch(d); err != nil {
			return nil, err
		}
	}
	return d.wait, d.start()
}

func newQueues() []*cq.Queue {
	queues := make([]*cq.Queue, pollers)
	for i := range queues {
		queues[i] = cq.New()
	}
	return queues
}

// desk takes calls from the server.
type desk struct {
	server *server.Server
	queues []*cq.Queue
	work   sync.WaitGroup

	errands []*errand // the first
}

// errand is a standing request for calls of one method; it is its own tag.
type errand struct {
	method *server.Method
	queue  *cq.Queue
	slot   server.IncomingCall
	serve  func(c *batchCall) error
}

func (d *desk) wait() error {
	d.work.Wait()
	return nil
}

// open registers a method. Its first calls are asked for by start.
func (d *desk) open(name string, payload server.PayloadHandling, serve func(c *batchCall) error) error {
	m, err := d.server.RegisterMethod(name, payload)
	if err != nil {
		return err
	}
	for _, q := range d.queues {
		for range standing {
			d.errands = append(d.errands, &errand{method: m, queue: q, serve: serve})
		}
	}
	return nil
}

// start gives the queues to the server, asks for the first calls and polls.
func (d *desk) start() error {
	for _, q := range d.queues {
		if err := d.server.AddQueue(q); err != nil {
			return err
		}
	}
	for _, e := range d.errands {
		if err := d.ask(e); err != nil {
			return err
		}
	}
	for _, q := range d.queues {
		d.work.Go(func() { d.poll(q) })
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
		c := newBatchCall(e.slot)
		d.work.Go(func() { c.run(e.serve) })
		_ = d.ask(e) // an error says that the server ends, which Shutdown will say, too
	}
}

func (r *route[Req, Res]) onBatch(d *desk) error {
	switch {
	case r.unary != nil:
		return d.open(r.method.Name, server.PayloadOnly, func(c *batchCall) error {
			req := new(Req)
			if err := c.first(req); err != nil {
				return err
			}
			res, err := r.unary(c, req)
			return c.reply(res, err)
		})
	case r.serverStream != nil:
		return d.open(r.method.Name, server.PayloadOnly, func(c *batchCall) error {
			req := new(Req)
			if err := c.first(req); err != nil {
				return err
			}
			return r.serverStream(c, req, batchMessages[Req, Res]{c})
		})
	case r.clientStream != nil:
		return d.open(r.method.Name, server.PayloadNone, func(c *batchCall) error {
			res, err := r.clientStream(c, batchMessages[Req, Res]{c})
			return c.reply(res, err)
		})
	}
	return d.open(r.method.Name, server.PayloadNone, func(c *batchCall) error {
		m := batchMessages[Req, Res]{c}
		return r.bidiStream(c, m, m)
	})
}
