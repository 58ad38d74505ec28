package server_test

import (
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
)

// TestPendingOrder: calls that came before the requests are served oldest first.
func TestPendingOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t)
		m := method(t, s, bidi.Name, server.PayloadNone)
		p := serve(t, s).dial()
		for id := uint32(1); id <= 5; id += 2 {
			p.Request(id, bidi.Name, "n", string(rune('0'+id)))
		}
		p.WantIdle("they wait")
		for _, want := range []string{"1", "3", "5"} {
			slot := ask(t, s, m, q, want)
			wantTag(t, q, want, true)
			if got := slot.Metadata.Get("n"); got != want {
				t.Errorf("got call %s; want %s", got, want)
			}
			finish(t, slot.Call, q)
		}
	})
}

func TestPendingCount(t *testing.T) {
	for _, payload := range []server.PayloadHandling{server.PayloadNone, server.PayloadFirst} {
		bubble(t, func(t *testing.T) {
			s, q := queued(t, server.WithPendingLimits(server.PendingLimits{Calls: 2}))
			m := method(t, s, bidi.Name, payload)
			p := serve(t, s).dial()
			for id := uint32(1); id <= 3; id += 2 {
				p.Request(id, bidi.Name)
				p.WriteMessage(id, false, encoded("x"))
			}
			p.WantIdle("two may wait")
			p.Request(5, bidi.Name)
			p.WantTrailers("three may not", 5, 8, "grpc-message", "Too many pending requests for this server")
			p.WantRST("the client was not done", 5, http2.ErrCodeNo)

			p.WriteRST(1, http2.ErrCodeCancel)
			p.Request(7, bidi.Name)
			p.WriteMessage(7, false, encoded("y"))
			p.WantIdle("one has left, there is room")

			for _, tag := range []string{"a", "b"} {
				slot := ask(t, s, m, q, tag)
				wantTag(t, q, tag, true)
				slot.Payload.Free()
				finish(t, slot.Call, q)
			}
			slot := ask(t, s, m, q, "c")
			wantNoTag(t, q)
			p.Request(9, bidi.Name)
			p.WriteMessage(9, false, nil)
			wantTag(t, q, "c", true)
			slot.Payload.Free()
			slot.Call.Close()
		})
	}
}

// TestPendingBytes: what a call sends while it waits counts, message or not.
func TestPendingBytes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t, server.WithPendingLimits(server.PendingLimits{Bytes: 1000}))
		m := method(t, s, bidi.Name, server.PayloadNone)
		p := serve(t, s).dial()
		p.Request(1, bidi.Name)
		p.WriteMessage(1, false, make([]byte, 595)) // 600 with its prefix
		p.Request(3, bidi.Name)
		p.WriteMessage(3, false, make([]byte, 295))
		p.WantIdle("that is 900")
		p.WriteMessage(3, false, make([]byte, 195))
		p.WantTrailers("1100 is too much", 3, 8, "grpc-message", "Too many bytes in pending requests for this server")
		p.WantRST("the client was not done", 3, http2.ErrCodeNo)
		slot := ask(t, s, m, q, "request")
		wantTag(t, q, "request", true)
		p.WriteMessage(1, false, make([]byte, 5000))
		p.WantIdle("a call that was given out is the application's")
		finish(t, slot.Call, q)
		p.WantTrailers("the application's end of it", 1, 0)
		p.WantRST("the client was not done", 1, http2.ErrCodeNo)
		p.Request(5, bidi.Name)
		p.WriteMessage(5, false, make([]byte, 900))
		p.WantIdle("all that was held is given back")
	})
}

func TestPendingBytesOfPayload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t, server.WithPendingLimits(server.PendingLimits{Bytes: 1000}))
		m := method(t, s, unary.Name, server.PayloadOnly)
		p := serve(t, s).dial()
		p.Request(1, unary.Name)
		p.WriteMessage(1, true, make([]byte, 595))
		p.WantIdle("600 bytes may wait")
		p.Request(3, unary.Name)
		p.WriteMessage(3, true, make([]byte, 595))
		p.WantTrailers("1200 may not", 3, 8)
		p.WriteRST(1, http2.ErrCodeCancel)
		p.Request(5, unary.Name)
		p.WriteMessage(5, true, make([]byte, 595))
		p.WantIdle("what the first held is given back")
		slot := ask(t, s, m, q, "request")
		wantTag(t, q, "request", true)
		slot.Payload.Free()
		finish(t, slot.Call, q)
		p.WantTrailers("served", 5, 0)
		p.Request(7, unary.Name)
		p.WriteMessage(7, true, make([]byte, 595))
		p.WantIdle("and what that held that was given out")
	})
}

