package own

import (
	"context"

	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	pb "github.com/cqrpc/cqrpc/benchmark/internal/message"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
	"github.com/cqrpc/cqrpc/client"
)

// syncClient has a goroutine per operation under way.
type syncClient struct{ roots }

// NewSyncClient returns a client of the sync style.
func NewSyncClient(setup load.Setup) (load.Client, error) {
	setup.Reuse = false // each message is a new one
	return &syncClient{roots{setup: setup}}, nil
}

func (c *syncClient) Dial() (load.Conn, error) {
	ch, err := c.channel()
	return &syncConn{c, ch}, err
}

func (c *syncClient) Close() error {
	c.end()
	return nil
}

type syncConn struct {
	client  *syncClient
	channel *client.Channel
}

func (c *syncConn) Unary(t *load.Turn) load.Slot {
	req := service.Ask(c.client.setup.Up, c.client.setup.Down)
	return load.Blocking(t, func() error {
		ctx, cancel := c.client.setup.Context()
		defer cancel()
		res, err := client.Unary(ctx, c.channel, service.Unary, req)
		if err != nil {
			return err
		}
		return service.Check(res, c.client.setup.Down)
	})
}

type syncPingPong struct {
	*syncConn
	stream *client.BidiStreamCall[pb.SimpleRequest, pb.SimpleResponse]
	req    *pb.SimpleRequest
}

func (c *syncConn) PingPong(t *load.Turn) load.Slot {
	p := &syncPingPong{syncConn: c, req: service.Request(c.client.setup.Size)}
	c.client.hold(p)
	return load.Blocking(t, p.once)
}

func (p *syncPingPong) end() {
	if p.stream != nil {
		p.stream.Close()
	}
}

func (p *syncPingPong) once() (err error) {
	if p.stream == nil {
		if p.stream, err = client.BidiStream(context.Background(), p.channel, service.PingPong); err != nil {
			return err
		}
	}
	if err := p.stream.Send(p.req); err != nil {
		return err
	}
	res, err := p.stream.Recv()
	if err != nil {
		return err
	}
	return service.Check(res, p.client.setup.Size)
}

type syncDown struct {
	*syncConn
	stream *client.ServerStreamCall[pb.SimpleResponse]
}

func (c *syncConn) Down(t *load.Turn) load.Slot {
	d := &syncDown{syncConn: c}
	c.client.hold(d)
	return load.Blocking(t, d.once)
}

func (d *syncDown) end() {
	if d.stream != nil {
		d.stream.Close()
	}
}

func (d *syncDown) once() (err error) {
	if d.stream == nil {
		req := service.RequestDown(d.client.setup.Size)
		if d.stream, err = client.ServerStream(context.Background(), d.channel, service.Down, req); err != nil {
			return err
		}
	}
	res, err := d.stream.Recv()
	if err != nil {
		return err
	}
	return service.Check(res, d.client.setup.Size)
}

type syncUp struct {
	*syncConn
	stream *client.ClientStreamCall[pb.SimpleRequest, pb.SimpleResponse]
	req    *pb.SimpleRequest
}

func (c *syncConn) Up(t *load.Turn) load.Slot {
	u := &syncUp{syncConn: c, req: service.Request(c.client.setup.Size)}
	c.client.hold(u)
	return load.Blocking(t, u.once)
}

func (u *syncUp) end() {
	if u.stream != nil {
		u.stream.Close()
	}
}

func (u *syncUp) once() (err error) {
	if u.stream == nil {
		if u.stream, err = client.ClientStream(context.Background(), u.channel, service.Up); err != nil {
			return err
		}
	}
	return u.stream.Send(u.req)
}
