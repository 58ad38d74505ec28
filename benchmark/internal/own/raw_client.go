package own

import (
	"fmt"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	pb "github.com/cqrpc/cqrpc/benchmark/internal/message"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
	"github.com/cqrpc/cqrpc/call"
)

// rawClient starts batches.
type rawClient struct{ *polledClient }

// NewRawClient returns a client of batches and tags.
func NewRawClient(setup load.Setup) (load.Client, error) {
	return &rawClient{newPolledClient(setup)}, nil
}

func (c *rawClient) Dial() (load.Conn, error) {
	conn, err := c.dial()
	return &rawConn{conn}, err
}

type rawConn struct{ polledConn }

// rawUnary is a call that is made again and again.
type rawUnary struct {
	*rawConn
	turn   *load.Turn
	call   *call.Call
	req    *pb.SimpleRequest
	res    pb.SimpleResponse
	status cqrpc.Status
}

func (c *rawConn) Unary(t *load.Turn) load.Slot {
	return &rawUnary{rawConn: c, turn: t, req: service.Ask(c.client.setup.Up, c.client.setup.Down)}
}

func (u *rawUnary) Start() {
	u.call = u.channel.NewCall(u.queue, service.UnaryName, u.client.options()...)
	ops := [...]call.Op{
		call.SendInitialMetadata(nil), call.SendValue(u.req), call.SendClose(),
		call.RecvInitialMetadata(nil), call.RecvValue(&u.res, nil), call.RecvStatus(&u.status, nil),
	}
	must(u.call.StartBatch(ops[:], u))
}

// Proceed implements cq.Proceeder.
func (u *rawUnary) Proceed(bool) {
	err := u.status.Err()
	if err == nil {
		err = service.Check(&u.res, u.client.setup.Down)
	}
	if u.turn.Done(err) {
		u.Start()
	}
}

// rawStream is what slots with a stream have in common.
type rawStream struct {
	*rawConn
	turn *load.Turn
	call *call.Call
	req  *pb.SimpleRequest
	res  pb.SimpleResponse
}

func (s *rawStream) end() {
	if s.call != nil {
		s.call.Close()
	}
}

// outcome is that of an operation on a stream.
func (s *rawStream) outcome(ok bool) error {
	if !ok {
		return fmt.Errorf("stream ended: %w", s.call.Err())
	}
	return nil
}

// rawPingPong is a stream on which a message bounces.
type rawPingPong struct {
	rawStream
	keeper
}

func (c *rawConn) PingPong(t *load.Turn) load.Slot {
	p := &rawPingPong{rawStream: rawStream{rawConn: c, turn: t, req: service.Request(c.client.setup.Size)}}
	c.client.hold(p)
	return p
}

func (p *rawPingPong) Start() {
	if p.call == nil {
		p.call = p.channel.NewCall(p.queue, service.PingPongName)
		ops := [...]call.Op{call.SendInitialMetadata(nil), call.SendValue(p.req), call.RecvNext(&p.res)}
		must(p.call.StartBatch(ops[:], p))
		return
	}
	ops := [...]call.Op{call.SendValue(p.req), call.RecvNext(&p.res)}
	must(p.call.StartBatch(ops[:], p))
}

// Proceed implements cq.Proceeder.
func (p *rawPingPong) Proceed(ok bool) {
	err := p.outcome(ok)
	if err == nil {
		err = service.Check(&p.res, p.client.setup.Size)
		p.res.Payload = p.keep(p.res.Payload)
	}
	if p.turn.Done(err) {
		p.Start()
	}
}

// rawDown is a stream that is received, as bytes.
type rawDown struct {
	rawStream
	message *call.Buffer
}

func (c *rawConn) Down(t *load.Turn) load.Slot {
	d := &rawDown{rawStream: rawStream{rawConn: c, turn: t, req: service.RequestDown(c.client.setup.Size)}}
	c.client.hold(d)
	return d
}

func (d *rawDown) Start() {
	if d.call == nil {
		d.call = d.channel.NewCall(d.queue, service.DownName)
		ops := [...]call.Op{
			call.SendInitialMetadata(nil), call.SendValue(d.req), call.SendClose(), call.RecvMessage(&d.message),
		}
		must(d.call.StartBatch(ops[:], d))
		return
	}
	ops := [...]call.Op{call.RecvMessage(&d.message)}
	must(d.call.StartBatch(ops[:], d))
}

// Proceed implements cq.Proceeder.
func (d *rawDown) Proceed(ok bool) {
	err := d.outcome(ok && d.message != nil)
	if err == nil {
		err = service.CheckEncoded(d.message.Bytes(), d.client.setup.Size)
	}
	d.message.Free()
	d.message = nil
	if d.turn.Done(err) {
		d.Start()
	}
}

// rawUp is a stream that is sent: one message, marshalled once.
type rawUp struct {
	rawStream
	message *call.Buffer
}

func (c *rawConn) Up(t *load.Turn) load.Slot {
	u := &rawUp{rawStream: rawStream{rawConn: c, turn: t}, message: service.Encoded(service.Request(c.client.setup.Size))}
	c.client.hold(u)
	return u
}

func (u *rawUp) Start() {
	if u.call == nil {
		u.call = u.channel.NewCall(u.queue, service.UpName)
		ops := [...]call.Op{call.SendInitialMetadata(nil), call.SendMessage(u.message.Ref()).With(call.BufferHint)}
		must(u.call.StartBatch(ops[:], u))
		return
	}
	ops := [...]call.Op{call.SendMessage(u.message.Ref()).With(call.BufferHint)}
	must(u.call.StartBatch(ops[:], u))
}

// Proceed implements cq.Proceeder.
func (u *rawUp) Proceed(ok bool) {
	if u.turn.Done(u.outcome(ok)) {
		u.Start()
	}
}
