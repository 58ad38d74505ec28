package server

import (
	"math"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// waits returns how many workers wait for a call.
func (w *workers) waits() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.waiting)
}

// nowhere is a stream.
type nowhere struct{}

func (nowhere) Send(frame.Outgoing)   {}
func (nowhere) MaxHeaderList() uint32 { return math.MaxUint32 }
func (nowhere) Obstacle() error       { return nil }
func (nowhere) Source() cq.Source     { return nil }
func (nowhere) Consume(int)           {}
func (nowhere) Reset(frame.ErrCode)   {}
func (nowhere) Excuse()               {}

// job is an rpc whose handler is f.
func job(s *Server, f func()) *rpc {
	headers := &frame.Headers{Fields: []frame.Field{
		{Name: ":method", Value: "POST"}, {Name: ":path", Value: "/a/B"}, {Name: ":authority", Value: "a"},
		{Name: "te", Value: "trailers"}, {Name: "content-type", Value: "application/grpc"},
	}}
	k, err := call.NewServer(nil, call.Config{}, nowhere{}, headers, &call.Peer{})
	if err != nil {
		panic(err)
	}
	r := &rpc{
		conn: &conn{server: s, limit: -1}, call: k, handler: &Handler{shape: call.BidiStream, serve: func(*rpc) { f() }},
	}
	r.ctx.call, r.ctx.rpc = r.call, r
	r.conn.reserve()
	return r
}

// TestWorkers: they wait, are used again, are not too many and do not wait for
// ever.
func TestWorkers(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		s := New()
		w := &s.workers
		ran := 0
		w.hire(job(s, func() { ran++ }))
		synctest.Wait()
		if ran != 1 || w.waits() != 1 {
			t.Fatalf("%d jobs ran, %d workers wait", ran, w.waits())
		}
		before := leak.InBubble()
		w.hire(job(s, func() { ran++ }))
		synctest.Wait()
		if ran != 2 || w.waits() != 1 || leak.InBubble() != before {
			t.Errorf("%d jobs ran, %d workers wait, %d goroutines became %d",
				ran, w.waits(), before, leak.InBubble())
		}

		release, most := make(chan struct{}), maxIdleWorkers
		for range most + 5 {
			w.hire(job(s, func() { <-release }))
		}
		synctest.Wait()
		close(release)
		synctest.Wait()
		if w.waits() != most {
			t.Errorf("%d workers wait; want %d", w.waits(), most)
		}

		time.Sleep(idleWorkerLife) // of the bubble: the burst was in this period
		synctest.Wait()
		w.hire(job(s, func() {}))
		synctest.Wait()
		time.Sleep(idleWorkerLife)
		synctest.Wait()
		if w.waits() != 1 {
			t.Errorf("%d workers wait; want the one that was needed", w.waits())
		}
		time.Sleep(3 * idleWorkerLife)
		if w.waits() != 0 {
			t.Errorf("%d workers wait after a long silence", w.waits())
		}

		w.hire(job(s, func() {}))
		synctest.Wait()
		w.close()
		w.hire(job(s, func() { ran++ }))
		synctest.Wait()
		if ran != 3 || w.waits() != 0 {
			t.Errorf("after close %d jobs ran, %d workers wait", ran, w.waits())
		}
	})
}

// The timer may have fired when close stops it.
func TestWorkersAreTrimmedAfterClose(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		s := New()
		w := &s.workers
		for range 3 {
			w.hire(job(s, func() { time.Sleep(time.Second) })) // fake clock
		}
		time.Sleep(idleWorkerLife + 2*time.Second) // fake clock
		if w.waits() != 3 {
			t.Fatalf("%d workers wait", w.waits())
		}
		w.close()
		w.trim()
		if w.waits() != 0 || w.timer != nil {
			t.Errorf("%d workers wait, for the timer %v", w.waits(), w.timer)
		}
	})
}

// TestWorkerSurvivesPanic: and its place is taken if the goroutine does not.
func TestWorkerSurvivesPanic(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		s := New(WithPanicHandler(func(string, any, []byte) {}))
		s.workers.hire(job(s, func() { panic("x") }))
		synctest.Wait()
		if s.workers.waits() != 1 {
			t.Error("a panic ended the worker")
		}
		s.workers.hire(job(s, runtime.Goexit))
		synctest.Wait()
		if n := s.handling.Load(); n != 0 || s.workers.waits() != 0 {
			t.Errorf("%d calls are handled, %d workers wait", n, s.workers.waits())
		}
		s.workers.close()
	})
}
