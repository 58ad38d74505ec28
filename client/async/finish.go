package async

import (
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
)

// finish asks for the status, and for the one response where the method has one. It
// half-closes, because a server may wait for that, and drops messages that nobody
// reads, because an OK would wait for them.
func (r *rpc) finish(res any, st *cqrpc.Status, tag cq.Tag) error {
	s, err := r.take(toOpen | toClose | toConclude)
	if err != nil {
		return err
	}
	var buf [maxOps]call.Op
	ops := r.opening(buf[:0], s)
	if res != nil {
		ops = append(ops, call.RecvValue(res, nil))
	}
	if s.opens && r.request != nil { // unary: all in one
		ops = append(ops, call.RecvInitialMetadata(nil))
	}
	ops = append(ops, call.RecvStatus(st, nil))
	if !r.prepared.Tells() {
		err = r.start(s, ops, tag)
	} else if err = r.prepared.Call.StartBatchOn(&told{rpc: r}, ops, tag); err != nil {
		r.takeBack(s)
	}
	if err != nil || res != nil || !r.prepared.Call.StopReceiving() {
		return err
	}
	r.mu.Lock()
	r.isDeaf = true
	r.mu.Unlock()
	return nil
}

// target is where the one response goes; nil drops it.
func target[Res any](res *Res) any {
	if res == nil {
		return nil
	}
	return res
}

// told completes Finish of a call with HeaderTo, TrailerTo or PeerTo among its
// options: they are filled where the event is harvested, like all results.
type told struct {
	rpc   *rpc
	batch cq.Finalizer // of Finish
}

// Begin implements cq.Completer.
func (t *told) Begin() bool { return t.rpc.queue.Begin() }

// Complete implements cq.Completer.
func (t *told) Complete(c cq.Completion) {
	t.batch, c.Finalizer = c.Finalizer, t
	t.rpc.queue.Complete(c)
}

// Finalize implements cq.Finalizer.
func (t *told) Finalize(ev *cq.Event) bool {
	keep := t.batch.Finalize(ev)
	p := &t.rpc.prepared
	p.Tell(p.Call.InitialMetadata(), p.Call.TrailingMetadata())
	return keep
}
