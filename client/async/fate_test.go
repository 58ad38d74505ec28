package async_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc"
)

// fate is one row of the fate table (C-core study, section 5.9): what the ends
// of a call see of an event. There are two calls: of "idle" both ends read and
// nothing is written, of "busy" both ends write and nobody reads.
type fate struct {
	name string
	do   func(s *stage, d *talk, cancel func()) // to each of the calls
	code cqrpc.Code                             // of the client's Finish

	clientRead, clientWrite, serverRead, serverWrite bool
	isCancelled                                      bool
	finish                                           string // of the server: its event, "" if do has finished
}

var fates = []fate{
	{
		name: "server sends OK", code: cqrpc.CodeOK,
		do: func(s *stage, d *talk, _ func()) { must(s, d.server.Finish(cqrpc.Status{}, "finish")) },
		// The writes of busy are blocked by flow control: the server's goes out before
		// its status once the client drops it, the client's has become pointless.
		serverWrite: true,
	},
	{
		name: "server sends error", code: teapot.Code,
		do:          func(s *stage, d *talk, _ func()) { must(s, d.server.Finish(teapot, "finish")) },
		serverWrite: true,
	},
	{
		name: "client TryCancel", code: cqrpc.CodeCanceled, isCancelled: true, finish: "!finish",
		do: func(_ *stage, d *talk, _ func()) { d.client.TryCancel() },
	},
	{
		name: "client's context ends", code: cqrpc.CodeCanceled, isCancelled: true, finish: "!finish",
		do: func(_ *stage, _ *talk, cancel func()) { cancel() },
	},
	{
		name: "deadline", code: cqrpc.CodeDeadlineExceeded, isCancelled: true, finish: "!finish",
		do: func(*stage, *talk, func()) { time.Sleep(time.Hour) }, // fake clock
	},
	{
		name: "connection lost", code: cqrpc.CodeUnavailable, isCancelled: true, finish: "!finish",
		do: func(s *stage, _ *talk, _ func()) { s.cut() },
	},
	{
		name: "server TryCancel", code: cqrpc.CodeCanceled, isCancelled: true, finish: "!finish",
		do: func(_ *stage, d *talk, _ func()) { d.ctx.TryCancel() },
	},
	{
		name: "server Shutdown(deadline) hit", code: cqrpc.CodeUnavailable, isCancelled: true, finish: "!finish",
		do: func(s *stage, _ *talk, _ func()) { s.server.CancelAllCalls() },
	},
}

func TestFate(t *testing.T) {
	for _, f := range fates {
		t.Run(f.name, func(t *testing.T) {
			t.Run("idle", func(t *testing.T) { play(t, f.idle) })
			t.Run("busy", func(t *testing.T) { play(t, f.busy) })
		})
	}
}

func event(name string, ok bool) string {
	if ok {
		return name
	}
	return "!" + name
}

// idle has a read outstanding at both ends.
func (f *fate) idle(s *stage) {
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	d := s.talk(ctx, "")
	must(s, d.client.Read(&d.res, "read"))
	must(s, d.server.Read(&d.req, "read"))
	s.want("nothing to read", s.cq)
	s.want("nothing to read", s.sq)
	f.do(s, d, cancel)
	server := []string{event("read", f.serverRead), "done"}
	if f.finish == "" {
		server = append(server, "finish")
	}
	s.want("the server's end", s.sq, server...)
	s.want("the client's end", s.cq, event("read", f.clientRead))
	f.finale(s, d)
}

// busy has a write outstanding at both ends.
func (f *fate) busy(s *stage) {
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	d := s.talk(ctx, "")
	must(s, d.client.Write(huge, "write"))
	must(s, d.server.Write(huge, "write"))
	s.want("blocked", s.cq)
	s.want("blocked", s.sq)
	f.do(s, d, cancel)
	synctest.Wait()
	if f.finish == "" { // the status waits behind the response, which nobody reads
		must(s, d.client.Finish(&d.status, "finish"))
		s.want("the server's end", s.sq, event("write", f.serverWrite), "done", "finish")
		s.want("the client's end", s.cq, event("write", f.clientWrite), "finish")
		s.wantStatus("the client's", d.status, f.code)
		return
	}
	s.want("the server's end", s.sq, event("write", f.serverWrite), "done")
	s.want("the client's end", s.cq, event("write", f.clientWrite))
	f.finale(s, d)
}

// finale is what follows: later operations fail, and the client learns why.
func (f *fate) finale(s *stage, d *talk) {
	if d.ctx.IsCancelled() != f.isCancelled || d.ctx.Err() == nil {
		s.Errorf("cancelled %v, context %v; want %v", d.ctx.IsCancelled(), d.ctx.Err(), f.isCancelled)
	}
	must(s, d.client.Write(&d.req, "later write"))
	s.want("nothing is written to a dead call", s.cq, "!later write")
	must(s, d.client.Finish(&d.status, "finish"))
	s.want("Finish is always true", s.cq, "finish")
	s.wantStatus("the client's", d.status, f.code)
	if f.finish != "" {
		must(s, d.server.Finish(cqrpc.Status{}, "finish"))
		s.want("the server's status is too late", s.sq, f.finish)
	}
}

// The last row: the client's half-close is an end of the requests and of
// nothing else.
func TestFateOfHalfClose(t *testing.T) {
	play(t, func(s *stage) {
		d := s.talk(s.Context(), "")
		must(s, d.server.Read(&d.req, "read"))
		must(s, d.server.Write(huge, "write"))
		must(s, d.client.WritesDone("half-close"))
		s.want("it is out", s.cq, "half-close")
		s.want("the write is unaffected, and the call is not over", s.sq, "!read")
		must(s, d.client.Read(&d.res, "read"))
		s.want("the write was read", s.cq, "read")
		s.want("and is done", s.sq, "write")
		must(s, d.server.Finish(cqrpc.Status{}, "finish"))
		s.want("now it is over", s.sq, "finish", "done")
		must(s, d.client.Finish(&d.status, "finish"))
		s.want("for both", s.cq, "finish")
		s.wantStatus("as it should be", d.status, cqrpc.CodeOK)
	})
}
