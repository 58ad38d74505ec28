package own

import (
	"github.com/cqrpc/cqrpc"
	pb "github.com/cqrpc/cqrpc/benchmark/internal/message"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server/reactor"
)

// NewReactorServer returns a server of reactors.
func NewReactorServer(set service.Setting) (service.Server, error) {
	h, on := &host{Server: newServer(set)}, reactor.Inline()
	if !set.Inline {
		pool := cq.NewPool(1024)
		on, h.drain = reactor.WithExecutor(pool), pool.Close
	}
	unary := []reactor.Option{on}
	if set.Reuse {
		unary = append(unary, reactor.Reusing())
	}
	return h, h.Register(
		reactor.Unary(service.Unary, reactUnary, unary...),
		reactor.BidiStream(service.PingPong, reactPingPong, on),
		reactor.ServerStream(service.Down, reactDown, on),
		reactor.ClientStream(service.Up, reactUp, on),
	)
}

func reactUnary(ctx *reactor.Context, req *pb.SimpleRequest, res *pb.SimpleResponse) reactor.UnaryReactor {
	service.Answer(res, req)
	r := ctx.DefaultReactor()
	r.Finish(cqrpc.Status{})
	return r
}

type reactorPingPongCall struct {
	reactor.BidiBase[pb.SimpleRequest, pb.SimpleResponse]
	req pb.SimpleRequest
	keeper
}

func reactPingPong(*reactor.Context) reactor.BidiReactor[pb.SimpleRequest, pb.SimpleResponse] {
	p := new(reactorPingPongCall)
	p.StartRead(&p.req)
	return p
}

// OnReadDone implements reactor.BidiReactor.
func (p *reactorPingPongCall) OnReadDone(ok bool) {
	if !ok {
		p.Finish(cqrpc.Status{})
		return
	}
	res := responses.Get().(*pb.SimpleResponse)
	service.Answer(res, &p.req)
	p.req.Payload = p.keep(p.req.Payload)
	p.StartWrite(res, call.BufferHint) // which has marshalled it
	res.Payload = nil
	responses.Put(res)
}

// OnWriteDone implements reactor.BidiReactor.
func (p *reactorPingPongCall) OnWriteDone(ok bool) {
	if ok {
		p.StartRead(&p.req)
	}
}

type reactorDownCall struct {
	reactor.WriteBase[pb.SimpleResponse]
	res *pb.SimpleResponse
}

func reactDown(_ *reactor.Context, req *pb.SimpleRequest) reactor.WriteReactor[pb.SimpleResponse] {
	d := &reactorDownCall{res: service.Flood(req)}
	d.StartWrite(d.res, call.BufferHint)
	return d
}

// OnWriteDone implements reactor.WriteReactor.
func (d *reactorDownCall) OnWriteDone(ok bool) {
	if ok {
		d.StartWrite(d.res, call.BufferHint)
	}
}

type reactorUpCall struct {
	reactor.ReadBase[pb.SimpleRequest]
	req pb.SimpleRequest
}

func reactUp(*reactor.Context, *pb.SimpleResponse) reactor.ReadReactor[pb.SimpleRequest] {
	u := new(reactorUpCall)
	u.StartRead(&u.req)
	return u
}

// OnReadDone implements reactor.ReadReactor.
func (u *reactorUpCall) OnReadDone(ok bool) {
	if ok {
		u.StartRead(&u.req)
		return
	}
	u.Finish(cqrpc.Status{})
}
