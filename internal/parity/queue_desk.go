package parity

import (
	"context"
	"errors"
	"sync"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/async"
)

// mountQueue puts the service on completion queues, each with one poller. Tags
// are standing requests, which go to a goroutine when a call has come, and the
// channels of those who wait.
func mountQueue(srv *server.Server, routes []Route) (wait func() error, err error) {
	d := &queueDesk{server: srv, queues: newQueues()}
	for _, r := range routes {
		if err := r.onQueue(d); err != nil {
			return nil, err
		}
	}
	return d.wait, d.start()
}

// queueDesk takes calls from the server.
type queueDesk struct {
	server *server.Server
	queues []*cq.Queue
	work   sync.WaitGroup

	methods []func(q *cq.Queue) error // ask for a call
}

func (d *queueDesk) wait() error {
	d.work.Wait()
	return nil
}

// poll hands out events until the server has shut the queue down.
func (d *queueDesk) poll(q *cq.Queue) {
	for ev := range q.Events(context.Background()) {
		switch t := ev.Tag.(type) {
		case tag:
			t <- ev
		case queueRequest:
			if ev.OK { // else the server ends
				_ = t.again() // an error says that the server ends
				d.work.Go(t.serve)
			}
		}
	}
}

// queueRequest is a standing request for a call; it is its own tag.
type queueRequest interface {
	serve()       // the call that has come
	again() error // asks for another
}

// open adds a method whose calls ask asks for.
func (d *queueDesk) open(ask func(q *cq.Queue) error) error {
	d.methods = append(d.methods, ask)
	return nil
}

// start gives the queues to the server, asks for the first calls and polls.
func (d *queueDesk) start() error {
	for _, q := range d.queues {
		if err := d.server.AddQueue(q); err != nil {
			return err
		}
		for _, ask := range d.methods {
			for range standing {
				if err := ask(q); err != nil {
					return err
				}
			}
		}
		d.work.Go(func() { d.poll(q) })
	}
	return nil
}

// queueCall is what the calls of all shapes have.
type queueCall struct {
	ctx  async.Context
	done tag // of AsyncNotifyWhenDone
}

// notify asks for the notice of the end, which a call that comes gets once.
func (c *queueCall) notify(q *cq.Queue) error {
	c.done = make(tag, 1)
	return c.ctx.AsyncNotifyWhenDone(q, c.done)
}

// call is c for a method.
func (c *queueCall) call(sendInitialMetadata func(cq.Tag) error) Call {
	return contextCall{&c.ctx.Context, func() error { return queueDo(sendInitialMetadata) }}
}

// end finishes the call and waits until nothing of it is outstanding, as
// everybody must before a call record is reused. A queue that was shut down has
// given out the notice: the server was closed and the call is dead.
func (c *queueCall) end(finish func(cq.Tag) error) {
	if _, err := during(finish); err != nil && !errors.Is(err, cq.ErrShutdown) {
		panic("BUG: parity: " + c.ctx.Method() + ": " + err.Error())
	}
	<-c.done
}

// queueDo waits for an operation that may fail.
func queueDo(start func(cq.Tag) error) error {
	ev, err := during(start)
	if err == nil && !ev.OK {
		err = ev.Err
		if err == nil {
			err = cqrpc.Errorf(cqrpc.CodeCanceled, "the call is dead")
		}
	}
	return err
}
