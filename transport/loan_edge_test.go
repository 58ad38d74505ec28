//go:build unix

package transport

import (
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// A stream has a source while nobody reads its connection.
func TestStreamSource(t *testing.T) {
	c := &Conn{}
	s := &Stream{conn: c}
	if got := s.Source(); got != nil {
		t.Errorf("a connection that has never lent has the source %v", got)
	}
	l := newLoan(c)
	c.loan.Store(l)
	for is := kept; is <= served; is++ {
		l.state.Store(uint32(is))
		switch got := s.Source(); {
		case is != lent && got != nil:
			t.Errorf("%v: the source is %v; want none", is, got)
		case is == lent && got != cq.Source(l):
			t.Errorf("%v: the source is %v; want the loan", is, got)
		}
	}
}

func TestIsCrowded(t *testing.T) {
	queue, pool := cq.New(), cq.NewPool(1)
	for _, tc := range []struct {
		name           string
		host           cq.Host
		asked, streams int
		want           bool
	}{
		{"a queue takes all", queue, 100, 100, false},
		{"a pool has one message", pool, 1, 100, false},
		{"a pool has two", pool, 2, 1, true},
		{"nothing was asked of a pool", pool, 0, 100, false},
		{"the only waiter", cq.Waiters(), 1, 1, false},
		{"the last waiter has left", cq.Waiters(), 1, 0, false},
		{"a waiter of two messages", cq.Waiters(), 2, 1, true},
		{"a waiter beside others", cq.Waiters(), 1, 2, true},
		{"waiters for nothing that has come", cq.Waiters(), 0, 2, true},
	} {
		c := &Conn{asked: int32(tc.asked)}
		c.streams.table = make(map[uint32]*Stream)
		for id := range uint32(tc.streams) {
			c.streams.table[id] = nil
		}
		if got := c.isCrowded(tc.host); got != tc.want {
			t.Errorf("%s: %v; want %v", tc.name, got, tc.want)
		}
	}
}

// bomb is an asking whose message may be for an inline reaction.
type bomb struct {
	asking
	inline *cq.Queue
	react  *atomic.Pointer[func(cq.Event)] // nil: it is as any other
}

func (b *bomb) OnData(data *mem.Buffer, end bool, lane *cq.Lane) {
	f := b.react.Load()
	if f == nil || lane.Host() == nil {
		b.asking.OnData(data, end, lane)
		return
	}
	b.react.Store(nil)
	data.Free()
	b.inline.Begin()
	lane.Add(b.inline, cq.Completion{Tag: *f, OK: true})
}

// An inline reaction that ends the goroutine of a poller that reads, or panics and is recovered by the
// poller's user, ends the connection. Its queue goes on.
func TestAReactionEndsThePoller(t *testing.T) {
	for name, react := range map[string]func(cq.Event){
		"panic": func(cq.Event) { panic("of a reaction") }, "Goexit": func(cq.Event) { runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			lendingOver(t, func(t *testing.T, isSecure bool) {
				leak.Check(t)
				peer, nc := ends(t, "tcp", "127.0.0.1:0")
				l := &lender{T: t, handler: newTestHandler(), peer: peer, below: peer, posted: make(chan cq.Tag, 10)}
				if isSecure {
					l.peer, nc = encrypted(t, peer, nc)
				}
				l.queues = []*cq.Queue{cq.New()}
				inline := cq.NewCallback(cq.Inline(), nil)
				var armed atomic.Pointer[func(cq.Event)]
				l.handler.onStream = func(s *Stream, _ *frame.Headers, _ *cq.Lane) {
					s.Accept(&bomb{asking{l, s}, inline, &armed})
				}
				gone := make(chan any, 1)
				l.polling.Go(func() {
					defer func() { gone <- recover() }()
					l.poll(l.queues[0])
				})
				l.start(nc, lending{pollers: -1})
				l.untilServed()
				armed.Store(&react)
				l.request()
				if err := l.wantClosed(); !errors.Is(err, errAbandoned) {
					t.Errorf("closed because of %v; want %v", err, errAbandoned)
				}
				if got := <-gone; (got != nil) != (name == "panic") {
					t.Errorf("the poller recovers %v", got)
				}
				l.polling.Go(func() { l.poll(l.queues[0]) })
				l.post(1)
				l.wantPosted("after the end", 1)
			})
		})
	}
}

// told is an asking whose answer ends in an inline reaction, of which one may never return.
type told struct {
	asking
	inline *cq.Queue
	react  *atomic.Pointer[func(cq.Event)] // nil: nothing happens
}

func (a *told) OnSent(_ frame.Sent, lane *cq.Lane) { a.tell(lane) }

func (a *told) OnClosed(_ *frame.CloseError, _ frame.Sent, lane *cq.Lane) { a.tell(lane) }

