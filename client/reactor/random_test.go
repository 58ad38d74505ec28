package reactor_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/reactor"
	"github.com/cqrpc/cqrpc/server"
	serverreactor "github.com/cqrpc/cqrpc/server/reactor"
)

// ledger holds a reactor to invariant 13: reactions of one reactor never overlap,
// each follows one start, OnDone is the last and comes once, and none runs
// inside a StartX, which would deadlock on mu.
type ledger struct {
	t    *testing.T
	side string

	running                atomic.Int32
	isDone                 atomic.Bool
	cancels                atomic.Int32
	reads, writes          atomic.Int32 // started, and no reaction yet
	readStarts, readEnds   atomic.Int32
	writeStarts, writeEnds atomic.Int32

	mu  sync.Mutex // held around what is started from outside, and by reactions
	rnd *rand.Rand // guarded by mu
}

func newLedger(t *testing.T, side string, seed uint64) *ledger {
	return &ledger{t: t, side: side, rnd: rand.New(rand.NewPCG(seed, 0))}
}

// enter begins a reaction.
func (l *ledger) enter(what string) (leave func()) {
	l.mu.Lock()
	if l.running.Add(1) != 1 {
		l.t.Errorf("%s: %s overlaps another reaction", l.side, what)
	}
	if l.isDone.Load() {
		l.t.Errorf("%s: %s after OnDone", l.side, what)
	}
	return func() {
		l.running.Add(-1)
		l.mu.Unlock()
	}
}

func (l *ledger) one(what string, outstanding, ends *atomic.Int32) {
	ends.Add(1)
	if outstanding.Add(-1) != 0 {
		l.t.Errorf("%s: %s without a start", l.side, what)
	}
}

// visitor is the random client.
type visitor struct {
	reactor.BidiBase[text, text]
	*ledger
	res   text
	left  int // messages still to be written; guarded by mu
	ended sync.WaitGroup
}

// act starts something, if there is something to start. mu is held.
func (v *visitor) act() {
	if v.reads.Load() == 0 && v.rnd.IntN(3) > 0 {
		v.reads.Add(1)
		v.readStarts.Add(1)
		v.StartRead(&v.res)
	}
	if v.writes.Load() == 0 && v.left > 0 && v.rnd.IntN(3) > 0 {
		v.left--
		v.writes.Add(1)
		v.writeStarts.Add(1)
		m := wrapperspb.String(fmt.Sprint(v.left))
		if v.left == 0 && v.rnd.IntN(2) == 0 {
			v.StartWriteLast(m)
		} else {
			v.StartWrite(m)
		}
	}
	if v.rnd.IntN(40) == 0 {
		v.TryCancel()
	}
}

func (v *visitor) OnReadDone(ok bool) {
	defer v.enter("OnReadDone")()
	v.one("OnReadDone", &v.reads, &v.readEnds)
	if ok {
		v.act()
	}
}

func (v *visitor) OnWriteDone(bool) {
	defer v.enter("OnWriteDone")()
	v.one("OnWriteDone", &v.writes, &v.writeEnds)
	v.act()
}

func (v *visitor) OnDone(cqrpc.Status) {
	defer v.enter("OnDone")()
	v.isDone.Store(true)
	if v.readStarts.Load() != v.readEnds.Load() || v.writeStarts.Load() != v.writeEnds.Load() {
		v.t.Errorf("reads %d, %d done; writes %d, %d done",
			v.readStarts.Load(), v.readEnds.Load(), v.writeStarts.Load(), v.writeEnds.Load())
	}
	v.ended.Done()
}

// host is the random server.
type host struct {
	serverreactor.BidiBase[text, text]
	*ledger
	ctx   *serverreactor.Context
	req   text
	ended *sync.WaitGroup
}

func (h *host) act() {
	if h.reads.Load() == 0 && h.rnd.IntN(4) > 0 {
		h.reads.Add(1)
		h.StartRead(&h.req)
	}
	if h.writes.Load() == 0 && h.rnd.IntN(2) > 0 {
		h.writes.Add(1)
		h.StartWrite(wrapperspb.String("x"))
	}
	switch h.rnd.IntN(50) {
	case 0:
		h.ctx.TryCancel()
	case 1:
		h.Finish(cqrpc.Status{Code: cqrpc.CodeAborted})
	case 2:
		h.Finish(ok)
	}
}

func (h *host) OnReadDone(isOK bool) {
	defer h.enter("OnReadDone")()
	h.one("OnReadDone", &h.reads, &h.readEnds)
	if !isOK {
		h.Finish(ok)
		return
	}
	h.act()
}

func (h *host) OnWriteDone(isOK bool) {
	defer h.enter("OnWriteDone")()
	h.one("OnWriteDone", &h.writes, &h.writeEnds)
	if !isOK {
		h.Finish(ok)
		return
	}
	h.act()
}

func (h *host) OnCancel() {
	defer h.enter("OnCancel")()
	if h.cancels.Add(1) != 1 {
		h.t.Error("OnCancel twice")
	}
	if h.rnd.IntN(2) == 0 { // else the library does it
		h.Finish(ok)
	}
}

func (h *host) OnDone() {
	defer h.enter("OnDone")()
	h.isDone.Store(true)
	h.ended.Done()
}

// Random reactors on both sides, prodded by other goroutines, keep to invariant
// 13 under real concurrency.
func TestRandomSchedules(t *testing.T) {
	var served sync.WaitGroup
	var seeds atomic.Uint64
	var scenes atomic.Pointer[scene]
	handler := func(opts ...serverreactor.Option) server.Handler {
		return serverreactor.BidiStream(bidi, func(ctx *serverreactor.Context) serverreactor.BidiReactor[text, text] {
			h := &host{ledger: newLedger(scenes.Load().T, "server", seeds.Add(1)), ctx: ctx, ended: &served}
			served.Add(1)
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.rnd.IntN(2) == 0 {
				go h.prod(h.act)
			}
			h.reads.Add(1)
			h.StartRead(&h.req)
			return h
		}, opts...)
	}
	play(t, func(s *scene) {
		scenes.Store(s)
		var visitors sync.WaitGroup
		for range 200 {
			v := &visitor{ledger: newLedger(s.T, "client", seeds.Add(1)), left: 5}
			v.ended.Add(1)
			visitors.Go(v.ended.Wait)
			// Two that only wait for each other wait for the deadline.
			reactor.BidiStream(s.Context(), s.stub, bidi, v, client.WithDeadline(time.Now().Add(time.Second)))
			v.mu.Lock()
			v.act()
			if v.rnd.IntN(2) == 0 {
				release := v.Hold()
				go func() {
					v.prod(v.act)
					release()
				}()
			}
			v.mu.Unlock()
			v.StartCall()
		}
		visitors.Wait()
		served.Wait()
	}, handler)
}

// prod acts from outside a few times, holding the lock that reactions want.
func (l *ledger) prod(act func()) {
	for range 5 {
		l.mu.Lock()
		act()
		l.mu.Unlock()
	}
}
