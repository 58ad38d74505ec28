package server

import (
	"fmt"
	"sync"
	"time"

	"github.com/cqrpc/cqrpc/cq"
)

// workers are the goroutines that run handlers. They are hired one after the
// other: another one when the newest has begun its call and calls are left. So
// handlers that do not wait for anything share as many goroutines as there are
// processors, and each handler that waits has one of its own; nothing bounds their
// number here.
//
// A worker without a call waits a while for the next: its stack has grown to what
// handlers need, and growing one for every call would be a good part of the cost of a
// small call.
type workers struct {
	mu sync.Mutex

	// guarded by mu
	first, last *rpc // calls that no worker has begun, linked by next
	hiring      hiring
	waiting     []*worker
	unused      int // of waiting: so many, the first, were not needed since the last trim
	timer       *time.Timer
	closed      bool
	service     cq.Service // by a worker without a call
}

var _ cq.Host = (*workers)(nil)

// hiring says which worker was hired and has not begun.
//
//	        it waits, or is new              it has begun
//	hiringNobody ─────────────────► hiringWorker ─────────► hiringNobody
//	   │    ▲                            ▲
//	   │    └── it has ended ──┐         │ it has come back
//	   └── it serves ──► hiringServer ───┘
type hiring uint8

const (
	hiringNobody hiring = iota
	hiringWorker        // one that has waited, or a new one
	hiringServer        // the one that serves the source, and was recalled
)

var hiringNames = [...]string{"nobody", "a worker", "the one that serves"}

func (h hiring) String() string { return hiringNames[h] }

// hiringSteps is the drawing: where each state may lead.
var hiringSteps = [...]uint8{
	hiringNobody: 1<<hiringWorker | 1<<hiringServer, hiringWorker: 1 << hiringNobody,
	hiringServer: 1<<hiringWorker | 1<<hiringNobody,
}

// to is the only place that changes it.
func (h *hiring) to(next hiring) {
	if hiringSteps[*h]&(1<<next) == 0 {
		panic(fmt.Sprintf("BUG: server: hiring %v -> %v", *h, next))
	}
	*h = next
}

// worker is a goroutine that runs calls.
type worker struct {
	wake chan bool // capacity 1: false tells it to end
}

const (
	idleWorkerLife = 5 * time.Second
	// maxIdleWorkers is how many wait for the next call, with 4 MB of stacks or so. Handlers that
	// wait for something need one each; where there are more calls at a time, some stacks are grown
	// anew.
	maxIdleWorkers = 256
)

// hire gives r to a worker that waits, or is free soon, or is new.
func (w *workers) hire(r *rpc) {
	w.mu.Lock()
	if w.last == nil {
		w.first = r
	} else {
		w.last.next = r
	}
	w.last = r
	h := w.hireLocked()
	w.mu.Unlock()
	w.begin(h)
}

// hired is the worker that is to begin: one that serves a source, one that waits, a new one,
// or none.
type hired struct {
	serving cq.Source
	waiting *worker
	isNew   bool
}

// hireLocked hires a worker, if one is due; begin lets it begin.
func (w *workers) hireLocked() hired {
	if w.hiring != hiringNobody || w.first == nil {
		return hired{}
	}
	if s := w.service.Recall(); s != nil {
		w.hiring.to(hiringServer)
		return hired{serving: s}
	}
	w.hiring.to(hiringWorker)
	if len(w.waiting) == 0 {
		return hired{isNew: true}
	}
	return hired{waiting: w.takeWaitingLocked()}
}

// takeWaitingLocked takes the worker that has waited for the shortest time: its stack is warmest.
func (w *workers) takeWaitingLocked() *worker {
	n := len(w.waiting)
	k := w.waiting[n-1]
	w.waiting[n-1] = nil
	w.waiting = w.waiting[:n-1]
	w.unused = min(w.unused, n-1)
	return k
}

func (w *workers) begin(h hired) {
	switch {
	case h.serving != nil:
		h.serving.Nudge()
	case h.waiting != nil:
		h.waiting.wake <- true // capacity 1 and nobody else sends: never blocks
	case h.isNew:
		go w.loop()
	}
}

