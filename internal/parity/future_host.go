package parity

import (
	"errors"
	"sync"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/server"
	serverfuture "github.com/cqrpc/cqrpc/server/future"
)

func mountFuture(srv *server.Server, routes []Route) (wait func() error, err error) {
	k := &futureDesk{environment: future.NewEnvironment(pollers)}
	for _, r := range routes {
		if err := srv.Register(r.onFuture(k)); err != nil {
			return nil, errors.Join(err, k.close())
		}
	}
	return k.close, nil
}

// futureDesk is where the calls of a server are served: its handlers may not
// block, and Service does.
type futureDesk struct {
	environment *future.Environment
	work        sync.WaitGroup
}

// close checks that no call is in flight when its server has ended.
func (k *futureDesk) close() error {
	k.work.Wait()
	return k.environment.Close()
}

func (r *route[Req, Res]) onFuture(k *futureDesk) server.Handler {
	switch {
	case r.unary != nil:
		return serverfuture.Unary(r.method,
			func(ctx *serverfuture.Context, req *Req, sink *serverfuture.ResponseSink[Res]) {
				k.work.Go(func() { futureReply(sink)(r.unary(futureCall(ctx), req)) })
			}, k.environment)
	case r.serverStream != nil:
		return serverfuture.ServerStream(r.method,
			func(ctx *serverfuture.Context, req *Req, sink *serverfuture.Sink[Res]) {
				k.work.Go(func() { futureEnd(sink, r.serverStream(futureCall(ctx), req, futureSender[Res]{sink})) })
			}, k.environment)
	case r.clientStream != nil:
		return serverfuture.ClientStream(r.method, func(
			ctx *serverfuture.Context, requests *serverfuture.Stream[Req], sink *serverfuture.ResponseSink[Res],
		) {
			k.work.Go(func() { futureReply(sink)(r.clientStream(futureCall(ctx), futureReceiver[Req]{requests})) })
		}, k.environment)
	}
	return serverfuture.BidiStream(r.method, func(
		ctx *serverfuture.Context, requests *serverfuture.Stream[Req], sink *serverfuture.Sink[Res],
	) {
		k.work.Go(func() {
			futureEnd(sink, r.bidiStream(futureCall(ctx), futureReceiver[Req]{requests}, futureSender[Res]{sink}))
		})
	}, k.environment)
}

func futureCall(ctx *serverfuture.Context) Call {
	return contextCall{&ctx.Context, func() error { return server.SendHeader(ctx, nil) }}
}

// futureReply ends a call with one response. That the call has ended before is
// not of interest any more.
func futureReply[Res any](sink *serverfuture.ResponseSink[Res]) func(res *Res, err error) {
	return func(res *Res, err error) {
		if err != nil {
			_, _ = await(sink.Fail(cqrpc.StatusOf(err)))
			return
		}
		_, _ = await(sink.Success(res))
	}
}

// futureEnd ends a call with many responses.
func futureEnd[Res any](sink *serverfuture.Sink[Res], err error) {
	if err != nil {
		_, _ = await(sink.Fail(cqrpc.StatusOf(err)))
		return
	}
	_, _ = await(sink.Close())
}

type futureReceiver[Req any] struct{ requests *serverfuture.Stream[Req] }

func (r futureReceiver[Req]) Recv() (*Req, error) { return await(r.requests.Next()) }

type futureSender[Res any] struct{ sink *serverfuture.Sink[Res] }

func (s futureSender[Res]) Send(res *Res) error {
	_, err := await(s.sink.Send(res))
	return err
}

// SendBuffer implements BufferSender.
func (s futureSender[Res]) SendBuffer(b *call.Buffer, flags ...call.Flags) error {
	_, err := await(s.sink.SendBuffer(b, flags...))
	return err
}
