package parity

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/async"
	"github.com/cqrpc/cqrpc/cq"
)

// queueCaller is the style of completion queues: one queue for all calls, one
// poller, and tags that are the channels of those who wait.
type queueCaller struct {
	channel *client.Channel
	queue   *cq.Queue
	poller  sync.WaitGroup
	left    unfinished
}

func dialQueue(d Dialing) (Caller, error) {
	ch, err := NewChannel(d)
	if err != nil {
		return nil, err
	}
	c := &queueCaller{channel: ch, queue: cq.New()}
	c.poller.Go(func() {
		for ev := range c.queue.Events(context.Background()) {
			ev.Tag.(tag) <- ev
		}
	})
	return c, nil
}

// tag is who waits for an event.
type tag chan cq.Event

// during starts an operation with a tag and waits for its event.
func during(start func(cq.Tag) error) (cq.Event, error) {
	done := make(tag, 1)
	if err := start(done); err != nil {
		return cq.Event{}, err
	}
	return <-done, nil
}

// Close finishes the calls that the test has not, as one has to, and then the
// queue.
func (c *queueCaller) Close() error {
	err := c.channel.Close()
	c.left.finish()
	c.queue.Shutdown()
	c.poller.Wait()
	return err
}

func (c *queueCaller) Unary(ctx context.Context, req []byte, o Options) ([]byte, error) {
	c.left.starting.Add(1)
	defer c.left.starting.Done()
	r := async.Unary(ctx, c.channel, o.named(unaryMethod), &Message{Value: req}, c.queue, asCallOptions(o)...)
	res, st := new(Message), cqrpc.Status{}
	_, err := during(func(t cq.Tag) error { return r.Finish(res, &st, t) })
	if err == nil {
		err = st.Err()
	}
	return res.GetValue(), err
}

func (c *queueCaller) ServerStream(ctx context.Context, req []byte, o Options) (Output, error) {
	c.left.starting.Add(1)
	defer c.left.starting.Done()
	s := &queueStream{caller: c}
	_, err := during(func(t cq.Tag) error {
		r, err := async.ServerStream(
			ctx, c.channel, o.named(serverStreamMethod), &Message{Value: req}, c.queue, t, asCallOptions(o)...)
		s.object, s.reader = r, r
		return err
	})
	return s, c.begun(s, err)
}

func (c *queueCaller) ClientStream(ctx context.Context, o Options) (Input, error) {
	c.left.starting.Add(1)
	defer c.left.starting.Done()
	s := &queueStream{caller: c}
	_, err := during(func(t cq.Tag) error {
		w, err := async.ClientStream(
			ctx, c.channel, o.named(clientStreamMethod), &s.response, c.queue, t, asCallOptions(o)...)
		s.object, s.writer = w, w
		return err
	})
	return s, c.begun(s, err)
}

func (c *queueCaller) BidiStream(ctx context.Context, o Options) (Duplex, error) {
	c.left.starting.Add(1)
	defer c.left.starting.Done()
	s := &queueStream{caller: c}
	_, err := during(func(t cq.Tag) error {
		rw, err := async.BidiStream(ctx, c.channel, o.named(bidiStreamMethod), c.queue, t, asCallOptions(o)...)
		s.object, s.reader, s.writer = rw, rw, rw
		return err
	})
	return s, c.begun(s, err)
}

// begun keeps a stream that has begun, dead or alive: what begun is finished.
func (c *queueCaller) begun(s *queueStream, err error) error {
	if err == nil {
		c.left.add(s)
	}
	return err
}

// queueStream is a streaming call, whatever its shape.
type queueStream struct {
	caller *queueCaller
	object interface {
		ReadInitialMetadata(tag cq.Tag) error
		Finish(st *cqrpc.Status, tag cq.Tag) error
		Header() cqrpc.Metadata
		Trailer() cqrpc.Metadata
	}
	reader interface { // nil: one response
		Read(res *Message, tag cq.Tag) error
	}
	writer interface { // nil: one request
		Write(req *Message, tag cq.Tag, flags ...call.Flags) error
		WriteBuffer(b *call.Buffer, tag cq.Tag, flags ...call.Flags) error
		WritesDone(tag cq.Tag) error
	}
	response Message // the one

	headed bool // of the goroutine that receives: there is nothing to wait for

	once   sync.Once
	status cqrpc.Status // valid when once is done
	misuse error
}

// finish asks for the status, once.
func (s *queueStream) finish() error {
	s.once.Do(func() {
		_, s.misuse = during(func(t cq.Tag) error { return s.object.Finish(&s.status, t) })
		s.caller.left.remove(s)
	})
	if s.misuse != nil {
		return s.misuse
	}
	return s.status.Err()
}

func (s *queueStream) Send(req []byte) error {
	return s.send(func(t cq.Tag) error { return s.writer.Write(&Message{Value: req}, t) })
}

// SendBuffer implements BufferSender.
func (s *queueStream) SendBuffer(b *call.Buffer, flags ...call.Flags) error {
	return s.send(func(t cq.Tag) error { return s.writer.WriteBuffer(b, t, flags...) })
}

func (s *queueStream) send(write func(cq.Tag) error) error {
	ev, err := during(write)
	if isOver(err) || err == nil && !ev.OK {
		return io.EOF
	}
	return err
}

func (s *queueStream) CloseSend() error {
	_, err := during(s.writer.WritesDone)
	if isOver(err) {
		return nil
	}
	return err
}

// isOver reports that an operation came too late: another goroutine has finished
// the call, or closed the caller.
func isOver(err error) bool {
	return errors.Is(err, async.ErrFinished) || errors.Is(err, cq.ErrShutdown)
}

func (s *queueStream) Recv() ([]byte, error) {
	res := new(Message)
	ev, err := during(func(t cq.Tag) error { return s.reader.Read(res, t) })
	if err == nil && ev.OK {
		s.headed = true
		return res.GetValue(), nil
	}
	if err != nil && !isOver(err) {
		return nil, err
	}
	s.headed = true
	if err := s.finish(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

// CloseAndRecv implements Input.
func (s *queueStream) CloseAndRecv() ([]byte, error) {
	if err := s.CloseSend(); err != nil {
		return nil, err
	}
	err := s.finish()
	return s.response.GetValue(), err
}

func (s *queueStream) Header() (cqrpc.Metadata, error) {
	if !s.headed {
		s.headed = true
		if _, err := during(s.object.ReadInitialMetadata); err != nil {
			return nil, err
		}
	}
	return s.object.Header(), nil
}

func (s *queueStream) Trailer() cqrpc.Metadata { return s.object.Trailer() }