// Offer implements cq.Host.
func (w *workers) Offer(s cq.Source) bool {
	w.mu.Lock()
	if w.closed || !w.service.Offer(s) {
		w.mu.Unlock()
		return false
	}
	var h hired
	if w.first == nil && w.hiring == hiringNobody && w.service.IsDue() && len(w.waiting) > 0 {
		w.hiring.to(hiringWorker)
		h.waiting = w.takeWaitingLocked()
	}
	w.mu.Unlock()
	w.begin(h)
	return true
}

// Withdraw implements cq.Host.
func (w *workers) Withdraw(s cq.Source) {
	w.mu.Lock()
	w.service.Withdraw(s)
	w.mu.Unlock()
}

// loop is one worker's life.
func (w *workers) loop() {
	k := &worker{wake: make(chan bool, 1)}
	for isHired := true; isHired; isHired = w.wait(k) && <-k.wake {
		for r := w.firstCall(); r != nil; r = w.nextCall() {
			r.run()
		}
	}
}

// firstCall returns the call that a hired worker begins with. It has begun in the same moment:
// otherwise another would be hired in between, for the call that this one takes.
func (w *workers) firstCall() *rpc {
	w.mu.Lock()
	w.hiring.to(hiringNobody)
	r, h := w.takeLocked()
	w.mu.Unlock()
	w.begin(h)
	return r
}

// nextCall returns another, nil if none is left.
func (w *workers) nextCall() *rpc {
	w.mu.Lock()
	r, h := w.takeLocked()
	w.mu.Unlock()
	w.begin(h)
	return r
}

// takeLocked takes the call that came first, nil if there is none, and hires for the next.
func (w *workers) takeLocked() (*rpc, hired) {
	r := w.first
	if r == nil {
		return nil, hired{}
	}
	w.first, r.next = r.next, nil
	if w.first == nil {
		w.last = nil
	}
	return r, w.hireLocked()
}

// wait makes k available, unless enough are, or there is work again.
func (w *workers) wait(k *worker) bool {
	w.mu.Lock()
	for w.first == nil && w.hiring != hiringServer && !w.closed && w.service.IsDue() {
		w.serveLocked()
	}
	defer w.mu.Unlock()
	switch {
	case w.hiring == hiringServer:
		w.hiring.to(hiringWorker)
		k.wake <- true
		return true
	case w.first != nil && w.hiring == hiringNobody:
		w.hiring.to(hiringWorker)
		k.wake <- true
		return true
	case w.closed || len(w.waiting) >= maxIdleWorkers:
		return false
	}
	w.waiting = append(w.waiting, k)
	if w.timer == nil {
		w.unused = 0
		w.timer = time.AfterFunc(idleWorkerLife, w.trim)
	}
	return true
}

// serveLocked serves the source, without the lock.
func (w *workers) serveLocked() {
	returned := false
	defer func() {
		if !returned { // an inline reaction has ended the goroutine, and the lock is free
			w.replace()
		}
	}()
	w.service.Serve(w, &w.mu)
	returned = true
}

// replace hires anew if the worker that was hired last has ended before it began.
func (w *workers) replace() {
	w.mu.Lock()
	if w.hiring == hiringServer {
		w.hiring.to(hiringNobody)
	}
	h := w.hireLocked()
	w.mu.Unlock()
	w.begin(h)
}

// trim ends the workers that were not needed since the last time.
func (w *workers) trim() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dismissLocked(w.unused)
	w.unused = len(w.waiting)
	w.timer = nil
	if w.unused > 0 {
		w.timer = time.AfterFunc(idleWorkerLife, w.trim)
	}
}

// dismissLocked ends the n workers that have waited longest.
func (w *workers) dismissLocked(n int) {
	for _, k := range w.waiting[:n] {
		k.wake <- false // never blocks, see begin
	}
	rest := copy(w.waiting, w.waiting[n:])
	clear(w.waiting[rest:])
	w.waiting = w.waiting[:rest]
	w.unused = max(w.unused-n, 0)
}

// close ends the waiting workers, and the others when they have finished.
func (w *workers) close() {
	w.mu.Lock()
	w.closed = true
	w.dismissLocked(len(w.waiting))
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	s := w.service.Recall()
	w.mu.Unlock()
	if s != nil {
		s.Nudge()
	}
}
