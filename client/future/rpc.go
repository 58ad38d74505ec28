package future

import (
	"context"
	"errors"
	"sync"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/cq/future"
	"github.com/cqrpc/cqrpc/internal/station"
)

// rpc is what a call has in every shape.
//
//	rejected ◄── launch ──► in flight ──event with RECV_STATUS──► over
type rpc struct {
	// immutable once launched
	prepared client.Prepared
	home     *station.Station

	stay station.Stay

	mu sync.Mutex
	// guarded by mu
	isOver    bool
	isEvicted bool
	heading   *future.Promise[cqrpc.Metadata] // made by the first Header
}

// prepare makes the call and lets it in.
func (r *rpc) prepare(
	ctx context.Context, s *Stub, method string, hasOneResponse bool, opts []client.CallOption, t station.Tenant,
) error {
	r.home = s.home
	s.channel.Prepare(ctx, &r.prepared, s.home.Queue(), method, hasOneResponse, opts...)
	if !r.home.Enter(&r.stay, t) {
		r.prepared.Call.Close()
		return errShutdown
	}
	return nil
}

// evicted is the status of calls that end because their environment does.
var evicted = cqrpc.Status{Code: cqrpc.CodeCanceled, Message: "environment is closed"}

// errShutdown is the error of those and of the ones that are not begun.
var errShutdown error = &cqrpc.Error{Status: evicted, Cause: cq.ErrShutdown}

// launch starts the first batch, which contains RECV_STATUS. tag is run when
// that completes, and calls over.
func (r *rpc) launch(tag cq.Tag, ops []call.Op) error {
	isLaunched := false
	defer func() {
		if !isLaunched { // rejected, or the codec panicked
			r.prepared.Call.Close()
			r.home.Leave(&r.stay)
		}
	}()
	if err := r.prepared.Call.StartBatch(ops, tag); err != nil {
		err = rejection(err)
		st := cqrpc.StatusOf(err)
		r.prepared.Call.CancelWithStatus(st.Code, st.Message)
		return err
	}
	isLaunched = true
	return nil
}

// rejection is the error of a call for a batch that was not started.
func rejection(err error) error {
	if errors.Is(err, cq.ErrShutdown) {
		return errShutdown
	}
	return call.Misuse(err)
}

// over takes note of the end of the call, and returns its error.
func (r *rpc) over() error {
	err := r.prepared.Call.Err()
	r.home.Leave(&r.stay)
	if k := r.prepared.Call; r.prepared.Tells() {
		r.prepared.Tell(k.InitialMetadata(), k.TrailingMetadata())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := errors.AsType[*cqrpc.Error](err); ok && r.isEvicted && e.Origin == cqrpc.OriginLocal {
		err = errShutdown
	}
	r.isOver = true
	return err
}

// Header returns the future of the response's initial metadata, which is empty
// if the server answered with a status only. It fails with the call's error if
// there was no answer. Nothing is received for it unless it is called.
func (r *rpc) Header() *future.Future[cqrpc.Metadata] {
	r.mu.Lock()
	p := r.heading
	isFirst := p == nil
	if isFirst {
		p = new(future.Promise[cqrpc.Metadata])
		r.heading = p
	}
	r.mu.Unlock()
	if isFirst {
		ops := [1]call.Op{call.RecvInitialMetadata(nil)}
		if err := r.prepared.Call.StartBatch(ops[:], (*heading)(r)); err != nil {
			p.Fail(rejection(err))
		}
	}
	return p.Future()
}

// heading is the view of an rpc that RECV_INITIAL_METADATA completes.
type heading rpc

// Run implements cq.Callback.
func (v *heading) Run(ev cq.Event) { v.heading.Settle(v.prepared.Call.InitialMetadata(), ev.Err) }

// Trailer returns the trailing metadata once the call is over, nil before.
func (r *rpc) Trailer() cqrpc.Metadata {
	r.mu.Lock()
	isOver := r.isOver
	r.mu.Unlock()
	if !isOver {
		return nil
	}
	return r.prepared.Call.TrailingMetadata()
}

// Peer returns the server's address, the zero Peer while there is no connection.
func (r *rpc) Peer() call.Peer { return r.prepared.Call.Peer() }

// Cancel ends the call with CANCELLED, if it has not ended.
func (r *rpc) Cancel() { r.prepared.Call.Cancel() }

// Evict implements station.Tenant.
func (r *rpc) Evict() {
	r.mu.Lock()
	r.isEvicted = true
	r.mu.Unlock()
	r.prepared.Call.CancelWithStatus(evicted.Code, evicted.Message)
}

// abandon cancels a call of which the application has dropped an end.
func (r *rpc) abandon(end string, isOpen bool) (station.Leak, bool) {
	k := r.prepared.Call
	if !isOpen || k.Finished() {
		return station.Leak{}, false
	}
	k.Close()
	return station.Leak{Method: k.Method(), Side: "client", End: end}, true
}
