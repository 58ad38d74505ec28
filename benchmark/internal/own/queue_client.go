package own

import (
	"context"
	"errors"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	pb "github.com/cqrpc/cqrpc/benchmark/internal/message"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/async"
	"github.com/cqrpc/cqrpc/cq"
)

// errEnded is a stream that should have gone on.
var errEnded = errors.New("the stream has ended")

// queueClient uses the typed objects of the queue style.
type queueClient struct {
	roots
	station *station
}

// NewQueueClient returns a client of the queue style.
func NewQueueClient(setup load.Setup) (load.Client, error) {
	return &queueClient{roots: roots{setup: setup}, station: newStation(queues(setup))}, nil
}

func (c *queueClient) Dial() (load.Conn, error) {
	ch, err := c.channel()
	return &queueConn{c, ch, c.station.pick()}, err
}

func (c *queueClient) Close() error {
	c.end()
	c.station.close()
	return nil
}

type queueConn struct {
	client  *queueClient
	channel *client.Channel
	queue   *cq.Queue
}

type queueUnary struct {
	*queueConn
	turn   *load.Turn
	req    *pb.SimpleRequest
	res    pb.SimpleResponse
	status cqrpc.Status
}

func (c *queueConn) Unary(t *load.Turn) load.Slot {
	return &queueUnary{queueConn: c, turn: t, req: service.Ask(c.client.setup.Up, c.client.setup.Down)}
}

func (u *queueUnary) Start() {
	r := async.Unary(context.Background(), u.channel, service.Unary, u.req, u.queue, u.client.options()...)
	must(r.Finish(&u.res, &u.status, u))
}

// Proceed implements cq.Proceeder.
func (u *queueUnary) Proceed(bool) {
	err := u.status.Err()
	if err == nil {
		err = service.Check(&u.res, u.client.setup.Down)
	}
	if u.turn.Done(err) {
		u.Start()
	}
}

// queueStream is what slots with a stream have in common.
type queueStream struct {
	*queueConn
	turn   *load.Turn
	req    *pb.SimpleRequest
	res    pb.SimpleResponse
	status cqrpc.Status
}

// queuePingPong writes and reads at once: the operation has ended when both
// have.
type queuePingPong struct {
	queueStream
	stream  *async.ReaderWriter[pb.SimpleRequest, pb.SimpleResponse]
	waitFor int
	failed  bool
	keeper
}

func (c *queueConn) PingPong(t *load.Turn) load.Slot {
	p := &queuePingPong{queueStream: queueStream{queueConn: c, turn: t, req: service.Request(c.client.setup.Size)}}
	c.client.hold(p)
	return p
}

func (p *queuePingPong) Start() {
	if p.stream == nil {
		p.stream = async.PrepareBidiStream(context.Background(), p.channel, service.PingPong, p.queue)
		must(p.stream.StartCallCorked())
	}
	p.waitFor = 2
	must(p.stream.Write(p.req, p, call.BufferHint))
	must(p.stream.Read(&p.res, p))
}

// Proceed implements cq.Proceeder.
func (p *queuePingPong) Proceed(ok bool) {
	p.failed = p.failed || !ok
	if p.waitFor--; p.waitFor > 0 {
		return
	}
	err := service.Check(&p.res, p.client.setup.Size)
	p.res.Payload = p.keep(p.res.Payload)
	if p.failed {
		err = errEnded
	}
	if p.turn.Done(err) {
		p.Start()
	}
}

func (p *queuePingPong) end() {
	if p.stream != nil {
		p.stream.TryCancel()
		must(p.stream.Finish(&p.status, ignored{}))
	}
}

type queueDown struct {
	queueStream
	stream *async.Reader[pb.SimpleResponse]
	opened bool
}

func (c *queueConn) Down(t *load.Turn) load.Slot {
	d := &queueDown{queueStream: queueStream{queueConn: c, turn: t}}
	c.client.hold(d)
	return d
}

func (d *queueDown) Start() {
	if d.stream != nil {
		must(d.stream.Read(&d.res, d))
		return
	}
	req := service.RequestDown(d.client.setup.Size)
	d.stream = async.PrepareServerStream(context.Background(), d.channel, service.Down, req, d.queue)
	must(d.stream.StartCall(d))
}

// Proceed implements cq.Proceeder.
func (d *queueDown) Proceed(ok bool) {
	if ok && !d.opened {
		d.opened = true
		d.Start()
		return
	}
	err := service.Check(&d.res, d.client.setup.Size)
	if !ok {
		err = errEnded
	}
	if d.turn.Done(err) {
		d.Start()
	}
}

func (d *queueDown) end() {
	if d.stream != nil {
		d.stream.TryCancel()
		must(d.stream.Finish(&d.status, ignored{}))
	}
}

type queueUp struct {
	queueStream
	stream *async.Writer[pb.SimpleRequest]
}

func (c *queueConn) Up(t *load.Turn) load.Slot {
	u := &queueUp{queueStream: queueStream{queueConn: c, turn: t, req: service.Request(c.client.setup.Size)}}
	c.client.hold(u)
	return u
}

func (u *queueUp) Start() {
	if u.stream == nil {
		u.stream = async.PrepareClientStream(context.Background(), u.channel, service.Up, &u.res, u.queue)
		must(u.stream.StartCallCorked())
	}
	must(u.stream.Write(u.req, u, call.BufferHint))
}

// Proceed implements cq.Proceeder.
func (u *queueUp) Proceed(ok bool) {
	var err error
	if !ok {
		err = errEnded
	}
	if u.turn.Done(err) {
		u.Start()
	}
}

func (u *queueUp) end() {
	if u.stream != nil {
		u.stream.TryCancel()
		must(u.stream.Finish(&u.status, ignored{}))
	}
}