func (a *told) tell(lane *cq.Lane) {
	if f := a.react.Load(); f != nil && isOnPoller() {
		a.react.Store(nil)
		a.inline.Begin()
		lane.Add(a.inline, cq.Completion{Tag: *f, OK: true})
	}
}

// Such a reaction to what was written leaves the connection without a flusher: another goroutine
// goes on, so that the connection comes to its end.
func TestAReactionEndsTheFlusher(t *testing.T) {
	for name, react := range map[string]func(cq.Event){
		"panic": func(cq.Event) { panic("of a reaction") }, "Goexit": func(cq.Event) { runtime.Goexit() },
	} {
		t.Run(name, func(t *testing.T) {
			inline := cq.NewCallback(cq.Inline(), nil)
			var armed atomic.Pointer[func(cq.Event)]
			leak.Check(t)
			peer, nc := ends(t, "tcp", "127.0.0.1:0")
			l := &lender{T: t, handler: newTestHandler(), peer: peer, below: peer, posted: make(chan cq.Tag, 10)}
			l.queues = []*cq.Queue{cq.New()}
			l.handler.onStream = func(s *Stream, _ *frame.Headers, _ *cq.Lane) {
				s.Accept(&told{asking{l, s}, inline, &armed})
			}
			gone := make(chan any, 1)
			l.polling.Go(func() {
				defer func() { gone <- recover() }()
				l.poll(l.queues[0])
			})
			l.start(nc, lending{pollers: -1})
			l.untilServed()
			armed.Store(&react)
			l.until("no poller writes", func() bool {
				err := l.tryAsk() // the connection may end meanwhile
				return err != nil || armed.Load() == nil
			})
			if err := l.wantClosed(); !errors.Is(err, errAbandoned) {
				t.Errorf("closed because of %v; want %v", err, errAbandoned)
			}
			if got := <-gone; (got != nil) != (name == "panic") {
				t.Errorf("the poller recovers %v", got)
			}
			l.polling.Go(func() { l.poll(l.queues[0]) })
			l.post(1)
			l.wantPosted("after the end", 1)
		})
	}
}

// A record that cannot be decrypted makes crypto/tls write an alert, while it is read. The poller
// does not wait for the peer to take it, where the flusher waits already.
func TestABadRecordWhileTheSocketIsFull(t *testing.T) {
	const size, messages = 4 << 20, 8
	var isTried, isSent atomic.Bool
	// A pause of loans may take more requests than a server has streams for by default.
	unlimited := Config{MaxConcurrentStreams: -1}
	l := newLender(t, lending{cfg: unlimited, isSecure: true, meet: func(l *lender, ev cq.Event) bool {
		s, ok := ev.Tag.(*Stream)
		if !ok || !isTried.Load() {
			return false
		}
		if isSent.Swap(true) {
			return true // no answer is as good as one that nobody takes
		}
		for i := range messages {
			o := message(make([]byte, size))
			if i == 0 {
				o.Headers = responseHeaders()
			}
			s.Send(o)
		}
		return true
	}})
	l.out.Settings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1})
	l.out.WindowUpdate(0, 1<<30)
	l.untilServed()
	isTried.Store(true)
	s := secured(l.conn.nc)
	l.until("the socket is never full while a poller reads", func() bool {
		l.request()
		return holdsWithin(2*time.Millisecond, l.isWaiting) && isFull(s)
	})
	if _, err := l.below.Write(append([]byte{23, 3, 3, 0, 64}, make([]byte, 64)...)); err != nil {
		t.Fatal(err)
	}
	holdsWithin(20*time.Millisecond, func() bool { return !l.isWaiting() })
	l.post(1)
	l.wantPosted("after a record that cannot be decrypted", 1)
}

// isFull reports whether something waits to be written, and nothing is for a while.
func isFull(s *secureSocket) bool {
	sent := func() int {
		s.below.mu.Lock()
		defer s.below.mu.Unlock()
		if s.below.late == nil {
			return -1
		}
		return s.below.late.sent
	}
	before := sent()
	return before >= 0 && !holdsWithin(20*time.Millisecond, func() bool { return sent() != before })
}

// What a peer has its *tls.Conn answer, and does not take, has a bound. Nobody waits for it.
func TestAnswersThatThePeerDoesNotTake(t *testing.T) {
	leak.Check(t)
	_, _, s := secureEnds(t)
	const size = 16 << 10
	p := noise(size)
	s.below.noWait.Store(true) // as while it is read
	defer s.below.noWait.Store(false)
	var err error
	n := 0
	for end := time.Now().Add(patience); err == nil && time.Now().Before(end); n++ {
		_, err = s.below.Write(p)
	}
	if !errors.Is(err, errTakesNothing) {
		t.Fatalf("after %d answers: %v", n, err)
	}
	s.below.mu.Lock()
	rest := len(s.below.late.buf) - s.below.late.sent
	s.below.mu.Unlock()
	if rest <= mostLateByReading-size || rest > mostLateByReading+size {
		t.Errorf("%d octets wait to be written; want about %d", rest, mostLateByReading)
	}
	_ = s.Close()
}

