//go:build unix

package transport

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/leak"
)

// Pollers read the connection, and what they read is answered.
func TestPollerReads(t *testing.T) {
	lendingOver(t, func(t *testing.T, isSecure bool) {
		l := newLender(t, lending{isSecure: isSecure})
		l.until("pollers have not read 10 requests", func() bool { l.ask(); return l.byPoll.Load() >= 10 })
		// On a busy machine it may be late, and trusted no more.
		l.until("the poller leaves because of a PING", func() bool {
			l.untilServed()
			l.ping(1) // nothing for a queue: the poller reads on
			return l.conn.loan.Load().is(served)
		})
	})
}

// A batch goes to the poller whole, however many requests it has.
func TestPollerReadsBatches(t *testing.T) {
	lendingOver(t, func(t *testing.T, isSecure bool) {
		l := newLender(t, lending{isSecure: isSecure, queues: 2})
		for range 20 {
			l.untilServed()
			waiting := make(map[uint32]bool)
			for range 2 * maxBatch {
				waiting[l.writeRequest()] = true
			}
			l.flush()
			for len(waiting) > 0 {
				f, err := l.in.Next()
				if err != nil {
					t.Fatalf("%d requests are not answered: %v", len(waiting), err)
				}
				if f.End {
					delete(waiting, f.StreamID)
				}
			}
		}
	})
}

// A poller that does not come back keeps nobody from reading.
func TestPollerStaysAway(t *testing.T) {
	lendingOver(t, func(t *testing.T, isSecure bool) {
		g := newGate()
		l := newLender(t, lending{isSecure: isSecure, meet: g.meet})
		for n := range byte(3) {
			id := g.keepLent(l)
			l.ping(n)
			if s := l.state(); s != kept {
				t.Errorf("the connection is read and %v", s)
			}
			g.release()
			l.wantAnswer(id)
		}
	})
}

// Nor does one that never comes: the only poller is busy, and another queue is completed.
func TestNobodyComes(t *testing.T) {
	g := newGate()
	l := newLender(t, lending{meet: g.meet})
	id := g.keepLent(l)
	var others []uint32
	for n := range byte(100) { // pauses of loans end meanwhile
		others = append(others, l.request())
		l.ping(n)
	}
	g.release()
	l.wantAnswer(id)
	l.wantAnswer(others[len(others)-1])
}

// Half a frame is for the reader to wait for: the poller has something else to do.
func TestHalfAFrame(t *testing.T) {
	lendingOver(t, func(t *testing.T, isSecure bool) {
		l := newLender(t, lending{isSecure: isSecure})
		for n := range byte(3) {
			l.untilServed()
			askPing(t, l.peer, l.in, n, func() {
				holdsWithin(10*time.Millisecond, func() bool { return l.state() == kept })
				l.post(int(n))
				l.wantPosted("half a frame", int(n))
			})
		}
	})
}

// When half of a large frame has come the poller waits for the rest, because it can be recalled
// from there: then the reader goes on with the frame. With TLS the reader waits from the beginning.
func TestHalfALargeFrame(t *testing.T) {
	lendingOver(t, func(t *testing.T, isSecure bool) {
		l := newLender(t, lending{isSecure: isSecure})
		begun := make(chan bool, 1)
		l.large.Store(&begun)
		byPoll := 0
		for n := 0; n < 20 || n < 1000 && byPoll == 0 && !isSecure; n++ { // now and then a poller is late
			l.untilServed()
			id, message := l.writeLarge()
			l.write(message[:len(message)/2])
			if <-begun {
				byPoll++
				if s := l.state(); s != served {
					t.Errorf("a poller reads a connection that is %v", s)
				}
			}
			l.post(n)
			l.wantPosted("half a large frame", n)
			l.write(message[len(message)/2:])
			l.wantAnswer(id)
		}
		if (byPoll > 0) == isSecure {
			t.Errorf("pollers have begun to read %d large frames", byPoll)
		}
	})
}

// A poller that is not recalled reads all of it.
func TestPollerReadsLargeFrames(t *testing.T) {
	l := newLender(t, lending{})
	begun := make(chan bool, 1)
	l.large.Store(&begun)
	l.until("no poller reads a large frame that comes in halves", func() bool {
		l.untilServed()
		id, message := l.writeLarge()
		l.write(message[:len(message)/2])
		hasBegun, before := <-begun, l.byPoll.Load()
		l.write(message[len(message)/2:])
		l.wantAnswer(id)
		return hasBegun && l.byPoll.Load() > before
	})
}

