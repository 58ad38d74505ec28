package own

import (
	"errors"
	"io"

	pb "github.com/cqrpc/cqrpc/benchmark/internal/message"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
	cqfuture "github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/server/future"
)

// NewFutureServer returns a server of futures.
func NewFutureServer(set service.Setting) (service.Server, error) {
	env := cqfuture.NewEnvironment(serverQueues(set))
	set.Reuse = false // each message is a new one
	h := &host{Server: newServer(set), drain: func() { _ = env.Close() }}
	return h, h.Register(
		future.Unary(service.Unary, futureAnswer, env),
		future.BidiStream(service.PingPong, futureEcho, env),
		future.ServerStream(service.Down, futureFlood, env),
		future.ClientStream(service.Up, futureDrain, env),
	)
}

func futureAnswer(_ *future.Context, req *pb.SimpleRequest, sink *future.ResponseSink[pb.SimpleResponse]) {
	var res pb.SimpleResponse
	service.Answer(&res, req)
	sink.Success(&res)
}

// futurePingPongCall sends back what it receives.
type futurePingPongCall struct {
	requests *future.Stream[pb.SimpleRequest]
	sink     *future.Sink[pb.SimpleResponse]
	received func(*pb.SimpleRequest, error)
	sent     func(struct{}, error)
}

func futureEcho(
	_ *future.Context, requests *future.Stream[pb.SimpleRequest], sink *future.Sink[pb.SimpleResponse],
) {
	p := &futurePingPongCall{requests: requests, sink: sink}
	p.received, p.sent = p.onReceived, p.onSent
	requests.Next().OnComplete(p.received)
}

func (p *futurePingPongCall) onReceived(req *pb.SimpleRequest, err error) {
	switch {
	case errors.Is(err, io.EOF):
		p.sink.Close()
	case err == nil:
		var res pb.SimpleResponse
		service.Answer(&res, req)
		p.sink.Send(&res).OnComplete(p.sent)
	}
}

func (p *futurePingPongCall) onSent(_ struct{}, err error) {
	if err == nil {
		p.requests.Next().OnComplete(p.received)
	}
}

// futureFlood sends until the client has enough.
func futureFlood(_ *future.Context, req *pb.SimpleRequest, sink *future.Sink[pb.SimpleResponse]) {
	res := service.Flood(req)
	sink.SendFrom(func() (*pb.SimpleResponse, bool) { return res, true })
}

// futureDrain receives until the client has sent all.
func futureDrain(
	_ *future.Context, requests *future.Stream[pb.SimpleRequest], sink *future.ResponseSink[pb.SimpleResponse],
) {
	requests.ForEach(func(*pb.SimpleRequest) error { return nil }).OnComplete(func(_ struct{}, err error) {
		if err == nil {
			sink.Success(new(pb.SimpleResponse))
		}
	})
}
