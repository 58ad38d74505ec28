package async_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/async"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	serverasync "github.com/cqrpc/cqrpc/server/async"
)

// okRow is one row of the table of what ok means (C-core study, section 5.1),
// except for Request, whose false is a test of package server/async. Each
// operation is started on a bidi call, in the circumstances that make it true and
// in those that make it false.
type okRow struct {
	side, name    string
	start         func(d *talk) error
	isTrue        func(s *stage, d *talk) // before the operation; nil: nothing is needed
	isFalse       func(s *stage, d *talk) // before or after it; nil: it never is
	isOutstanding bool                    // isFalse comes after the operation was started
}

var okRows = []okRow{
	{
		side: "server", name: "Read",
		start:  func(d *talk) error { return d.server.Read(&d.req, "op") },
		isTrue: clientWrites, isFalse: clientHalfCloses,
	},
	{
		side: "server", name: "Read of a dead call",
		start:  func(d *talk) error { return d.server.Read(&d.req, "op") },
		isTrue: clientWrites, isFalse: clientCancels, isOutstanding: true,
	},
	{
		side: "server", name: "Write",
		start:   func(d *talk) error { return d.server.Write(&text{Value: "res"}, "op") },
		isFalse: clientCancels,
	},
	{
		side: "server", name: "WriteLast",
		start:   func(d *talk) error { return d.server.WriteLast(&text{Value: "res"}, "op") },
		isFalse: clientCancels,
	},
	{
		side: "server", name: "SendInitialMetadata",
		start:   func(d *talk) error { return d.server.SendInitialMetadata("op") },
		isFalse: clientCancels,
	},
	{
		side: "server", name: "Finish",
		start:   func(d *talk) error { return d.server.Finish(cqrpc.Status{}, "op") },
		isFalse: clientCancels,
	},
	{
		side: "server", name: "WriteAndFinish",
		start:   func(d *talk) error { return d.server.WriteAndFinish(&text{}, cqrpc.Status{}, "op") },
		isFalse: clientCancels,
	},
	{
		side: "server", name: "AsyncNotifyWhenDone",
		start: func(d *talk) error { return d.ctx.AsyncNotifyWhenDone(d.queue, "op") },
		isTrue: func(_ *stage, d *talk) {
			d.client.TryCancel()
		},
	},
	{
		side: "client", name: "Write",
		start:   func(d *talk) error { return d.client.Write(&text{Value: "req"}, "op") },
		isFalse: clientCancels,
	},
	{
		side: "client", name: "WriteLast",
		start:   func(d *talk) error { return d.client.WriteLast(&text{Value: "req"}, "op") },
		isFalse: clientCancels,
	},
	{
		side: "client", name: "WritesDone",
		start: func(d *talk) error {
			return errors.Join(d.client.Write(huge, "huge"), d.client.WritesDone("op"))
		},
		isTrue: func(_ *stage, d *talk) {
			_ = d.server.Read(&d.req, "huge")
		},
		isFalse: clientCancels, isOutstanding: true,
	},
	{
		side: "client", name: "Read",
		start:  func(d *talk) error { return d.client.Read(&d.res, "op") },
		isTrue: serverWrites, isFalse: serverFinishes,
	},
	{
		side: "client", name: "Read of a dead call",
		start:  func(d *talk) error { return d.client.Read(&d.res, "op") },
		isTrue: serverWrites, isFalse: clientCancels, isOutstanding: true,
	},
	{
		side: "client", name: "ReadInitialMetadata",
		start:  func(d *talk) error { return d.client.ReadInitialMetadata("op") },
		isTrue: serverWrites,
	},
	{
		side: "client", name: "Finish",
		start:  func(d *talk) error { return d.client.Finish(&d.status, "op") },
		isTrue: serverFinishes,
	},
	{
		side: "client", name: "Finish of a dead call",
		start:  func(d *talk) error { return d.client.Finish(&d.status, "op") },
		isTrue: clientCancels,
	},
}

func clientWrites(s *stage, d *talk) { must(s, d.client.Write(&text{Value: "req"}, "other")) }

func clientHalfCloses(s *stage, d *talk) { must(s, d.client.WritesDone("other")) }

func clientCancels(_ *stage, d *talk) { d.client.TryCancel() }

func serverWrites(s *stage, d *talk) { must(s, d.server.Write(&text{Value: "res"}, "other")) }

func serverFinishes(s *stage, d *talk) { must(s, d.server.Finish(teapot, "other")) }

func TestOK(t *testing.T) {
	for i := range okRows {
		row := &okRows[i]
		t.Run(row.side+" "+row.name, func(t *testing.T) {
			t.Run("true", func(t *testing.T) { play(t, func(s *stage) { row.run(s, true, row.isTrue) }) })
			if row.isFalse != nil {
				t.Run("false", func(t *testing.T) { play(t, func(s *stage) { row.run(s, false, row.isFalse) }) })
			}
		})
	}
}

