package grpccompat

import (
	"context"
	"errors"
	"sync"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
)

// outputs is where the options of a call want its results, and who is told of its end. All methods may be
// called of nil, which wants nothing.
type outputs struct {
	header, trailer []*metadata.MD
	peer            []*peer.Peer
	onFinish        []func(error)

	once   sync.Once   // OnFinish is told
	unwind func() bool // of follow; nil: nothing

	// written before fill
	gotHeader, gotTrailer cqrpc.Metadata
	gotPeer               call.Peer
}

// options adds those by which a call of client.Invoke reports.
func (w *outputs) options(opts []client.CallOption) []client.CallOption {
	if w == nil || len(w.header)+len(w.trailer)+len(w.peer) == 0 {
		return opts
	}
	return append(opts, client.HeaderTo(&w.gotHeader), client.TrailerTo(&w.gotTrailer), client.PeerTo(&w.gotPeer))
}

// fill tells that a call has ended with err, and returns when that is done. As in
// grpc-go a call that had no connection leaves all but OnFinish as it was.
func (w *outputs) fill(err error) {
	if w == nil {
		return
	}
	if p := toPeer(w.gotPeer); p != nil {
		for _, to := range w.header {
			*to = toMD(w.gotHeader)
		}
		for _, to := range w.trailer {
			*to = toMD(w.gotTrailer)
		}
		for _, to := range w.peer {
			*to = *p
		}
	}
	w.finish(err)
}

// finish tells OnFinish, and that nothing else has to.
func (w *outputs) finish(err error) {
	if w.unwind != nil {
		w.unwind()
	}
	w.tell(err)
}

// tell tells OnFinish. It acts once, and returns when that is done.
func (w *outputs) tell(err error) {
	w.once.Do(func() {
		for _, f := range w.onFinish {
			f(err)
		}
	})
}

// follow has OnFinish told of a stream that nobody reads to its end, as grpc-go does: if
// its context ends, or the channel is closed. Of other ends there is somebody who reads.
func (w *outputs) follow(ctx context.Context, c *call.Call) {
	if w == nil || len(w.onFinish) == 0 {
		return
	}
	w.unwind = context.AfterFunc(ctx, func() { w.tell(toGRPC(call.ContextError(ctx))) })
	c.OnEnd(&unread{w, c})
}

// unread is told that a call has ended.
type unread struct {
	outputs *outputs
	call    *call.Call
}

// Begin implements cq.Completer for OnEnd, which does not call it.
func (*unread) Begin() bool { return true }

// Complete implements cq.Completer. It may not wait, which a function of the
// application may.
func (u *unread) Complete(cq.Completion) {
	go func() {
		if err := u.call.Err(); errors.Is(err, client.ErrChannelClosed) {
			u.outputs.finish(toGRPC(err))
		}
	}()
}
