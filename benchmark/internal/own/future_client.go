package own

import (
	"context"

	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	pb "github.com/cqrpc/cqrpc/benchmark/internal/message"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client/future"
	cqfuture "github.com/cqrpc/cqrpc/cq/future"
)

// futureClient has an environment, and a stub per connection. Nothing awaits:
// what follows an operation is done where its future is resolved.
type futureClient struct {
	roots
	env *cqfuture.Environment
}

// NewFutureClient returns a client of futures.
func NewFutureClient(setup load.Setup) (load.Client, error) {
	setup.Reuse = false // each message is a new one
	return &futureClient{roots{setup: setup}, cqfuture.NewEnvironment(clientQueues(setup))}, nil
}

func (c *futureClient) Dial() (load.Conn, error) {
	ch, err := c.channel()
	if err != nil {
		return nil, err
	}
	return &futureConn{c, future.New(ch, c.env)}, nil
}

func (c *futureClient) Close() error {
	c.end()
	_ = c.env.Close() // what was cancelled just now may still be in flight
	return nil
}

type futureConn struct {
	client *futureClient
	stub   *future.Stub
}

// futureSlot is what all slots have in common.
type futureSlot struct {
	*futureConn
	turn  *load.Turn
	req   *pb.SimpleRequest
	again func(*pb.SimpleResponse, error)
}

func (c *futureConn) slot(t *load.Turn) futureSlot {
	return futureSlot{futureConn: c, turn: t, req: service.Request(c.client.setup.Size)}
}

// outcome is that of an operation whose response brings size bytes.
func outcome(res *pb.SimpleResponse, err error, size int) error {
	if err == nil {
		err = service.Check(res, size)
	}
	return err
}

type futureUnary struct{ futureSlot }

func (c *futureConn) Unary(t *load.Turn) load.Slot {
	setup := &c.client.setup
	u := &futureUnary{futureSlot{futureConn: c, turn: t, req: service.Ask(setup.Up, setup.Down)}}
	u.again = func(res *pb.SimpleResponse, err error) {
		if u.turn.Done(outcome(res, err, setup.Down)) {
			u.Start()
		}
	}
	return u
}

func (u *futureUnary) Start() {
	future.Unary(context.Background(), u.stub, service.Unary, u.req, u.client.options()...).OnComplete(u.again)
}

type futurePingPong struct {
	futureSlot
	sink   *future.Sink[pb.SimpleRequest]
	stream *future.Stream[pb.SimpleResponse]
}

func (c *futureConn) PingPong(t *load.Turn) load.Slot {
	p := &futurePingPong{futureSlot: c.slot(t)}
	p.again = func(res *pb.SimpleResponse, err error) {
		if p.turn.Done(outcome(res, err, c.client.setup.Size)) {
			p.Start()
		}
	}
	c.client.hold(p)
	return p
}

// Start has no use for the future of Send: a message that came back was sent.
func (p *futurePingPong) Start() {
	if p.sink == nil {
		p.sink, p.stream = future.BidiStream(context.Background(), p.stub, service.PingPong)
	}
	p.sink.Send(p.req, call.BufferHint)
	p.stream.Next().OnComplete(p.again)
}

func (p *futurePingPong) end() {
	if p.sink != nil {
		p.stream.Close()
	}
}

// futureDown is a ForEach, which goes on when the slot is started again.
type futureDown struct {
	futureSlot
	stream *future.Stream[pb.SimpleResponse]
	rest   *cqfuture.Promise[struct{}] // of the next rest
}

func (c *futureConn) Down(t *load.Turn) load.Slot {
	d := &futureDown{futureSlot: c.slot(t)}
	c.client.hold(d)
	return d
}

func (d *futureDown) Start() {
	rest := d.rest
	d.rest = new(cqfuture.Promise[struct{}])
	if rest != nil {
		rest.Resolve(struct{}{})
		return
	}
	req := service.RequestDown(d.client.setup.Size)
	d.stream = future.ServerStream(context.Background(), d.stub, service.Down, req)
	d.stream.ForEachThen(d.onMessage).OnComplete(d.onEnd)
}

// goOn is the future of a step that takes no time.
var goOn = cqfuture.Ready(struct{}{})

func (d *futureDown) onMessage(res *pb.SimpleResponse) *cqfuture.Future[struct{}] {
	rest := d.rest.Future() // Start can be called while Done is
	if d.turn.Done(service.Check(res, d.client.setup.Size)) {
		return goOn
	}
	return rest
}

func (d *futureDown) onEnd(_ struct{}, err error) {
	if err != nil {
		d.turn.Done(err)
	}
}

func (d *futureDown) end() {
	if d.stream != nil {
		d.stream.Close()
	}
}

type futureUp struct {
	futureSlot
	sink *future.Sink[pb.SimpleRequest]
	sent func(struct{}, error)
}

func (c *futureConn) Up(t *load.Turn) load.Slot {
	u := &futureUp{futureSlot: c.slot(t)}
	u.sent = func(_ struct{}, err error) {
		if u.turn.Done(err) {
			u.Start()
		}
	}
	c.client.hold(u)
	return u
}

func (u *futureUp) Start() {
	if u.sink == nil {
		u.sink, _ = future.ClientStream(context.Background(), u.stub, service.Up)
	}
	u.sink.Send(u.req, call.BufferHint).OnComplete(u.sent)
}

func (u *futureUp) end() {
	if u.sink != nil {
		u.sink.Cancel()
	}
}
