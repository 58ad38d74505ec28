package own

import (
	"sync"

	"github.com/cqrpc/cqrpc"
	pb "github.com/cqrpc/cqrpc/benchmark/internal/message"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server/async"
)

// queueServer serves with the typed objects of the queue style, a record per
// call.
type queueServer struct {
	host
	unary    *async.UnaryMethod[pb.SimpleRequest, pb.SimpleResponse]
	pingPong *async.BidiStreamMethod[pb.SimpleRequest, pb.SimpleResponse]
	down     *async.ServerStreamMethod[pb.SimpleRequest, pb.SimpleResponse]
	up       *async.ClientStreamMethod[pb.SimpleRequest, pb.SimpleResponse]
}

// NewQueueServer returns a server of the queue style.
func NewQueueServer(set service.Setting) (service.Server, error) {
	s := &queueServer{host: newHost(set)}
	if err := s.register(); err != nil {
		return nil, err
	}
	st := newStation(serverQueues(set))
	s.drain = st.close
	for _, q := range st.queues {
		if err := s.AddQueue(q); err != nil {
			return nil, err
		}
		at := queuePlace{s, q}
		for range prepost {
			at.requestUnary()
			at.requestPingPong()
		}
		at.requestDown()
		at.requestUp()
	}
	return s, nil
}

func (s *queueServer) register() (err error) {
	if s.unary, err = async.RegisterUnary(s.Server, service.Unary); err != nil {
		return err
	}
	if s.pingPong, err = async.RegisterBidiStream(s.Server, service.PingPong); err != nil {
		return err
	}
	if s.down, err = async.RegisterServerStream(s.Server, service.Down); err != nil {
		return err
	}
	s.up, err = async.RegisterClientStream(s.Server, service.Up)
	return err
}

// queuePlace is where a record lives. A request that is refused means that the
// server is ending, so those errors are dropped.
type queuePlace struct {
	server *queueServer
	queue  *cq.Queue
}

type queueUnaryCall struct {
	queuePlace
	ctx       async.Context
	req       pb.SimpleRequest
	res       pb.SimpleResponse
	responder async.ResponseWriter[pb.SimpleResponse]
	answered  bool
}

func (at queuePlace) requestUnary() {
	u := unaryCalls.Get().(*queueUnaryCall)
	u.queuePlace = at
	_ = at.server.unary.Request(&u.ctx, &u.req, &u.responder, at.queue, at.queue, u)
}

// unaryCalls are records of calls that are done: nothing but the record's tags
// refers to it, and its last has come.
var unaryCalls = sync.Pool{New: func() any { return new(queueUnaryCall) }}

// Proceed implements cq.Proceeder.
func (u *queueUnaryCall) Proceed(ok bool) {
	switch {
	case u.answered:
		if u.server.isReusing {
			u.ctx, u.responder, u.answered = async.Context{}, async.ResponseWriter[pb.SimpleResponse]{}, false
			unaryCalls.Put(u) // the request's memory with it
		}
	case ok:
		u.requestUnary()
		u.answered = true
		service.Answer(&u.res, &u.req)
		must(u.responder.Finish(&u.res, cqrpc.Status{}, u)) // which has marshalled it
		u.res.Payload = nil                                 // the request's
	}
}

type queuePingPongCall struct {
	queuePlace
	ctx    async.Context
	stream async.ReaderWriter[pb.SimpleRequest, pb.SimpleResponse]
	req    pb.SimpleRequest
	step   step
	keeper
}

func (at queuePlace) requestPingPong() {
	p := &queuePingPongCall{queuePlace: at}
	_ = at.server.pingPong.Request(&p.ctx, &p.stream, at.queue, at.queue, p)
}

// Proceed implements cq.Proceeder.
func (p *queuePingPongCall) Proceed(ok bool) {
	switch {
	case p.step == finishing || p.step == requested && !ok:
	case !ok: // half-closed, or dead; a status is owed in any case
		p.step = finishing
		must(p.stream.Finish(cqrpc.Status{}, p))
	case p.step == reading:
		p.step = writing
		res := responses.Get().(*pb.SimpleResponse)
		service.Answer(res, &p.req)
		p.req.Payload = p.keep(p.req.Payload)
		must(p.stream.Write(res, p, call.BufferHint)) // which has marshalled it
		res.Payload = nil
		responses.Put(res)
	default:
		if p.step == requested {
			p.requestPingPong()
		}
		p.step = reading
		must(p.stream.Read(&p.req, p))
	}
}

type queueDownCall struct {
	queuePlace
	ctx    async.Context
	req    pb.SimpleRequest
	res    *pb.SimpleResponse
	stream async.Writer[pb.SimpleResponse]
	step   step
}

func (at queuePlace) requestDown() {
	d := &queueDownCall{queuePlace: at}
	_ = at.server.down.Request(&d.ctx, &d.req, &d.stream, at.queue, at.queue, d)
}

// Proceed implements cq.Proceeder.
func (d *queueDownCall) Proceed(ok bool) {
	switch {
	case d.step == finishing || d.step == requested && !ok:
	case !ok:
		d.step = finishing
		must(d.stream.Finish(cqrpc.Status{}, d))
	default:
		if d.step == requested {
			d.requestDown()
			d.step, d.res = writing, service.Flood(&d.req)
		}
		must(d.stream.Write(d.res, d, call.BufferHint))
	}
}

type queueUpCall struct {
	queuePlace
	ctx    async.Context
	stream async.Reader[pb.SimpleRequest, pb.SimpleResponse]
	req    pb.SimpleRequest
	step   step
}

func (at queuePlace) requestUp() {
	u := &queueUpCall{queuePlace: at}
	_ = at.server.up.Request(&u.ctx, &u.stream, at.queue, at.queue, u)
}

// Proceed implements cq.Proceeder.
func (u *queueUpCall) Proceed(ok bool) {
	switch {
	case u.step == finishing || u.step == requested && !ok:
	case !ok:
		u.step = finishing
		must(u.stream.Finish(new(pb.SimpleResponse), cqrpc.Status{}, u))
	default:
		if u.step == requested {
			u.requestUp()
			u.step = reading
		}
		must(u.stream.Read(&u.req, u))
	}
}
