package main

import (
	"context"
	"fmt"

	pb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
)

// batchDriver is the client in the batch style: one goroutine, one queue.
type batchDriver struct {
	channel *client.Channel
	queue   *cq.Queue
	held    []*call.Call
}

func dialBatch(addr string) (driver, error) {
	ch, err := client.NewChannel(addr, client.WithInsecure())
	if err != nil {
		return nil, err
	}
	return &batchDriver{channel: ch, queue: cq.New()}, nil
}

func (d *batchDriver) close() {
	for _, c := range d.held {
		c.Close()
	}
	_ = d.channel.Close()
}

// step is a tag of the client: what to do when the operation has ended.
type step interface{ next(ok bool) error }

// run handles events until stop is closed.
func (d *batchDriver) run(stop <-chan struct{}) error {
	var events [64]cq.Event
	for isOpen(stop) {
		n, _ := d.queue.NextN(context.Background(), events[:])
		for i := range events[:n] {
			if err := events[i].Tag.(step).next(events[i].OK); err != nil {
				return err
			}
		}
	}
	return nil
}

// unaryStep is a unary call that is made again and again.
type unaryStep struct {
	driver *batchDriver
	done   *counter
	call   *call.Call
	req    *pb.SimpleRequest
	res    pb.SimpleResponse
	got    bool
	status cqrpc.Status
}

func (d *batchDriver) unary(n int, done *counter, stop <-chan struct{}) error {
	for range n {
		u := &unaryStep{driver: d, done: done, req: request(payloadSize)}
		if err := u.start(); err != nil {
			return err
		}
	}
	return d.run(stop)
}

func (u *unaryStep) start() error {
	u.call = u.driver.channel.NewCall(u.driver.queue, unaryMethod)
	ops := [...]call.Op{
		call.SendInitialMetadata(nil), call.SendValue(u.req), call.SendClose(),
		call.RecvInitialMetadata(nil), call.RecvValue(&u.res, &u.got), call.RecvStatus(&u.status, nil),
	}
	return u.call.StartBatch(ops[:], u)
}

func (u *unaryStep) next(bool) error {
	if u.status.Code != cqrpc.CodeOK || !u.got || len(u.res.GetPayload().GetBody()) != payloadSize {
		return fmt.Errorf("unary: %v, message %v", u.status, u.got)
	}
	u.done.add(1)
	return u.start()
}

// bounceStep is a stream on which a message bounces for ever, or once.
type bounceStep struct {
	call   *call.Call
	done   *counter
	req    *pb.SimpleRequest
	res    pb.SimpleResponse
	got    bool
	repeat bool
}

func (d *batchDriver) bounce(done *counter, repeat bool) (*bounceStep, error) {
	b := &bounceStep{call: d.channel.NewCall(d.queue, streamMethod), done: done, req: request(payloadSize), repeat: repeat}
	d.held = append(d.held, b.call)
	return b, b.call.StartBatch([]call.Op{
		call.SendInitialMetadata(nil), call.SendValue(b.req), call.RecvValue(&b.res, &b.got),
	}, b)
}

func (b *bounceStep) next(ok bool) error {
	if !ok || !b.got {
		return fmt.Errorf("stream ended: %w", b.call.Err())
	}
	b.done.add(1)
	if !b.repeat {
		return nil
	}
	ops := [...]call.Op{call.SendValue(b.req), call.RecvValue(&b.res, &b.got)}
	return b.call.StartBatch(ops[:], b)
}

func (d *batchDriver) pingPong(n int, done *counter, stop <-chan struct{}) error {
	for range n {
		if _, err := d.bounce(done, true); err != nil {
			return err
		}
	}
	return d.run(stop)
}

func (d *batchDriver) idle(n int) error {
	var done counter
	for range n {
		b, err := d.bounce(&done, false)
		if err != nil {
			return err
		}
		if err := b.next(d.queue.Next(context.Background()).OK); err != nil {
			return err
		}
	}
	return nil
}

// downStep receives without end.
type downStep struct {
	call *call.Call
	done *counter
	res  pb.SimpleResponse
	got  bool
}

func (d *batchDriver) down(size int, done *counter, stop <-chan struct{}) error {
	s := &downStep{call: d.channel.NewCall(d.queue, downMethod), done: done}
	defer s.call.Close()
	err := s.call.StartBatch([]call.Op{
		call.SendInitialMetadata(nil), call.SendValue(&pb.SimpleRequest{ResponseSize: int32(size)}), call.SendClose(),
		call.RecvValue(&s.res, &s.got),
	}, s)
	if err != nil {
		return err
	}
	return d.run(stop)
}

func (s *downStep) next(ok bool) error {
	if !ok || !s.got {
		return fmt.Errorf("stream ended: %w", s.call.Err())
	}
	s.done.add(1)
	ops := [...]call.Op{call.RecvValue(&s.res, &s.got)}
	return s.call.StartBatch(ops[:], s)
}
