package async

import (
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

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

// RegisterUnary adds m to s. The errors are those of server.RegisterMethod, as for the
// other shapes.
func RegisterUnary[Req, Res any](s *server.Server, m call.Method[Req, Res]) (*UnaryMethod[Req, Res], error) {
	got, err := register(s, m.Name, server.PayloadOnly)
	if err != nil {
		return nil, err
	}
	return &UnaryMethod[Req, Res]{got}, nil
}

// Request asks for one call. When one has come, with its whole request, tag comes out
// of notify, true, and ctx, *req and w belong to the call; if the server ends first tag
// is false, and they belong to none. The call's operations complete on bound, any
// queue; nil means notify. The error is server.ErrUnknownQueue if notify was not given
// to AddQueue, ErrInUse, or cq.ErrShutdown, and then no tag comes.
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
