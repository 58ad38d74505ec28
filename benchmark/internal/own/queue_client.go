package own

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	pb "github.com/cqrpc/cqrpc/benchmark/internal/message"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client/async"
)

// queueClient uses the typed objects of the queue style.
type queueClient struct{ *polledClient }

// NewQueueClient returns a client of the queue style.
func NewQueueClient(setup load.Setup) (load.Client, error) {
	return &queueClient{newPolledClient(setup)}, nil
}

func (c *queueClient) Dial() (load.Conn, error) {
	conn, err := c.dial()
	return &queueConn{conn}, err
}

type queueConn struct{ polledConn }

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

// queuePingPong writes and reads at once.
type queuePingPong struct {
	queueStream
	stream *async.ReaderWriter[pb.SimpleRequest, pb.SimpleResponse]
	bounce
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
	p.begin()
	must(p.stream.Write(p.req, p, call.BufferHint))
	must(p.stream.Read(&p.res, p))
}

// Proceed implements cq.Proceeder.
func (p *queuePingPong) Proceed(ok bool) {
	if isOver, err := p.half(ok, &p.res, p.client.setup.Size); isOver && p.turn.Done(err) {
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
	if d.turn.Done(received(ok, &d.res, d.client.setup.Size)) {
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
	if u.turn.Done(sent(ok)) {
		u.Start()
	}
}

func (u *queueUp) end() {
	if u.stream != nil {
		u.stream.TryCancel()
		must(u.stream.Finish(&u.status, ignored{}))
	}
}