// halves is a connection that can hold back a part of each Write.
type halves struct {
	net.Conn
	isHeld bool
	rest   []byte
}

func (h *halves) Write(p []byte) (int, error) {
	if !h.isHeld {
		return h.Conn.Write(p)
	}
	h.rest = append(h.rest, p[len(p)/2:]...)
	if _, err := h.Conn.Write(p[:len(p)/2]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Half a TLS record is nothing yet. The poller waits for the rest, and can be recalled.
func TestHalfARecord(t *testing.T) {
	leak.Check(t)
	below, nc := ends(t, "tcp", "127.0.0.1:0")
	h := &halves{Conn: below}
	peer, secure := encrypted(t, h, nc)
	l := &lender{T: t, handler: newTestHandler(), peer: peer, below: below, posted: make(chan cq.Tag, 1000)}
	l.queues = []*cq.Queue{cq.New()}
	l.handler.onStream = func(s *Stream, _ *frame.Headers, _ *cq.Lane) { s.Accept(&asking{l, s}) }
	l.start(secure, lending{})
	for n := range 5 {
		l.untilServed()
		h.isHeld = true
		id := l.request()
		h.isHeld = false
		l.post(n)
		l.wantPosted("half a record", n)
		if _, err := h.Conn.Write(h.rest); err != nil {
			t.Fatal(err)
		}
		h.rest = nil
		l.wantAnswer(id)
	}
}

// A completion of another goroutine gets the poller out of the socket; nothing else would, because
// the peer is silent.
func TestPollerIsRecalled(t *testing.T) {
	lendingOver(t, func(t *testing.T, isSecure bool) {
		l := newLender(t, lending{isSecure: isSecure})
		for n := range 20 {
			l.untilServed()
			l.post(n)
			l.wantPosted("the poller waits in the socket", n)
		}
		l.ask()
	})
}

// A poller that is recalled again and again, and reads nothing, is no good reader.
func TestPollerIsRecalledInVain(t *testing.T) {
	l := newLender(t, lending{})
	l.untilServed()
	recalls := 0 // of a poller that waits; one that is late is not recalled
	for n := 0; recalls <= fullTrust+1; n++ {
		if holdsWithin(5*time.Millisecond, l.isWaiting) {
			recalls++
		} else if l.state() == kept {
			break
		}
		l.post(n)
		l.wantPosted("in vain", n)
	}
	if recalls > fullTrust+1 {
		t.Errorf("after %d recalls it reads still: %v", recalls, l.state())
	}
	l.ask()
}

// ends of a connection that is lent or served.
func TestLoanEnds(t *testing.T) {
	closeWrite := func(l *lender) { _ = l.below.(*net.TCPConn).CloseWrite() }
	for _, tc := range []struct {
		name string
		end  func(l *lender)
		want error
	}{
		{"closed", func(l *lender) { l.conn.Close() }, nil},
		{"closed by the peer", closeWrite, ErrPeerClosed},
		{"a fault of the peer", func(l *lender) { // SETTINGS of seven octets
			_, _ = l.peer.Write([]byte("\x00\x00\x07\x04\x00\x00\x00\x00\x001234567"))
		}, &frame.ConnError{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Run("served", func(t *testing.T) {
				lendingOver(t, func(t *testing.T, isSecure bool) {
					l := newLender(t, lending{isSecure: isSecure})
					l.untilServed()
					tc.end(l)
					l.wantClosedBecause(tc.want)
					l.post(1)
					l.wantPosted("after the end", 1)
				})
			})
			t.Run("lent", func(t *testing.T) {
				lendingOver(t, func(t *testing.T, isSecure bool) {
					g := newGate()
					l := newLender(t, lending{isSecure: isSecure, meet: g.meet})
					g.keepLent(l)
					tc.end(l)
					l.wantClosedBecause(tc.want)
					g.release()
					l.post(1)
					l.wantPosted("after the end", 1)
				})
			})
		})
	}
}

func (l *lender) wantClosedBecause(want error) {
	l.Helper()
	got := l.wantClosed()
	switch want.(type) {
	case nil:
		if got != nil {
			l.Errorf("closed because of %v", got)
		}
	case *frame.ConnError:
		var ce *frame.ConnError
		if !errors.As(got, &ce) {
			l.Errorf("closed because of %v; want a connection error", got)
		}
	default:
		if !errors.Is(got, want) {
			l.Errorf("closed because of %v; want %v", got, want)
		}
	}
}

// The queue ends while its poller reads: the poller leaves, and the connection goes on.
func TestQueueEnds(t *testing.T) {
	lendingOver(t, func(t *testing.T, isSecure bool) {
		l := newLender(t, lending{isSecure: isSecure})
		l.untilServed()
		l.queues[0].Shutdown()
		done := make(chan struct{})
		go func() { l.polling.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("the poller reads still")
		}
		for n := range byte(3) {
			l.ping(n)
		}
	})
}

// A reader rests although it has lent, whether a poller waits in its place or nobody comes; and it
// lends again.
func TestLenderRests(t *testing.T) {
	lendingOver(t, func(t *testing.T, isSecure bool) {
		l := newLender(t, lending{isSecure: isSecure, cfg: Config{restAfter: time.Millisecond}})
		for n := range byte(4) {
			before := l.byPoll.Load()
			l.until("no poller reads", func() bool { l.ask(); return l.byPoll.Load() > before })
			waitRest(t)
			if !holdsWithin(patience, func() bool { return l.conn.loan.Load() == nil }) {
				t.Error("a reader that rests keeps its loan")
			}
			l.post(int(n))
			l.wantPosted("at rest", int(n))
			l.ping(n)
			waitRest(t)
			l.ask()
		}
	})
}

// A header block that is never complete is for the reader, and for its timeout.
func TestLoanWithinHeaderTimeout(t *testing.T) {
	lendingOver(t, func(t *testing.T, isSecure bool) {
		l := newLender(t, lending{isSecure: isSecure, cfg: Config{HeaderTimeout: 50 * time.Millisecond}})
		l.untilServed()
		if _, err := l.peer.Write([]byte("\x00\x00\x09\x01\x04\x00\x00\x00\x01\x82")); err != nil {
			t.Fatal(err)
		}
		if err := l.wantClosed(); err == nil || !strings.Contains(err.Error(), "header block not complete") {
			t.Error(err)
		}
	})
}

// A header block of two frames is read after the poller has left; and then is lent again.
func TestLoanOfAHeaderBlockInPieces(t *testing.T) {
	l := newLender(t, lending{cfg: Config{HeaderTimeout: never}})
	for range 3 {
		l.untilServed()
		var p strings.Builder
		id := l.writeRequest()
		if err := l.out.Flush(&p); err != nil {
			t.Fatal(err)
		}
		block := []byte(p.String())
		block[4] &^= byte(http2.FlagHeadersEndHeaders)
		n := 9 + int(block[2]) + int(block[1])<<8
		for _, piece := range [][]byte{
			block[:n], {0, 0, 0, byte(http2.FrameContinuation), byte(http2.FlagContinuationEndHeaders), 0, 0, 0, byte(id)},
			block[n:],
		} {
			if len(piece) == 9 {
				piece[7] = byte(id >> 8)
			}
			if _, err := l.peer.Write(piece); err != nil {
				t.Fatal(err)
			}
			l.post("between")
			l.wantPosted("part of a header block", "between")
		}
		l.wantAnswer(id)
	}
}

// What a poller sends while it is away waits for it. If it does not come back, the reader
// sends it.
func TestSendWhileLent(t *testing.T) {
	lendingOver(t, func(t *testing.T, isSecure bool) {
		for _, staysAway := range []bool{false, true} {
			t.Run(fmt.Sprintf("stays away %v", staysAway), func(t *testing.T) {
				back, was := make(chan struct{}), make(chan bool, 1)
				var isTried atomic.Bool
				l := newLender(t, lending{isSecure: isSecure, meet: func(l *lender, ev cq.Event) bool {
					if !isTried.CompareAndSwap(true, false) {
						return false
					}
					l.answer(ev)
					l.conn.mu.Lock()
					isDue := l.conn.flusher == flusherDue
					l.conn.mu.Unlock()
					was <- isDue && l.state() == lent
					if staysAway {
						select {
						case <-back:
						case <-l.over:
						}
					}
					return true
				}})
				n := 0
				for waited := false; !waited; n++ {
					if n == 1000 {
						t.Fatal("what is sent never waits for the poller")
					}
					l.untilServed()
					isTried.Store(true)
					l.ask()
					if waited = <-was; staysAway {
						back <- struct{}{}
					}
				}
				t.Logf("at the %d. try", n)
			})
		}
	})
}

func TestLoanState(t *testing.T) {
	for i, want := range []string{"kept", "lent", "served", "loanState(3)"} {
		if got := loanState(i).String(); got != want {
			t.Errorf("state %d is called %s; want %s", i, got, want)
		}
	}
	for is := kept; is <= served; is++ {
		for from := kept; from <= served; from++ {
			for next := kept; next <= served; next++ {
				l := new(loan)
				l.state.Store(uint32(is))
				want := is
				if is == from {
					want = next
				}
				ok, got := l.to(from, next), loanState(l.state.Load())
				if ok != (is == from) || got != want || l.is(served) != (want == served) {
					t.Errorf("%v: from %v to %v: %v, it is %v; want %v", is, from, next, ok, got, want)
				}
			}
		}
	}
}

// What can only be a mistake of ours is not passed over.
func TestLoanStatePanics(t *testing.T) {
	for _, tc := range []struct {
		name string
		is   loanState
		do   func(l *loan)
	}{
		{"lent twice", lent, (*loan).vacate},
		{"given back and kept", kept, func(l *loan) { l.giveBack(loanEnd{}) }},
		{"given back and lent", lent, func(l *loan) { l.giveBack(loanEnd{}) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			defer func() {
				if r := recover(); r == nil || !strings.HasPrefix(fmt.Sprint(r), "BUG: ") {
					t.Errorf("recovered %v", r)
				}
			}()
			l := newLoan(&Conn{batching: true})
			l.state.Store(uint32(tc.is))
			tc.do(l)
		})
	}
}

// Only a connection that is lent is reclaimed, once, and only a goroutine that finds it lent serves
// it.
func TestReclaim(t *testing.T) {
	l := newLoan(&Conn{})
	for _, s := range []loanState{kept, served} {
		l.state.Store(uint32(s))
		if l.reclaim(loanEnd{}); len(l.back) > 0 || loanState(l.state.Load()) != s {
			t.Errorf("what is %v was reclaimed", s)
		}
		if l.Serve(nil, new(atomic.Bool)) || loanState(l.state.Load()) != s {
			t.Errorf("what is %v was served", s)
		}
	}
	l.state.Store(uint32(lent))
	for range 2 {
		l.reclaim(loanEnd{isLate: true})
	}
	if end := <-l.back; !end.isLate || len(l.back) > 0 || loanState(l.state.Load()) != kept {
		t.Errorf("%+v, %d more, %v", end, len(l.back), loanState(l.state.Load()))
	}
}

// TestOversee: the reader leaves alone what was lent a moment ago, and takes it back when its time is over.
func TestOversee(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoan(&Conn{})
		l.state.Store(uint32(lent))
		l.left.Store(int64(now()))
		l.isOverseen.Store(true)
		l.oversee()
		if len(l.back) > 0 || !l.is(lent) {
			t.Fatalf("it was taken back at once, %v", loanState(l.state.Load()))
		}
		begun := time.Now()
		if end := <-l.back; !end.isLate || !l.is(kept) || time.Since(begun) != overseeAfter {
			t.Errorf("%+v, %v, after %v", end, loanState(l.state.Load()), time.Since(begun))
		}
	})
}