// TestRecallStress: what comes from the peer, or from others, comes at any moment of the way of
// a poller into the socket. It never waits there for more than that.
func TestRecallStress(t *testing.T) {
	lendingOver(t, func(t *testing.T, isSecure bool) {
		l := newLender(t, lending{isSecure: isSecure, pollers: -1})
		var reading sync.WaitGroup
		_ = l.peer.SetReadDeadline(time.Time{})
		reading.Go(func() { _, _ = io.Copy(io.Discard, l.peer) })
		q := l.queues[0]
		asks := make(chan bool)
		reading.Go(func() {
			for isPosted := range asks {
				switch {
				case isPosted:
					_ = q.Post("posted", true)
				case rand.IntN(4) == 0:
					_, message := l.writeLarge()
					_, _ = l.peer.Write(message[:len(message)/2])
					runtime.Gosched()
					_, _ = l.peer.Write(message[len(message)/2:])
				default:
					l.writeRequest()
					_ = l.out.Flush(l.peer)
				}
			}
		})
		rounds := 0
		isDone := func() bool { return l.byPoll.Load() > 0 || rounds > 100_000 } // however slow the machine is
		for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end) || !isDone(); rounds++ {
			asks <- rand.IntN(8) == 0
			d := time.Duration(rand.IntN(40_000))
			for began := time.Now(); time.Since(began) < d; {
				runtime.Gosched()
			}
			ev := q.NextUntil(time.Now().Add(patience)) // no other ask would bring what was missed
			if ev.Kind != cq.OpComplete {
				t.Fatalf("round %d: %v; the loan is %v", rounds, ev.Kind, l.state())
			}
			if s, ok := ev.Tag.(*Stream); ok {
				s.Send(frame.Outgoing{Headers: responseHeaders(), Trailers: statusOK()})
			}
		}
		byPoll := l.byPoll.Load()
		close(asks)
		l.conn.Close()
		_ = l.below.Close()
		reading.Wait()
		if byPoll == 0 {
			t.Error("the poller has never read")
		}
		t.Logf("%d rounds, %d by the poller", rounds, byPoll)
	})
}

// The end of a connection whose peer goes on to send takes LingerTimeout, however often who reads is
// nudged meanwhile.
func TestNudgesDoNotMoveTheEnd(t *testing.T) {
	const linger = 100 * time.Millisecond
	for name, until := range map[string]func(l *lender){
		"served": (*lender).untilServed, "kept": func(*lender) {},
	} {
		t.Run(name, func(t *testing.T) {
			lendingOver(t, func(t *testing.T, isSecure bool) {
				l := newLender(t, lending{isSecure: isSecure, cfg: Config{LingerTimeout: linger}})
				until(l)
				over := make(chan struct{})
				var disturbing sync.WaitGroup
				disturb := func(f func()) {
					disturbing.Go(func() {
						for {
							select {
							case <-over:
								return
							case <-time.After(time.Duration(rand.IntN(300)) * time.Microsecond):
								f()
							}
						}
					})
				}
				disturb(l.conn.nudge)
				disturb(func() {
					l.out.Ping([8]byte{1})
					_ = l.out.Flush(l.peer)
				})
				disturbing.Go(func() { _, _ = io.Copy(io.Discard, l.peer) })
				check := ending(t, l.conn)
				if err := l.wantClosed(); err != nil {
					t.Error(err)
				}
				check()
				close(over)
				_ = l.below.Close()
				disturbing.Wait()
			})
		})
	}
}

// A poller that has read many requests writes answers before it has made all: between its
// events, when as many streams as are worth a write have something to send.
func TestAPollerWritesBetweenItsEvents(t *testing.T) {
	lendingOver(t, func(t *testing.T, isSecure bool) {
		var hasWritten atomic.Bool
		var away int64 // since when the poller is, with what it has read
		made := 0      // answers since then
		l := newLender(t, lending{isSecure: isSecure, meet: func(l *lender, _ cq.Event) bool {
			loan := l.conn.loan.Load()
			if loan == nil || !loan.is(lent) {
				away = 0
				return false
			}
			if since := loan.left.Load(); since != away {
				away, made = since, 0
			}
			if made >= enoughGathered && int(loan.gathered.Load()) < made {
				hasWritten.Store(true)
			}
			made++
			return false
		}})
		l.until("nothing was written before all answers were made", func() bool {
			l.untilServed()
			var last uint32
			for range 3 * enoughGathered {
				last = l.writeRequest()
			}
			l.flush()
			l.wantAnswer(last)
			return hasWritten.Load()
		})
	})
}
