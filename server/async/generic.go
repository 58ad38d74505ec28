package async

import (
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

// GenericService is the calls of all methods that are not registered, whatever
// their shape, with messages that are bytes (C++ AsyncGenericService).
type GenericService struct{ server *server.Server }

// NewGenericService returns the one of s.
func NewGenericService(s *server.Server) *GenericService { return &GenericService{s} }

// RequestCall is [UnaryMethod.Request]; the call is given out when it begins, and
// ctx.Method says which method it is of. Make the first request before Serve: until
// then calls of unknown methods are answered UNIMPLEMENTED.
func (g *GenericService) RequestCall(
	ctx *Context, rw *ReaderWriter[[]byte, []byte], bound, notify *cq.Queue, tag cq.Tag,
) error {
	return request(ctx, &rw.responder, nil, func(slot *server.IncomingCall) error {
		return g.server.RequestCall(slot, bound, notify, tag)
	})
}
