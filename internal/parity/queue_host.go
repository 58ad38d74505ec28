package parity

import (
	"errors"
	"io"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server/async"
)

func (r *route[Req, Res]) onQueue(d *queueDesk) error {
	switch {
	case r.unary != nil:
		m, err := async.RegisterUnary(d.server, r.method)
		if err != nil {
			return err
		}
		return d.open((&queueUnary[Req, Res]{route: r, method: m}).ask)
	case r.serverStream != nil:
		m, err := async.RegisterServerStream(d.server, r.method)
		if err != nil {
			return err
		}
		return d.open((&queueServerStream[Req, Res]{route: r, method: m}).ask)
	case r.clientStream != nil:
		m, err := async.RegisterClientStream(d.server, r.method)
		if err != nil {
			return err
		}
		return d.open((&queueClientStream[Req, Res]{route: r, method: m}).ask)
	}
	m, err := async.RegisterBidiStream(d.server, r.method)
	if err != nil {
		return err
	}
	return d.open((&queueBidiStream[Req, Res]{route: r, method: m}).ask)
}

// queueUnary is a call with one request and one response, or the request for it.
type queueUnary[Req, Res any] struct {
	queueCall
	route  *route[Req, Res]
	method *async.UnaryMethod[Req, Res]
	queue  *cq.Queue
	req    Req
	writer async.ResponseWriter[Res]
}

// ask asks for a call like c, with a record of its own.
func (c *queueUnary[Req, Res]) ask(q *cq.Queue) error {
	n := &queueUnary[Req, Res]{route: c.route, method: c.method, queue: q}
	if err := n.notify(q); err != nil {
		return err
	}
	return n.method.Request(&n.ctx, &n.req, &n.writer, q, q, queueRequest(n))
}

func (c *queueUnary[Req, Res]) again() error { return c.ask(c.queue) }

func (c *queueUnary[Req, Res]) serve() {
	res, err := c.route.unary(c.call(c.writer.SendInitialMetadata), &c.req)
	c.end(func(t cq.Tag) error {
		if err != nil {
			return c.writer.FinishWithError(cqrpc.StatusOf(err), t)
		}
		return c.writer.Finish(res, cqrpc.Status{}, t)
	})
}

// queueServerStream is a call with one request and many responses.
type queueServerStream[Req, Res any] struct {
	queueCall
	route  *route[Req, Res]
	method *async.ServerStreamMethod[Req, Res]
	queue  *cq.Queue
	req    Req
	writer async.Writer[Res]
}

func (c *queueServerStream[Req, Res]) ask(q *cq.Queue) error {
	n := &queueServerStream[Req, Res]{route: c.route, method: c.method, queue: q}
	if err := n.notify(q); err != nil {
		return err
	}
	return n.method.Request(&n.ctx, &n.req, &n.writer, q, q, queueRequest(n))
}

func (c *queueServerStream[Req, Res]) again() error { return c.ask(c.queue) }

func (c *queueServerStream[Req, Res]) serve() {
	err := c.route.serverStream(c.call(c.writer.SendInitialMetadata), &c.req, queueSender[Res]{&c.writer})
	c.end(func(t cq.Tag) error { return c.writer.Finish(cqrpc.StatusOf(err), t) })
}

// queueClientStream is a call with many requests and one response.
type queueClientStream[Req, Res any] struct {
	queueCall
	route  *route[Req, Res]
	method *async.ClientStreamMethod[Req, Res]
	queue  *cq.Queue
	reader async.Reader[Req, Res]
}

func (c *queueClientStream[Req, Res]) ask(q *cq.Queue) error {
	n := &queueClientStream[Req, Res]{route: c.route, method: c.method, queue: q}
	if err := n.notify(q); err != nil {
		return err
	}
	return n.method.Request(&n.ctx, &n.reader, q, q, queueRequest(n))
}

func (c *queueClientStream[Req, Res]) again() error { return c.ask(c.queue) }

func (c *queueClientStream[Req, Res]) serve() {
	res, err := c.route.clientStream(c.call(c.reader.SendInitialMetadata), queueReceiver[Req]{&c.reader})
	c.end(func(t cq.Tag) error {
		if err != nil {
			return c.reader.FinishWithError(cqrpc.StatusOf(err), t)
		}
		return c.reader.Finish(res, cqrpc.Status{}, t)
	})
}

// queueBidiStream is a call with many requests and many responses.
type queueBidiStream[Req, Res any] struct {
	queueCall
	route  *route[Req, Res]
	method *async.BidiStreamMethod[Req, Res]
	queue  *cq.Queue
	both   async.ReaderWriter[Req, Res]
}

func (c *queueBidiStream[Req, Res]) ask(q *cq.Queue) error {
	n := &queueBidiStream[Req, Res]{route: c.route, method: c.method, queue: q}
	if err := n.notify(q); err != nil {
		return err
	}
	return n.method.Request(&n.ctx, &n.both, q, q, queueRequest(n))
}

func (c *queueBidiStream[Req, Res]) again() error { return c.ask(c.queue) }

func (c *queueBidiStream[Req, Res]) serve() {
	err := c.route.bidiStream(c.call(c.both.SendInitialMetadata), queueReceiver[Req]{&c.both}, queueSender[Res]{&c.both})
	c.end(func(t cq.Tag) error { return c.both.Finish(cqrpc.StatusOf(err), t) })
}

// queueReceiver reads one message after the other.
type queueReceiver[Req any] struct {
	object interface {
		Read(req *Req, tag cq.Tag) error
	}
}

func (r queueReceiver[Req]) Recv() (*Req, error) {
	req := new(Req)
	err := queueDo(func(t cq.Tag) error { return r.object.Read(req, t) })
	if errors.Is(err, call.ErrEnded) {
		return nil, io.EOF
	}
	return req, err
}

// queueSender writes one message after the other.
type queueSender[Res any] struct {
	object interface {
		Write(res *Res, tag cq.Tag, flags ...call.Flags) error
		WriteBuffer(b *call.Buffer, tag cq.Tag, flags ...call.Flags) error
	}
}

func (s queueSender[Res]) Send(res *Res) error {
	return queueDo(func(t cq.Tag) error { return s.object.Write(res, t) })
}

// SendBuffer implements BufferSender.
func (s queueSender[Res]) SendBuffer(b *call.Buffer, flags ...call.Flags) error {
	return queueDo(func(t cq.Tag) error { return s.object.WriteBuffer(b, t, flags...) })
}