// TestPendingCallsOfOthers: calls that need not wait are served when no more may wait.
func TestPendingCallsOfOthers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t, server.WithPendingLimits(server.PendingLimits{Calls: 1}))
		method(t, s, bidi.Name, server.PayloadNone)
		m := method(t, s, unary.Name, server.PayloadOnly)
		p := serve(t, s).dial()
		p.Request(1, bidi.Name)
		p.WantIdle("it waits")
		slot := ask(t, s, m, q, "request")
		p.Request(3, unary.Name)
		p.WriteMessage(3, true, encoded("x"))
		wantTag(t, q, "request", true)
		slot.Payload.Free()
		finish(t, slot.Call, q)
		p.WantTrailers("served", 3, 0)
	})
}

// TestPendingAge: a timer ends what waits too long, without anybody touching
// the matcher.
func TestPendingAge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t)
		m := method(t, s, bidi.Name, server.PayloadNone)
		p := serve(t, s).dial()
		p.Request(1, bidi.Name)
		p.Advance(20 * time.Second)
		p.Request(3, bidi.Name)
		p.Advance(10*time.Second - 1)
		p.WantIdle("not yet 30 s")
		p.Advance(1)
		p.WantTrailers("30 s are enough", 1, 14, "grpc-message", "Nobody asked for the call within 30s")
		p.WantRST("the client was not done", 1, http2.ErrCodeNo)
		p.Advance(20*time.Second - 1)
		p.WantIdle("the next is younger")
		slot := ask(t, s, m, q, "just in time")
		wantTag(t, q, "just in time", true)
		p.Advance(time.Minute)
		p.WantIdle("a call that was given out has no age")
		finish(t, slot.Call, q)
	})
}

// TestPendingAgeOfEach: each call has its own age.
func TestPendingAgeOfEach(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, _ := queued(t)
		method(t, s, bidi.Name, server.PayloadNone)
		p := serve(t, s).dial()
		for id := uint32(1); id <= 5; id += 2 {
			p.Request(id, bidi.Name)
			p.Advance(10 * time.Second)
		}
		for id := uint32(1); id <= 5; id += 2 {
			p.WantTrailers("it is 30 s old", id, 14)
			p.WantRST("the client was not done", id, http2.ErrCodeNo)
			p.WantIdle("the next is younger")
			p.Advance(10 * time.Second)
		}
	})
}

func TestPendingWithoutLimits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t, server.WithPendingLimits(server.PendingLimits{Calls: -1, Bytes: -1, Age: -1}))
		m := method(t, s, bidi.Name, server.PayloadNone)
		p := serve(t, s).dial()
		const n = 500 // of the 1000 streams a connection may have
		for i := range uint32(n) {
			p.Request(2*i+1, bidi.Name)
		}
		p.Advance(time.Hour)
		for i := range n {
			ask(t, s, m, q, i)
			wantTag(t, q, i, true)
		}
	})
}

// TestDeadCallIsNotGivenOutBeforeItsStatus: a call whose status cannot be written, because
// its client does not read, is over all the same.
func TestDeadCallIsNotGivenOutBeforeItsStatus(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t)
		m := method(t, s, bidi.Name, server.PayloadNone)
		x := serve(t, s)
		client, end := memconn.Pipe()
		go func() { _ = s.ServeConn(end) }()
		p := h2peer.New(t, client, h2peer.Client)
		p.Greet()
		end.SetWriteLimit(1)
		client.Stall()
		p.Request(1, bidi.Name, "grpc-timeout", "1S")
		p.Advance(2 * time.Second)
		ask(t, s, m, q, "request")
		wantNoTag(t, q)
		x.dial().Request(1, bidi.Name)
		wantTag(t, q, "request", true)
		client.Close()
	})
}

// TestDeadCallsAreNotGivenOut: calls that ended while they waited are passed
// over.
func TestDeadCallsAreNotGivenOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, q := queued(t)
		m := method(t, s, bidi.Name, server.PayloadNone)
		x := serve(t, s)
		p, gone := x.dial(), x.dial()
		p.Request(1, bidi.Name, "grpc-timeout", "1S")
		p.WriteMessage(1, false, encoded("never read"))
		p.Request(3, bidi.Name)
		p.Request(5, bidi.Name, "n", "5")
		gone.Request(1, bidi.Name)
		p.WriteRST(3, http2.ErrCodeCancel)
		gone.Close()
		p.Advance(2 * time.Second)
		p.WantTrailers("too late", 1, 4)
		p.WantRST("the client was not done", 1, http2.ErrCodeNo)
		slot := ask(t, s, m, q, "request")
		wantTag(t, q, "request", true)
		if slot.Metadata.Get("n") != "5" {
			t.Errorf("got %v", slot.Call)
		}
		finish(t, slot.Call, q)
		ask(t, s, m, q, "another")
		wantNoTag(t, q)
	})
}
