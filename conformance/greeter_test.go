package conformance

import (
	"context"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/cq/future"
	pb "github.com/cqrpc/cqrpc/examples/helloworld/greeterpb"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/async"
	serverfuture "github.com/cqrpc/cqrpc/server/future"
	"github.com/cqrpc/cqrpc/server/reactor"
)

// greeters put the Greeter on a server, in each style, until the test ends. The server
// must be closed before that, so its Cleanup comes later.
var greeters = map[string]func(t *testing.T, s *server.Server){
	"sync": func(t *testing.T, s *server.Server) {
		parity.Want(t, "Register", pb.RegisterGreeterSyncServer(s, syncGreeter{}))
	},
	"queue": func(t *testing.T, s *server.Server) {
		service, err := pb.RegisterGreeterAsyncService(s)
		parity.Want(t, "Register", err)
		q := cq.New()
		parity.Want(t, "AddQueue", s.AddQueue(q))
		parity.Want(t, "Request", request(service, q))
		t.Cleanup(cq.Poll([]*cq.Queue{q}, 1, cq.Proceed))
	},
	"reactor": func(t *testing.T, s *server.Server) {
		parity.Want(t, "Register", pb.RegisterGreeterReactorServer(s, reactorGreeter{}))
	},
	"future": func(t *testing.T, s *server.Server) {
		env := future.NewEnvironment(1)
		t.Cleanup(func() { parity.Want(t, "Close", env.Close()) })
		parity.Want(t, "Register", pb.RegisterGreeterFutureServer(s, futureGreeter{}, env))
	},
}

func greet(req *pb.HelloRequest) *pb.HelloReply {
	return &pb.HelloReply{Message: "Hello " + req.GetName()}
}

type syncGreeter struct{}

func (syncGreeter) SayHello(_ context.Context, req *pb.HelloRequest) (*pb.HelloReply, error) {
	return greet(req), nil
}

type reactorGreeter struct{}

func (reactorGreeter) SayHello(ctx *reactor.Context, req *pb.HelloRequest, res *pb.HelloReply) reactor.UnaryReactor {
	res.Message = greet(req).GetMessage()
	r := ctx.DefaultReactor()
	r.Finish(cqrpc.Status{})
	return r
}

type futureGreeter struct{}

func (futureGreeter) SayHello(
	_ *serverfuture.Context, req *pb.HelloRequest, sink *serverfuture.ResponseSink[pb.HelloReply],
) {
	sink.Success(greet(req))
}

// queueGreeting is one call of the queue style, and the tag of what it starts.
type queueGreeting struct {
	service    *pb.GreeterAsyncService
	queue      *cq.Queue
	ctx        async.Context
	req        pb.HelloRequest
	responder  async.ResponseWriter[pb.HelloReply]
	isAnswered bool
}

func request(service *pb.GreeterAsyncService, q *cq.Queue) error {
	g := &queueGreeting{service: service, queue: q}
	return service.RequestSayHello(&g.ctx, &g.req, &g.responder, q, q, g)
}

// Proceed is called when a call has come, when its answer has gone, and, not ok, when
// none will come any more.
func (g *queueGreeting) Proceed(ok bool) {
	if !ok || g.isAnswered {
		return
	}
	g.isAnswered = true
	_ = request(g.service, g.queue) // the server may have ended
	_ = g.responder.Finish(greet(&g.req), cqrpc.Status{}, g)
}