// TestLoanStress: pollers of two queues that stay away now and then, requests and PINGs
// in any order, and completions by others; all is answered. Then the connection is closed
// in the middle of it.
func TestLoanStress(t *testing.T) {
	lendingOver(t, func(t *testing.T, isSecure bool) {
		for _, rest := range []time.Duration{never, time.Millisecond} {
			for _, pollers := range []int{1, 2} {
				t.Run(fmt.Sprintf("%d pollers, rest after %v", pollers, rest), func(t *testing.T) {
					l := newLender(t, lending{
						cfg: Config{restAfter: rest}, queues: 2, pollers: pollers, isSecure: isSecure, meet: dawdle,
					})
					stress(l)
				})
			}
		}
	})
}

// dawdle lets a poller stay away, mostly for no time at all.
func dawdle(*lender, cq.Event) (isAnswered bool) {
	switch n := rand.IntN(200); {
	case n == 0:
		<-time.After(3 * time.Millisecond)
	case n < 5:
		<-time.After(200 * time.Microsecond)
	case n < 20:
		runtime.Gosched()
	}
	return false
}

func stress(l *lender) {
	l.Helper()
	over := make(chan struct{})
	var posting sync.WaitGroup
	var posted, taken atomic.Int64
	posting.Go(func() {
		for range l.posted {
			taken.Add(1)
		}
	})
	for _, q := range l.queues {
		posting.Go(func() {
			for q.Post("posted", true) == nil {
				posted.Add(1)
				select {
				case <-over:
					return
				case <-time.After(time.Duration(rand.IntN(1000)) * time.Microsecond):
				}
			}
		})
	}
	for range 60 {
		l.burst(1 + rand.IntN(6))
	}
	time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, l.conn.Close)
	for l.writeBurst(1+rand.IntN(6)) > 0 && l.out.Flush(l.peer) == nil {
		runtime.Gosched()
	}
	if err := l.wantClosed(); err != nil {
		l.Log("closed because of", err) // the peer may have been too quick
	}
	close(over)
	for _, q := range l.queues {
		q.Shutdown()
	}
	l.polling.Wait()
	close(l.posted)
	posting.Wait()
	if p, n := posted.Load(), taken.Load(); p != n {
		l.Errorf("%d events were posted and %d taken", p, n)
	}
	l.Logf("pollers have read %d of %d requests", l.byPoll.Load(), l.asked.Load())
}

