package server

import (
	"runtime"
	"sync"
	"time"
)

// workers are the goroutines that run handlers. One that has finished waits a
// while for the next call: its stack has grown to what handlers need, and to
// grow it anew for every call is a good part of what a small one costs.
// The number of those that work is not bounded here, that of those that wait is.
type workers struct {
	mu sync.Mutex

	// guarded by mu
	waiting []*worker // the last was busy last, its stack is warmest
	unused  int       // of waiting: the first were not needed since the last look
	timer   *time.Timer
	closed  bool
}

// worker is a goroutine that waits for a call; nil tells it to end.
type worker struct{ work chan *rpc }

const idleWorkerLife = 5 * time.Second

// hire has r run, by a waiting worker or a new one.
func (w *workers) hire(r *rpc) {
	w.mu.Lock()
	n := len(w.waiting)
	if n == 0 {
		w.mu.Unlock()
		go w.loop(r)
		return
	}
	k := w.waiting[n-1]
	w.waiting[n-1] = nil
	w.waiting = w.waiting[:n-1]
	w.unused = min(w.unused, n-1)
	w.mu.Unlock()
	k.work <- r
}

// loop is one worker's life.
func (w *workers) loop(r *rpc) {
	k := &worker{work: make(chan *rpc, 1)}
	for r != nil {
		r.run()
		if !w.wait(k) {
			return
		}
		r = <-k.work
	}
}

// wait makes k available, unless enough are.
func (w *workers) wait(k *worker) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || len(w.waiting) >= 4*runtime.GOMAXPROCS(0) {
		return false
	}
	w.waiting = append(w.waiting, k)
	if w.timer == nil {
		w.unused = 0
		w.timer = time.AfterFunc(idleWorkerLife, w.trim)
	}
	return true
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
		k.work <- nil // capacity 1 and nobody else sends: never blocks
	}
	rest := copy(w.waiting, w.waiting[n:])
	clear(w.waiting[rest:])
	w.waiting = w.waiting[:rest]
}

// close ends the waiting workers, and the others when they have finished.
func (w *workers) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.dismissLocked(len(w.waiting))
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
}
