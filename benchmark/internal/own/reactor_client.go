package own

import (
	"context"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	pb "github.com/cqrpc/cqrpc/benchmark/internal/message"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client/reactor"
	"github.com/cqrpc/cqrpc/cq"
)

// reactorClient has a stub per connection, and one executor.
type reactorClient struct {
	roots
	pool *cq.Pool // nil: inline
}

// NewReactorClient returns a client of reactors.
func NewReactorClient(setup load.Setup) (load.Client, error) {
	c := &reactorClient{roots: roots{setup: setup}}
	if !setup.Inline {
		c.pool = cq.NewPool(1024)
	}
	return c, nil
}

func (c *reactorClient) Dial() (load.Conn, error) {
	ch, err := c.channel()
	if err != nil {
		return nil, err
	}
	on := reactor.Inline()
	if c.pool != nil {
		on = reactor.WithExecutor(c.pool)
	}
	return &reactorConn{c, reactor.New(ch, on)}, nil
}

func (c *reactorClient) Close() error {
	c.end()
	if c.pool != nil {
		c.pool.Close()
	}
	return nil
}

type reactorConn struct {
	client *reactorClient
	stub   *reactor.Stub
}

type reactorUnary struct {
	*reactorConn
	turn *load.Turn
	req  *pb.SimpleRequest
	res  pb.SimpleResponse
	done func(cqrpc.Status)
}

func (c *reactorConn) Unary(t *load.Turn) load.Slot {
	u := &reactorUnary{reactorConn: c, turn: t, req: service.Ask(c.client.setup.Up, c.client.setup.Down)}
	u.done = u.onDone
	return u
}

func (u *reactorUnary) Start() {
	reactor.Unary(context.Background(), u.stub, service.Unary, u.req, &u.res, u.done, u.client.options()...)
}

func (u *reactorUnary) onDone(st cqrpc.Status) {
	err := st.Err()
	if err == nil {
		err = service.Check(&u.res, u.client.setup.Down)
	}
	if u.turn.Done(err) {
		u.Start()
	}
}

// reactorStream is what slots with a stream have in common.
type reactorStream struct {
	*reactorConn
	turn    *load.Turn
	req     *pb.SimpleRequest
	res     pb.SimpleResponse
	started bool
}

// reactorPingPong writes and reads at once. A hold keeps it alive while the slot
// rests.
type reactorPingPong struct {
	reactor.BidiBase[pb.SimpleRequest, pb.SimpleResponse]
	reactorStream
	bounce
}

func (c *reactorConn) PingPong(t *load.Turn) load.Slot {
	p := &reactorPingPong{reactorStream: reactorStream{reactorConn: c, turn: t, req: service.Request(c.client.setup.Size)}}
	c.client.hold(p)
	return p
}

func (p *reactorPingPong) Start() {
	p.begin()
	if p.started {
		p.StartWrite(p.req, call.BufferHint)
		p.StartRead(&p.res)
		return
	}
	p.started = true
	reactor.BidiStream(context.Background(), p.stub, service.PingPong, p)
	p.AddHold()
	p.StartWrite(p.req, call.BufferHint)
	p.StartRead(&p.res)
	p.StartCall()
}

// OnWriteDone implements reactor.BidiReactor.
func (p *reactorPingPong) OnWriteDone(ok bool) { p.onHalf(ok) }

// OnReadDone implements reactor.BidiReactor.
func (p *reactorPingPong) OnReadDone(ok bool) { p.onHalf(ok) }

func (p *reactorPingPong) onHalf(ok bool) {
	if isOver, err := p.half(ok, &p.res, p.client.setup.Size); isOver && p.turn.Done(err) {
		p.Start()
	}
}

func (p *reactorPingPong) end() {
	if p.started {
		p.TryCancel()
		p.RemoveHold()
	}
}

type reactorDown struct {
	reactor.ReadBase[pb.SimpleResponse]
	reactorStream
}

func (c *reactorConn) Down(t *load.Turn) load.Slot {
	d := &reactorDown{reactorStream: reactorStream{reactorConn: c, turn: t}}
	c.client.hold(d)
	return d
}

func (d *reactorDown) Start() {
	if d.started {
		d.StartRead(&d.res)
		return
	}
	d.started = true
	req := service.RequestDown(d.client.setup.Size)
	reactor.ServerStream(context.Background(), d.stub, service.Down, req, d)
	d.AddHold()
	d.StartRead(&d.res)
	d.StartCall()
}

// OnReadDone implements reactor.ReadReactor.
func (d *reactorDown) OnReadDone(ok bool) {
	if d.turn.Done(received(ok, &d.res, d.client.setup.Size)) {
		d.StartRead(&d.res)
	}
}

func (d *reactorDown) end() {
	if d.started {
		d.TryCancel()
		d.RemoveHold()
	}
}

type reactorUp struct {
	reactor.WriteBase[pb.SimpleRequest]
	reactorStream
}

func (c *reactorConn) Up(t *load.Turn) load.Slot {
	u := &reactorUp{reactorStream: reactorStream{reactorConn: c, turn: t, req: service.Request(c.client.setup.Size)}}
	c.client.hold(u)
	return u
}

func (u *reactorUp) Start() {
	if u.started {
		u.StartWrite(u.req, call.BufferHint)
		return
	}
	u.started = true
	reactor.ClientStream(context.Background(), u.stub, service.Up, &u.res, u)
	u.AddHold()
	u.StartWrite(u.req, call.BufferHint)
	u.StartCall()
}

// OnWriteDone implements reactor.WriteReactor.
func (u *reactorUp) OnWriteDone(ok bool) {
	if u.turn.Done(sent(ok)) {
		u.StartWrite(u.req, call.BufferHint)
	}
}

func (u *reactorUp) end() {
	if u.started {
		u.TryCancel()
		u.RemoveHold()
	}
}