// writeBurst writes n requests and PINGs and returns how many answers there will be.
func (l *lender) writeBurst(n int) (answers int) {
	for range n {
		if rand.IntN(3) == 0 {
			l.out.Ping([8]byte{1})
		} else {
			l.writeRequest()
		}
		answers++
	}
	return answers
}

// burst sends n requests and PINGs, in one piece or two, and reads the answers.
func (l *lender) burst(n int) {
	l.Helper()
	answers := l.writeBurst(n)
	var p bytes.Buffer
	if err := l.out.Flush(&p); err != nil {
		l.Fatal(err)
	}
	all := p.Bytes()
	cut := rand.IntN(len(all))
	for _, piece := range [][]byte{all[:cut], all[cut:]} {
		if _, err := l.peer.Write(piece); err != nil {
			l.Fatal(err)
		}
		if rand.IntN(4) == 0 {
			<-time.After(time.Duration(rand.IntN(2000)) * time.Microsecond)
		}
	}
	for answers > 0 {
		f, err := l.in.Next()
		if err != nil {
			l.Fatalf("%d answers are missing, the loan is %v: %v", answers, l.state(), err)
		}
		if f.End || f.Type == http2.FramePing && f.Ack {
			answers--
		}
	}
}

// An idle connection costs a server its Conn above all. The next size class after
// 1024 octets is 1152, and the runtime puts a header of 8 before what has pointers.
func TestConnIsSmall(t *testing.T) {
	if size := unsafe.Sizeof(Conn{}); unsafe.Sizeof(uintptr(0)) == 8 && size > 1024-8 {
		t.Errorf("a Conn has %d octets; want 1016 at most", size)
	}
}

// The end of the connection does not delay a recall: without that the poller would wait for the
// deadline.
func TestRecallAfterClose(t *testing.T) {
	for n := range 10 {
		l := newLender(t, lending{cfg: Config{LingerTimeout: never}})
		l.untilServed()
		l.conn.Close()
		l.post(n)
		l.wantPosted("after Close", n)
		_ = l.below.Close()
	}
}

// A poller that is recalled has not heard from the peer.
func TestRecallIsNoSignOfLife(t *testing.T) {
	l := newLender(t, lending{})
	l.untilServed()
	before := l.conn.timers.lastRead.Load()
	l.post(1)
	l.wantPosted("nothing has come", 1)
	if l.conn.timers.lastRead.Load() != before {
		t.Error("the keepalive takes a recall for something read")
	}
}
