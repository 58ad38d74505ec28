package async

import (
	"sync"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

// wish is one request for a call on its way. It fills in context and responder
// where the tag is harvested.
type wish struct {
	slot      server.IncomingCall
	ctx       *Context
	responder *responder
}

var wishes = sync.Pool{New: func() any { return new(wish) }}

// request claims ctx and r for one call and asks for it with ask; req is where
// the one request goes, nil in a stream.
func request(ctx *Context, r *responder, req any, ask func(*server.IncomingCall) error) error {
	if err := ctx.claim(); err != nil {
		return err
	}
	if err := r.claim(); err != nil {
		ctx.fail()
		return err
	}
	w := wishes.Get().(*wish)
	w.ctx, w.responder = ctx, r
	w.slot.Value, w.slot.Then = req, w
	if err := ask(&w.slot); err != nil {
		w.recycle()
		r.unclaim()
		ctx.fail()
		return err
	}
	return nil
}

// Finalize implements cq.Finalizer: the request was answered, with a call or
// without. The responder is bound first: with the context come its notices.
func (w *wish) Finalize(*cq.Event) bool {
	ctx, r, k := w.ctx, w.responder, w.slot.Call
	w.recycle()
	if k == nil {
		r.unclaim()
		ctx.fail()
		return true
	}
	r.bind(ctx, k)
	ctx.bind(k)
	return true
}

func (w *wish) recycle() {
	*w = wish{}
	wishes.Put(w)
}

// method is a method of the queue style, of any shape.
type method struct {
	server *server.Server
	method *server.Method
}

func register(s *server.Server, name string, payload server.PayloadHandling) (method, error) {
	m, err := s.RegisterMethod(name, payload)
	return method{s, m}, err
}

func (m *method) request(
	ctx *Context, r *responder, req any, isNil bool, bound, notify *cq.Queue, tag cq.Tag,
) error {
	return request(ctx, r, req, func(slot *server.IncomingCall) error {
		if isNil {
			return errNoTarget
		}
		return m.server.RequestRegisteredCall(m.method, slot, bound, notify, tag)
	})
}

// UnaryMethod is a method with one request and one response.
type UnaryMethod[Req, Res any] struct{ method }

// RegisterUnary adds m to s. The errors are those of server.RegisterMethod; so
// it is with the other shapes.
func RegisterUnary[Req, Res any](s *server.Server, m call.Method[Req, Res]) (*UnaryMethod[Req, Res], error) {
	got, err := register(s, m.Name, server.PayloadOnly)
	if err != nil {
		return nil, err
	}
	return &UnaryMethod[Req, Res]{got}, nil
}

// Request asks for one call. When it has come, whole, tag comes out of notify,
// true, and ctx, *req and w belong to the call; false if the server ended
// before, and then they belong to none. The call's operations complete on bound,
// any queue; nil means notify. The error is server.ErrUnknownQueue if notify
// was not given to AddQueue, ErrInUse, or cq.ErrShutdown, and then no tag comes.
func (m *UnaryMethod[Req, Res]) Request(
	ctx *Context, req *Req, w *ResponseWriter[Res], bound, notify *cq.Queue, tag cq.Tag,
) error {
	return m.request(ctx, &w.responder, req, req == nil, bound, notify, tag)
}

// ServerStreamMethod is a method with one request and many responses.
type ServerStreamMethod[Req, Res any] struct{ method }

// RegisterServerStream adds m to s.
func RegisterServerStream[Req, Res any](
	s *server.Server, m call.Method[Req, Res],
) (*ServerStreamMethod[Req, Res], error) {
	got, err := register(s, m.Name, server.PayloadOnly)
	if err != nil {
		return nil, err
	}
	return &ServerStreamMethod[Req, Res]{got}, nil
}

// Request is [UnaryMethod.Request].
func (m *ServerStreamMethod[Req, Res]) Request(
	ctx *Context, req *Req, w *Writer[Res], bound, notify *cq.Queue, tag cq.Tag,
) error {
	return m.request(ctx, &w.responder, req, req == nil, bound, notify, tag)
}

// ClientStreamMethod is a method with many requests and one response.
type ClientStreamMethod[Req, Res any] struct{ method }

// RegisterClientStream adds m to s.
func RegisterClientStream[Req, Res any](
	s *server.Server, m call.Method[Req, Res],
) (*ClientStreamMethod[Req, Res], error) {
	got, err := register(s, m.Name, server.PayloadNone)
	if err != nil {
		return nil, err
	}
	return &ClientStreamMethod[Req, Res]{got}, nil
}

// Request is [UnaryMethod.Request]; the call is given out when it begins.
func (m *ClientStreamMethod[Req, Res]) Request(
	ctx *Context, r *Reader[Req, Res], bound, notify *cq.Queue, tag cq.Tag,
) error {
	return m.request(ctx, &r.responder, nil, false, bound, notify, tag)
}

// BidiStreamMethod is a method with many requests and many responses.
type BidiStreamMethod[Req, Res any] struct{ method }

// RegisterBidiStream adds m to s.
func RegisterBidiStream[Req, Res any](s *server.Server, m call.Method[Req, Res]) (*BidiStreamMethod[Req, Res], error) {
	got, err := register(s, m.Name, server.PayloadNone)
	if err != nil {
		return nil, err
	}
	return &BidiStreamMethod[Req, Res]{got}, nil
}

// Request is [UnaryMethod.Request]; the call is given out when it begins.
func (m *BidiStreamMethod[Req, Res]) Request(
	ctx *Context, rw *ReaderWriter[Req, Res], bound, notify *cq.Queue, tag cq.Tag,
) error {
	return m.request(ctx, &rw.responder, nil, false, bound, notify, tag)
}

// GenericService is the calls of all methods that are not registered, whatever
// their shape, with messages that are bytes (C++ AsyncGenericService).
type GenericService struct{ server *server.Server }

// NewGenericService returns the one of s.
func NewGenericService(s *server.Server) *GenericService { return &GenericService{s} }

// RequestCall is [UnaryMethod.Request]; the call is given out when it begins, and
// ctx.Method says which it is. The first comes before Serve: until then
// unknown methods are answered UNIMPLEMENTED.
func (g *GenericService) RequestCall(
	ctx *Context, rw *ReaderWriter[[]byte, []byte], bound, notify *cq.Queue, tag cq.Tag,
) error {
	return request(ctx, &rw.responder, nil, func(slot *server.IncomingCall) error {
		return g.server.RequestCall(slot, bound, notify, tag)
	})
}
