package half

import (
	"runtime/debug"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/cq/future"
)

// pump is one SendFrom.
//
//	SendFrom ─► what was sent before is taken ─► draw ──message──► being sent
//	                                             ▲  │                 │  │
//	                                             └──┼─────taken───────┘  │
//	                                  over ◄────────┴──flushed, failed───┘
//
// The poller draws: an event tells it to begin, and then each message that was taken.
// All messages share one cell, so that none needs its own.
type pump struct {
	// immutable
	s       *Sender
	draw    func() (any, bool)
	crashed func(*future.PanicError)

	was     bool // what Enhance is to be afterwards; guarded by the sender's mu
	cell    sent
	promise future.Promise[struct{}]
}

// SendFrom sends what draw gives until it gives no more, as one enhanced batch,
// after what was sent before. draw is called on the poller. The future is
// resolved when all was taken. crashed is called, if draw or the codec panics,
// before the future fails with that.
func (s *Sender) SendFrom(draw func() (any, bool), crashed func(*future.PanicError), handle any) *Done {
	if err := s.refusal(); err != nil {
		return Failed(err)
	}
	p := &pump{s: s, draw: draw, crashed: crashed}
	p.cell = sent{handle: handle, pump: p}
	s.mu.Lock()
	if s.pump != nil {
		s.mu.Unlock()
		return Failed(future.ErrPending)
	}
	s.pump = p
	p.was, s.enhanced = s.enhanced, true
	s.mu.Unlock()
	s.flush(handle).OnComplete(p.begin)
	return p.promise.Future()
}

// begin is called when what was sent before is taken.
func (p *pump) begin(_ struct{}, err error) {
	if err != nil {
		p.over(err)
		return
	}
	p.s.tally.Enter()
	if p.s.to.Begin() {
		p.s.to.Complete(cq.Completion{Tag: p, OK: true})
		return
	}
	defer p.s.tally.Leave()
	p.over(errShutdown)
}

// Run implements cq.Callback: the poller begins.
func (p *pump) Run(cq.Event) {
	defer p.s.tally.Leave()
	p.run()
}

// sent is called when a message was taken, on the poller; or cannot be, on any
// goroutine.
func (p *pump) sent(err error) {
	if err != nil {
		p.over(err)
		return
	}
	p.run()
}

// run sends until a message has to wait. The first need not: it is kept back.
func (p *pump) run() {
	for p.send() {
		continue
	}
}

// send sends one message, and reports whether it need not wait.
func (p *pump) send() bool {
	hasReturned := false
	defer func() {
		if !hasReturned { // panic, or runtime.Goexit as testing's FailNow
			e := &future.PanicError{Value: recover(), Stack: debug.Stack()}
			p.crashed(e)
			p.over(e)
		}
	}()
	m, ok := p.draw()
	if !ok {
		hasReturned = true
		p.finish()
		return false
	}
	a, err := p.s.put(m, 0, p, p.cell.handle)
	hasReturned = true
	if err != nil {
		p.over(err)
	}
	return a == nil && err == nil
}

// finish sends what is kept back.
func (p *pump) finish() {
	if err := p.s.refusal(); err != nil {
		p.over(err)
		return
	}
	p.s.flush(p.cell.handle).OnComplete(func(_ struct{}, err error) { p.over(err) })
}

// over ends the pump, once.
func (p *pump) over(err error) {
	p.s.mu.Lock()
	isFirst, was := p.s.pump == p, p.was
	if isFirst {
		p.s.pump = nil
	}
	p.s.mu.Unlock()
	if !isFirst { // a codec that panicked has failed the message before
		return
	}
	if !was {
		p.s.Enhance(false)
	}
	p.promise.Settle(struct{}{}, err)
}