func (row *okRow) run(s *stage, want bool, circumstance func(*stage, *talk)) {
	d := s.talk(s.Context(), "")
	isBefore := want || !row.isOutstanding
	if circumstance != nil && isBefore {
		circumstance(s, d)
		synctest.Wait()
	}
	must(s, row.start(d))
	if !isBefore {
		synctest.Wait()
		circumstance(s, d)
	}
	q := s.cq
	if row.side == "server" {
		q = s.sq
	}
	row.wantOp(s, q, want)
	s.end(d)
}

// wantOp wants the event of the operation among others.
func (row *okRow) wantOp(s *stage, q *cq.Queue, want bool) {
	s.Helper()
	synctest.Wait()
	ev := q.NextUntil(time.Now())
	for ; ev.Kind == cq.OpComplete && ev.Tag != "op"; ev = q.NextUntil(time.Now()) {
	}
	if ev.Kind != cq.OpComplete || ev.OK != want || ev.OK != (ev.Err == nil) {
		s.Errorf("got %+v; want ok %v", ev, want)
	}
}

// StartCall is false if there is no connection to be had; so it is in all
// streaming forms. Finish says why.
func TestStartCallFailsFast(t *testing.T) {
	play(t, func(s *stage) {
		s.net.Refuse(errors.New("nobody home"))
		var res text
		r, err := async.ServerStream(s.Context(), s.ch, serverStream, &res, s.cq, "reader")
		must(s, err)
		w, err := async.ClientStream(s.Context(), s.ch, clientStream, &res, s.cq, "writer")
		must(s, err)
		rw, err := async.BidiStream(s.Context(), s.ch, bidi, s.cq, "both")
		must(s, err)
		s.want("no connection", s.cq, "!reader", "!writer", "!both")
		must(s, rw.ReadInitialMetadata("header"))
		s.want("and never will be", s.cq, "!header")
		var st [3]cqrpc.Status
		must(s, errors.Join(r.Finish(&st[0], "reader"), w.Finish(&st[1], "writer"), rw.Finish(&st[2], "both")))
		s.want("Finish is always true", s.cq, "reader", "writer", "both")
		for i := range st {
			s.wantStatus("nobody home", st[i], cqrpc.CodeUnavailable)
		}
	})
}

// asProto sends bytes for what the server takes for protobuf.
type asProto struct{ codec.Codec }

func (asProto) Name() string { return "proto" }

// A message that does not parse is none: Read is false, and the call over.
func TestReadOfWhatDoesNotParse(t *testing.T) {
	play(t, func(s *stage) {
		d := s.talk(s.Context(), "", client.WithCallCodec(asProto{codec.Bytes()}))
		raw := []byte{0xff}
		must(s, d.client.Call().StartBatch([]call.Op{call.SendValue(&raw)}, "write"))
		s.want("written", s.cq, "write")
		must(s, d.server.Read(&d.req, "read"))
		ev := s.want("not a message of this type", s.sq, "!read", "done")
		for _, e := range ev {
			if e.Tag == "read" && cqrpc.CodeOf(e.Err) != cqrpc.CodeInternal {
				s.Errorf("the reason is %v", e.Err)
			}
		}
		s.end(d)
	})
}

// A unary call in all its ends, on both sides.
func TestOKOfUnary(t *testing.T) {
	var ok cqrpc.Status
	for name, finish := range map[string]func(w *serverasync.ResponseWriter[text]) error{
		"Finish": func(w *serverasync.ResponseWriter[text]) error {
			return w.Finish(wrapperspb.String("res"), ok, "finish")
		},
		"FinishWithError": func(w *serverasync.ResponseWriter[text]) error {
			return w.FinishWithError(teapot, "finish")
		},
	} {
		for _, isDead := range []bool{false, true} {
			t.Run(event(name, !isDead), func(t *testing.T) {
				play(t, func(s *stage) { s.unaryOK(isDead, finish) })
			})
		}
	}
}

func (s *stage) unaryOK(isDead bool, finish func(*serverasync.ResponseWriter[text]) error) {
	var ctx serverasync.Context
	var w serverasync.ResponseWriter[text]
	var req, res text
	var st cqrpc.Status
	must(s, s.unary.Request(&ctx, &req, &w, s.sq, s.sq, "request"))
	r := async.Unary(s.Context(), s.ch, unary, &text{Value: "req"}, s.cq)
	must(s, r.Finish(&res, &st, "finish"))
	s.want("a call has come", s.sq, "request")
	if isDead {
		r.TryCancel()
		s.want("Finish is always true", s.cq, "finish")
		s.wantStatus("cancelled", st, cqrpc.CodeCanceled)
	}
	must(s, finish(&w))
	s.want("the status", s.sq, event("finish", !isDead))
	if !isDead {
		s.want("Finish is always true", s.cq, "finish")
		if (st.Code == cqrpc.CodeOK) != (res.Value == "res") || req.Value != "req" {
			s.Errorf("got %q, %v for %q", res.Value, st, req.Value)
		}
	}
}
