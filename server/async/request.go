package async

import (
	"sync"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

// wish is one request for a call. It fills in context and responder when the tag is
// harvested.
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
