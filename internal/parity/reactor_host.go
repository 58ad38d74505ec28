package parity

import (
	"io"
	"sync"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/reactor"
	"google.golang.org/protobuf/proto"
)

func mountReactor(srv *server.Server, routes []Route) (wait func() error, err error) {
	work := new(sync.WaitGroup)
	for _, r := range routes {
		if err := srv.Register(r.onReactor(work)); err != nil {
			return nil, err
		}
	}
	wait = func() error {
		work.Wait()
		return nil
	}
	return wait, nil
}

// The reactors of a server, by shape.
type (
	serverUnary struct {
		reactor.UnaryBase
		reacted
	}
	serverWriter[Res any] struct {
		reactor.WriteBase[Res]
		reacted
	}
	serverReader[Req any] struct {
		reactor.ReadBase[Req]
		reacted
	}
	serverBidi[Req, Res any] struct {
		reactor.BidiBase[Req, Res]
		reacted
	}
)

func (r *route[Req, Res]) onReactor(work *sync.WaitGroup) server.Handler {
	switch {
	case r.unary != nil:
		return reactor.Unary(r.method, func(ctx *reactor.Context, req *Req, res *Res) reactor.UnaryReactor {
			x := new(serverUnary)
			k := x.init(ctx, x)
			work.Go(func() {
				from, err := r.unary(k, req)
				x.reply(res, from, err)
			})
			return x
		})
	case r.serverStream != nil:
		return reactor.ServerStream(r.method, func(ctx *reactor.Context, req *Req) reactor.WriteReactor[Res] {
			x := new(serverWriter[Res])
			k := x.init(ctx, x)
			work.Go(func() { x.end(r.serverStream(k, req, reactorSender[Res]{&x.reacted, x})) })
			return x
		})
	case r.clientStream != nil:
		return reactor.ClientStream(r.method, func(ctx *reactor.Context, res *Res) reactor.ReadReactor[Req] {
			x := new(serverReader[Req])
			k := x.init(ctx, x)
			work.Go(func() {
				from, err := r.clientStream(k, reactorReceiver[Req]{&x.reacted, x})
				x.reply(res, from, err)
			})
			return x
		})
	}
	return reactor.BidiStream(r.method, func(ctx *reactor.Context) reactor.BidiReactor[Req, Res] {
		x := new(serverBidi[Req, Res])
		k := x.init(ctx, x)
		work.Go(func() {
			x.end(r.bidiStream(k, reactorReceiver[Req]{&x.reacted, x}, reactorSender[Res]{&x.reacted, x}))
		})
		return x
	})
}

// reacted is the reactions of one call, as channels. A reactor that the library
// has let go of reacts to nothing more.
type reacted struct {
	ctx    *reactor.Context
	object interface {
		StartSendInitialMetadata()
		Finish(st cqrpc.Status)
	}
	header, read, write chan bool
	done                chan struct{} // closed
}

func (r *reacted) init(ctx *reactor.Context, object interface {
	StartSendInitialMetadata()
	Finish(st cqrpc.Status)
}) Call {
	r.ctx, r.object, r.done = ctx, object, make(chan struct{})
	r.header, r.read, r.write = make(chan bool, 1), make(chan bool, 1), make(chan bool, 1)
	return contextCall{&ctx.Context, func() error { return r.start(object.StartSendInitialMetadata, r.header) }}
}

// OnSendInitialMetadataDone and the others implement the reactors of all shapes.
func (r *reacted) OnSendInitialMetadataDone(ok bool) { r.header <- ok }
func (r *reacted) OnReadDone(ok bool)                { r.read <- ok }
func (r *reacted) OnWriteDone(ok bool)               { r.write <- ok }

// OnDone is the last reaction.
func (r *reacted) OnDone() { close(r.done) }

// start starts an operation and waits for its reaction. The error says why the
// call has ended.
func (r *reacted) start(op func(), reaction <-chan bool) error {
	op()
	select {
	case ok := <-reaction:
		if ok {
			return nil
		}
	case <-r.done:
	}
	if err := r.ctx.Call().Err(); err != nil {
		return err
	}
	return call.ErrEnded
}

// end finishes the call and waits until the library has let go of it.
func (r *reacted) end(err error) {
	r.object.Finish(cqrpc.StatusOf(err))
	<-r.done
}

// reply is end for a call with one response, which has to be in res.
func (r *reacted) reply(res, from any, err error) {
	if err == nil {
		proto.Merge(res.(proto.Message), from.(proto.Message))
	}
	r.end(err)
}

type reactorReceiver[Req any] struct {
	*reacted
	object interface{ StartRead(req *Req) }
}

func (r reactorReceiver[Req]) Recv() (*Req, error) {
	req := new(Req)
	err := r.start(func() { r.object.StartRead(req) }, r.read)
	if err == call.ErrEnded { //nolint:errorlint // start's own
		return nil, io.EOF
	}
	return req, err
}

type reactorSender[Res any] struct {
	*reacted
	object interface {
		StartWrite(res *Res, flags ...call.Flags)
		StartWriteBuffer(b *call.Buffer, flags ...call.Flags)
	}
}

func (s reactorSender[Res]) Send(res *Res) error {
	return s.start(func() { s.object.StartWrite(res) }, s.write)
}

// SendBuffer implements BufferSender.
func (s reactorSender[Res]) SendBuffer(b *call.Buffer, flags ...call.Flags) error {
	return s.start(func() { s.object.StartWriteBuffer(b, flags...) }, s.write)
}
