package cq

import (
	"runtime"
	"slices"
	"sync"
)

// Executor decides where the callbacks of queues made by NewCallback run. One
// may serve any number of queues.
type Executor interface {
	// Execute arranges for every task of the batch to be run once, and returns
	// without waiting for any. The batch is lent: the tasks may be kept, the
	// slice may not. It is called concurrently, by the engine's goroutines, once
	// per batch of completions.
	Execute(batch []Task)
}

// Inline returns the Executor that runs callbacks at once on the goroutine that completes the
// operation: the engine's reader when it flushes its lane, or the timer's for an alarm. No
// hand-over is cheaper and none is more dangerous. A callback that blocks, or waits for anything
// that arrives on the same connection, stops that connection. It also stops the goroutine that
// reads, which may be waiting for something of its own (see [Source]).
func Inline() Executor { return inline{} }

type inline struct{}

func (e inline) Execute(batch []Task) {
	if len(batch) == 1 {
		batch[0].Run()
		return
	}
	e.executeAll(batch)
}

func (e inline) executeAll(batch []Task) {
	begun := 0
	defer func() {
		if begun < len(batch) { // a callback has panicked, which may be recovered, or ended the goroutine
			go e.Execute(slices.Clone(batch[begun:]))
		}
	}()
	for begun < len(batch) {
		begun++
		batch[begun-1].Run()
	}
}

// Pool is an Executor with a bounded number of workers. Workers are started
// when there is work. They end when there is none and the connection that they may
// serve meanwhile is quiet too, so an idle Pool owns no goroutine. Tasks
// are started in the order they were given; with one worker they also run in that
// order, one at a time.
//
// Workers are hired one after the other: another one when the newest has begun and
// tasks are left. So tasks that do not block run on as many goroutines as there
// are processors, and tasks that block may use all n workers.
type Pool struct {
	// immutable
	size   int
	worker func() // work, bound once: starting it allocates nothing

	mu   sync.Mutex
	idle sync.Cond // L is &mu; workers became zero

	// guarded by mu
	tasks   ring[Task]
	workers int
	hiring  bool    // the latest worker has not begun
	closing int     // calls of Close that have not returned
	service Service // by a worker without a task
}

var (
	_ Executor = (*Pool)(nil)
	_ Host     = (*Pool)(nil)
)

// NewPool returns a Pool of at most n workers; n <= 0 means GOMAXPROCS.
func NewPool(n int) *Pool {
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	p := &Pool{size: n}
	p.worker, p.idle.L = p.work, &p.mu
	return p
}

// Execute implements Executor: one lock, and at most one new worker, which will
// hire the next.
func (p *Pool) Execute(batch []Task) {
	p.mu.Lock()
	for i := range batch {
		p.tasks.push(batch[i])
	}
	isNew, served := p.hireLocked()
	p.mu.Unlock()
	p.begin(isNew, served)
}

// hireLocked hires a worker, if one is wanted: a new one, or the one that serves a source.
// begin lets it begin.
func (p *Pool) hireLocked() (isNew bool, served Source) {
	if p.hiring || p.tasks.len() == 0 {
		return false, nil
	}
	if served = p.service.Recall(); served != nil || p.workers == p.size {
		p.hiring = served != nil
		return false, served
	}
	p.workers++
	p.hiring = true
	return true, nil
}

func (p *Pool) begin(isNew bool, served Source) {
	if isNew {
		go p.worker()
	}
	nudge(served)
}

// Offer implements [Host].
func (p *Pool) Offer(s Source) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closing == 0 && p.workers > 0 && p.service.Offer(s)
}

// Withdraw implements [Host].
func (p *Pool) Withdraw(s Source) {
	p.mu.Lock()
	p.service.Withdraw(s)
	p.mu.Unlock()
}

// Close waits until every task has run and the workers have ended. It must not
// be called from a task. A Pool holds nothing while idle, so closing is a wait
// and not an end: tasks given afterwards are still run, because a completion
// must not be lost to the order in which things are torn down.
func (p *Pool) Close() {
	p.mu.Lock()
	p.closing++
	served := p.service.Recall()
	p.mu.Unlock()
	nudge(served)
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.workers > 0 {
		p.idle.Wait()
	}
	p.closing--
}

// work runs tasks until there are none. One at a time: a task taken along
// with one that blocks would wait although another worker is free.
func (p *Pool) work() {
	growStack()
	orderly := false
	defer func() {
		if !orderly { // the callback ended its goroutine (runtime.Goexit)
			go p.worker()
		}
	}()
	for isNew := true; ; isNew = false {
		t, ok := p.take(isNew)
		if !ok {
			orderly = true
			return
		}
		t.Run()
	}
}

// growStack makes room for what callbacks do: starting a batch needs a deep stack, and
// moving one that is deep already costs ten times as much as moving it now.
//
//go:noinline
func growStack() {
	var room [4 << 10]byte
	runtime.KeepAlive(&room)
}

// take returns the oldest task, or retires the calling worker.
func (p *Pool) take(isNew bool) (Task, bool) {
	p.mu.Lock()
	if isNew {
		p.hiring = false
	}
	for p.tasks.len() == 0 && p.closing == 0 && p.service.IsDue() {
		p.service.Serve(p, &p.mu)
		p.hiring = p.hiring && !p.service.isRecalled.Load() // a recalled worker is the one that was being hired
	}
	if p.tasks.len() == 0 {
		p.retireLocked()
		p.mu.Unlock()
		return Task{}, false
	}
	t := p.tasks.pop()
	isDue, served := p.hireLocked()
	p.mu.Unlock()
	p.begin(isDue, served)
	return t, true
}

func (p *Pool) retireLocked() {
	p.workers--
	if p.workers == 0 {
		p.idle.Broadcast()
	}
}
