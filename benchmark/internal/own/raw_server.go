package own

import (
	"github.com/cqrpc/cqrpc"
	pb "github.com/cqrpc/cqrpc/benchmark/internal/message"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

// prepost is how many requests for unary calls a queue keeps posted, so that a
// burst finds them.
const prepost = 256

// rawServer serves from completion queues, with a record per call whose address
// is the tag of its batches.
type rawServer struct {
	host
	unary, pingPong, down, up *server.Method
}

// NewRawServer returns a server of batches and tags.
func NewRawServer(set service.Setting) (service.Server, error) {
	r := &rawServer{host: newHost(set)}
	var err error
	for _, m := range []struct {
		to      **server.Method
		name    string
		payload server.PayloadHandling
	}{
		{&r.unary, service.UnaryName, server.PayloadOnly},
		{&r.pingPong, service.PingPongName, server.PayloadNone},
		{&r.down, service.DownName, server.PayloadOnly},
		{&r.up, service.UpName, server.PayloadNone},
	} {
		if *m.to, err = r.RegisterMethod(m.name, m.payload); err != nil {
			return nil, err
		}
	}
	s := newStation(serverQueues(set))
	r.drain = s.close
	for _, q := range s.queues {
		if err := r.AddQueue(q); err != nil {
			return nil, err
		}
		for range prepost {
			(&rawUnaryCall{server: r, queue: q}).request()
			(&rawPingPongCall{rawCall{server: r, queue: q}}).request()
		}
		(&rawDownCall{rawCall: rawCall{server: r, queue: q}}).request()
		(&rawUpCall{rawCall: rawCall{server: r, queue: q}}).request()
	}
	return r, nil
}

// request asks for a call, unless the server is ending.
func (r *rawServer) request(m *server.Method, slot *server.IncomingCall, q *cq.Queue, tag cq.Tag) {
	_ = r.RequestRegisteredCall(m, slot, q, q, tag)
}

// rawUnaryCall is one unary call: requested, then answered. Its record is used
// for the next one.
type rawUnaryCall struct {
	server   *rawServer
	queue    *cq.Queue
	slot     server.IncomingCall
	req      pb.SimpleRequest
	res      pb.SimpleResponse
	answered bool
}

func (u *rawUnaryCall) request() {
	u.answered = false
	u.slot.Value = &u.req
	u.server.request(u.server.unary, &u.slot, u.queue, u)
}

// Proceed implements cq.Proceeder.
func (u *rawUnaryCall) Proceed(ok bool) {
	switch {
	case u.answered:
		u.slot.Call.Close()
		u.request()
	case ok:
		u.answered = true
		service.Answer(&u.res, &u.req)
		ops := [...]call.Op{
			call.SendInitialMetadata(nil), call.SendValue(&u.res), call.SendStatus(cqrpc.Status{}, nil),
		}
		must(u.slot.Call.StartBatch(ops[:], u)) // which has marshalled it
		u.res.Payload = nil                     // the request's
		if !u.server.isReusing {
			u.req.Payload = nil
		}
	}
}

// step is what a record waits for.
type step uint8

const (
	requested step = iota // a call
	reading               // a message
	writing               // the end of a write
	finishing             // the end of the call
)

// rawCall is what streaming calls have in common.
type rawCall struct {
	server *rawServer
	queue  *cq.Queue
	slot   server.IncomingCall
	req    pb.SimpleRequest
	step   step
	keeper // of ping-pong
}

// gone reports whether there is no call any more, or never was one, and lets go
// of it.
func (c *rawCall) gone(ok bool) bool {
	if ok && c.step != finishing {
		return false
	}
	if c.slot.Call != nil {
		c.slot.Call.Close()
	}
	return true
}

// rawPingPongCall sends back what it receives.
type rawPingPongCall struct{ rawCall }

func (p *rawPingPongCall) request() { p.server.request(p.server.pingPong, &p.slot, p.queue, p) }

// Proceed implements cq.Proceeder.
func (p *rawPingPongCall) Proceed(ok bool) {
	switch {
	case p.step == reading && !ok && p.slot.Call.Err() == nil: // half-closed
		p.step = finishing
		ops := [...]call.Op{call.SendStatus(cqrpc.Status{}, nil)}
		must(p.slot.Call.StartBatch(ops[:], p))
	case p.gone(ok):
	case p.step == requested:
		(&rawPingPongCall{rawCall{server: p.server, queue: p.queue}}).request()
		p.step = reading
		ops := [...]call.Op{call.SendInitialMetadata(nil), call.RecvNext(&p.req)}
		must(p.slot.Call.StartBatch(ops[:], p))
	default:
		res := responses.Get().(*pb.SimpleResponse)
		service.Answer(res, &p.req)
		p.req.Payload = p.keep(p.req.Payload)
		ops := [...]call.Op{call.SendValue(res).With(call.BufferHint), call.RecvNext(&p.req)}
		must(p.slot.Call.StartBatch(ops[:], p)) // which has marshalled it
		res.Payload = nil
		responses.Put(res)
	}
}

// rawDownCall sends until the client has enough: one message, marshalled once.
type rawDownCall struct {
	rawCall
	message *call.Buffer
}

func (d *rawDownCall) request() {
	d.slot.Value = &d.req
	d.server.request(d.server.down, &d.slot, d.queue, d)
}

// Proceed implements cq.Proceeder.
func (d *rawDownCall) Proceed(ok bool) {
	switch {
	case d.gone(ok):
		d.message.Free()
		d.message = nil
	case d.step == requested:
		(&rawDownCall{rawCall: rawCall{server: d.server, queue: d.queue}}).request()
		d.step, d.message = writing, service.Encoded(service.Flood(&d.req))
		ops := [...]call.Op{call.SendInitialMetadata(nil), call.SendMessage(d.message.Ref()).With(call.BufferHint)}
		must(d.slot.Call.StartBatch(ops[:], d))
	default:
		ops := [...]call.Op{call.SendMessage(d.message.Ref()).With(call.BufferHint)}
		must(d.slot.Call.StartBatch(ops[:], d))
	}
}

// rawUpCall receives until the client has sent all. It looks into no message.
type rawUpCall struct {
	rawCall
	message *call.Buffer
}

func (u *rawUpCall) request() { u.server.request(u.server.up, &u.slot, u.queue, u) }

// Proceed implements cq.Proceeder.
func (u *rawUpCall) Proceed(ok bool) {
	switch {
	case u.step == reading && ok && u.message == nil: // half-closed
		u.step = finishing
		ops := [...]call.Op{
			call.SendInitialMetadata(nil), call.SendValue(new(pb.SimpleResponse)), call.SendStatus(cqrpc.Status{}, nil),
		}
		must(u.slot.Call.StartBatch(ops[:], u))
	case u.gone(ok):
	default:
		if u.step == requested {
			(&rawUpCall{rawCall: rawCall{server: u.server, queue: u.queue}}).request()
			u.step = reading
		}
		u.message.Free()
		u.message = nil
		ops := [...]call.Op{call.RecvMessage(&u.message)}
		must(u.slot.Call.StartBatch(ops[:], u))
	}
}
