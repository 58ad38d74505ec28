package reflection

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/cqrpc/cqrpc"
	pb "github.com/cqrpc/cqrpc/internal/gen/reflectionpb"
	"github.com/cqrpc/cqrpc/server/reactor"
)

// maxRequest bounds a request, in bytes: it is in its answer, too. Names are shorter.
const maxRequest = 8 << 10

// session is one stream: a request is read when the last has been answered, so that a
// client gets no more work done than it takes answers.
//
//	StartRead ──► OnReadDone: answer ──► StartWrite ──► OnWriteDone ──┐
//	    ▲                └─ the client has sent all ──► Finish        │
//	    └─────────────────────────────────────────────────────────────┘
type session struct {
	reactor.BidiBase[pb.ServerReflectionRequest, pb.ServerReflectionResponse]

	catalogue *catalogue
	req       pb.ServerReflectionRequest
	sent      map[string]bool // paths of files that the client has
}

// open serves a stream.
func (c *catalogue) open(
	*reactor.Context,
) reactor.BidiReactor[pb.ServerReflectionRequest, pb.ServerReflectionResponse] {
	x := &session{catalogue: c, sent: make(map[string]bool)}
	x.StartRead(&x.req)
	c.sessions.Add(x)
	return x
}

// OnDone implements reactor.Reactions.
func (x *session) OnDone() { x.catalogue.sessions.Remove(x) }

// OnReadDone implements reactor.BidiReactor.
func (x *session) OnReadDone(ok bool) {
	if !ok {
		x.Finish(cqrpc.Status{})
		return
	}
	if n := proto.Size(&x.req); n > maxRequest {
		x.Finish(cqrpc.Status{
			Code:    cqrpc.CodeInvalidArgument,
			Message: fmt.Sprintf("a request of %d bytes, more than %d", n, maxRequest),
		})
		return
	}
	x.StartWrite(x.answer())
}

// OnWriteDone implements reactor.BidiReactor.
func (x *session) OnWriteDone(ok bool) {
	if ok {
		x.req.Reset() // a stream may rest for long
		x.StartRead(&x.req)
	}
}
