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
	"github.com/cqrpc/cqrpc/internal/half"
)

// rpc is what a call has in every shape.
//
//	rejected ◄── launch ──► in flight ──event with RECV_STATUS──► over
type rpc struct {
	// immutable once launched
	prepared client.Prepared
	home     *future.Station
	hasTold  bool // there are options that Tell may have to serve

	stay future.Stay

	mu sync.Mutex
	// guarded by mu
	isOver    bool
	isEvicted bool
	err       error
	heading   *future.Promise[cqrpc.Metadata] // made by the first Header
	header    cqrpc.Metadata                  // written when RECV_INITIAL_METADATA is harvested
	trailer   cqrpc.Metadata                  // written when RECV_STATUS is harvested
}

// prepare makes the call and lets it in.
func (r *rpc) prepare(
	ctx context.Context, s *Stub, method string, hasOneResponse bool, opts []client.CallOption, t future.Tenant,
) error {
	r.home, r.hasTold = s.home, len(opts) > 0
	r.prepared = s.channel.Prepare(ctx, s.home.Queue(), method, hasOneResponse, opts...)
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
	if err := r.prepared.Call.StartBatch(ops, tag); err != nil {
		r.prepared.Call.Close()
		r.home.Leave(&r.stay)
		if errors.Is(err, cq.ErrShutdown) {
			return errShutdown
		}
		return half.Misuse(err)
	}
	return nil
}

func (r *rpc) recvStatus() call.Op { return call.RecvStatus(nil, &r.trailer) }

// over takes note of the end of the call, and returns its error.
func (r *rpc) over() error {
	err := r.prepared.Call.Err()
	r.home.Leave(&r.stay)
	if r.hasTold {
		r.tell(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := errors.AsType[*cqrpc.Error](err); ok && r.isEvicted && e.Origin == cqrpc.OriginLocal {
		err = errShutdown
	}
	r.isOver, r.err = true, err
	return err
}

// tell serves the call's options. A header nobody has asked for is taken now:
// the call is over, so that completes at once.
func (r *rpc) tell(err error) {
	var header cqrpc.Metadata
	r.mu.Lock()
	isFree := r.heading == nil
	if isFree {
		r.heading = new(future.Promise[cqrpc.Metadata])
	}
	r.mu.Unlock()
	if isFree {
		ops := [1]call.Op{call.RecvInitialMetadata(&header)}
		if err := r.prepared.Call.StartBatchOn(cq.Discard, ops[:], nil); err != nil {
			panic("BUG: client/future: " + err.Error())
		}
		if e, ok := errors.AsType[*cqrpc.Error](err); ok && len(header) == 0 && e.Origin != cqrpc.OriginRemote {
			r.heading.Fail(err)
		} else {
			r.heading.Resolve(header)
		}
	} else {
		header, _, _ = r.heading.Future().Poll()
	}
	r.prepared.Tell(header, r.trailer)
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
		ops := [1]call.Op{call.RecvInitialMetadata(&r.header)}
		if err := r.prepared.Call.StartBatch(ops[:], (*heading)(r)); err != nil {
			p.Fail(half.Misuse(err))
		}
	}
	return p.Future()
}

// heading is the view of an rpc that RECV_INITIAL_METADATA completes.
type heading rpc

// Run implements cq.Callback.
func (v *heading) Run(ev cq.Event) { v.heading.Settle(v.header, ev.Err) }

// Trailer returns the trailing metadata once the call is over, nil before.
func (r *rpc) Trailer() cqrpc.Metadata {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.isOver {
		return nil
	}
	return r.trailer
}

// Peer returns the server's address, the zero Peer while there is no connection.
func (r *rpc) Peer() call.Peer { return r.prepared.Call.Peer() }

// Cancel ends the call with CANCELLED, if it has not ended.
func (r *rpc) Cancel() { r.prepared.Call.Cancel() }

// Evict implements future.Tenant.
func (r *rpc) Evict() {
	r.mu.Lock()
	r.isEvicted = true
	r.mu.Unlock()
	r.prepared.Call.CancelWithStatus(evicted.Code, evicted.Message)
}

// abandon cancels a call of which the application has dropped an end.
func (r *rpc) abandon(end string, isOpen bool) (future.Leak, bool) {
	k := r.prepared.Call
	if !isOpen || k.Finished() {
		return future.Leak{}, false
	}
	k.Close()
	return future.Leak{Method: k.Method(), Side: "client", End: end}, true
}
