package async_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/async"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
)

// Every misuse is refused with an error that says what it is; of what is refused
// no tag comes, and the call goes on as if nothing had happened.
func TestMisuse(t *testing.T) {
	play(t, func(s *stage) {
		refuse := func(why string, got, want error) { s.Helper(); refuse(s, why, got, want) }
		d := s.talk(s.Context(), "")
		c := d.client
		refuse("StartCall twice", c.StartCall("x"), async.ErrStarted)
		refuse("StartCallCorked of a started call", c.StartCallCorked(), async.ErrStarted)
		refuse("Read into nil", c.Read(nil, "x"), call.ErrInvalidMessage)
		must(s, c.Read(&d.res, "read"))
		refuse("second outstanding Read", c.Read(&d.res, "x"), call.ErrTooManyOperations)
		must(s, c.Write(huge, "write"))
		refuse("second outstanding Write", c.Write(&d.req, "x"), call.ErrTooManyOperations)
		refuse("WriteLast likewise", c.WriteLast(&d.req, "x"), call.ErrTooManyOperations)
		refuse("flag that no message has", c.Write(&d.req, "x", call.WaitForReady), call.ErrInvalidFlags)
		must(s, c.ReadInitialMetadata("header"))
		refuse("ReadInitialMetadata twice", c.ReadInitialMetadata("x"), call.ErrTooManyOperations)
		must(s, d.server.Read(&d.req, "read"))
		s.want("the huge one", s.sq, "read")
		s.want("is out", s.cq, "write")

		must(s, c.WriteLast(&text{Value: "last"}, "write"))
		refuse("Write after WriteLast", c.Write(&d.req, "x"), async.ErrWritesDone)
		refuse("WriteLast after WriteLast", c.WriteLast(&d.req, "x"), async.ErrWritesDone)
		refuse("WritesDone after WriteLast", c.WritesDone("x"), async.ErrWritesDone)
		must(s, d.server.Read(&d.req, "read"))
		s.want("nothing came between", s.sq, "read")
		if d.req.Value != "last" {
			s.Errorf("read %q", d.req.Value)
		}
		must(s, c.Finish(&d.status, "finish"))
		refuse("Finish twice", c.Finish(&d.status, "x"), async.ErrFinished)
		refuse("Write after Finish", c.Write(&d.req, "x"), async.ErrFinished)
		refuse("WritesDone after Finish", c.WritesDone("x"), async.ErrFinished)
		refuse("ReadInitialMetadata after Finish", c.ReadInitialMetadata("x"), async.ErrFinished)
		refuse("StartCall after Finish", c.StartCall("x"), async.ErrFinished)
		must(s, d.server.Finish(cqrpc.Status{}, "finish"))
		s.want("an orderly end", s.sq, "finish", "done")
		s.want("an orderly end", s.cq, "write", "header", "!read", "finish")
		s.wantStatus("in spite of all", d.status, cqrpc.CodeOK)
	})
}

func TestMisuseBeforeTheStart(t *testing.T) {
	play(t, func(s *stage) {
		var m text
		var st cqrpc.Status
		want := async.ErrNotStarted
		u := async.PrepareUnary(s.Context(), s.ch, unary, &m, s.cq)
		refuse(s, "unary Finish", u.Finish(&m, &st, "x"), want)
		refuse(s, "unary ReadInitialMetadata", u.ReadInitialMetadata("x"), want)
		must(s, u.StartCall())
		refuse(s, "unary StartCall", u.StartCall(), async.ErrStarted)
		u.TryCancel()

		rw := async.PrepareBidiStream(s.Context(), s.ch, bidi, s.cq)
		for name, err := range map[string]error{
			"Read": rw.Read(&m, "x"), "Write": rw.Write(&m, "x"), "WriteLast": rw.WriteLast(&m, "x"),
			"WritesDone": rw.WritesDone("x"), "Finish": rw.Finish(&st, "x"),
			"ReadInitialMetadata": rw.ReadInitialMetadata("x"),
		} {
			refuse(s, name, err, want)
		}
		must(s, rw.StartCallCorked())
		refuse(s, "StartCallCorked twice", rw.StartCallCorked(), async.ErrStarted)
		rw.TryCancel()

		r := async.PrepareServerStream(s.Context(), s.ch, serverStream, &m, s.cq)
		refuse(s, "Read of a Reader", r.Read(&m, "x"), want)
		r.TryCancel()
		w := async.PrepareClientStream(s.Context(), s.ch, clientStream, &m, s.cq)
		refuse(s, "Write of a Writer", w.Write(&m, "x"), want)
		w.TryCancel()
		s.want("no tag of any of it", s.cq)
	})
}

// A message that cannot be marshalled takes nothing with it: not the initial
// metadata of a corked call, not the half-close, not Finish.
func TestMisuseTakesNothingWithIt(t *testing.T) {
	play(t, func(s *stage) {
		d := new(talk)
		must(s, s.bidi.Request(&d.ctx, &d.server, s.sq, s.sq, "request"))
		d.client = async.PrepareBidiStream(s.Context(), s.ch, bidi, s.cq, client.WithCallCodec(picky{Codec: codec.Proto()}))
		must(s, d.client.StartCallCorked())
		bad := &text{Value: "bad"}
		refuse(s, "Write", d.client.Write(bad, "x"), call.ErrInvalidMessage)
		refuse(s, "WriteLast", d.client.WriteLast(bad, "x"), call.ErrInvalidMessage)
		must(s, d.client.Write(&text{Value: "good"}, "write"))
		s.want("the header went with it", s.sq, "request")
		refuse(s, "WriteLast", d.client.WriteLast(bad, "x"), call.ErrInvalidMessage)
		s.want("written", s.cq, "write")
		must(s, d.client.WritesDone("half-close"))
		s.want("not closed before", s.cq, "half-close")
		s.end(d)

		u := async.Unary(s.Context(), s.ch, unary, bad, s.cq, client.WithCallCodec(picky{Codec: codec.Proto()}))
		refuse(s, "Finish", u.Finish(&d.res, &d.status, "x"), call.ErrInvalidMessage)
		refuse(s, "ReadInitialMetadata", u.ReadInitialMetadata("x"), call.ErrInvalidMessage)
		bad.Value = "good" // it was not marshalled yet
		must(s, u.Finish(&d.res, &d.status, "finish"))
		u.TryCancel()
		s.want("Finish can be repeated", s.cq, "finish")

		bad.Value = "bad"
		_, err := async.ServerStream(s.Context(), s.ch, serverStream, bad, s.cq, "x",
			client.WithCallCodec(picky{Codec: codec.Proto()}))
		refuse(s, "ServerStream", err, call.ErrInvalidMessage)
		s.want("no tag of any of it", s.cq)
	})
}

// picky marshals everything but "bad", on which it thinks as long as it is held.
type picky struct {
	codec.Codec
	hold chan struct{}
}

func (p picky) Append(dst []byte, v any) ([]byte, error) {
	if m, ok := v.(*text); ok && m.Value == "bad" {
		if p.hold != nil {
			<-p.hold
		}
		return dst, errBad
	}
	return p.Codec.Append(dst, v)
}

var errBad = cqrpc.Errorf(cqrpc.CodeDataLoss, "bad")

// On a queue that is finished nothing begins; on one that is shut down, calls
// that are under way can still end.
func TestMisuseOfTheQueue(t *testing.T) {
	play(t, func(s *stage) {
		var m text
		var st cqrpc.Status
		d := s.talk(s.Context(), "")
		must(s, d.client.Read(&d.res, "read"))
		s.cq.Shutdown()
		must(s, d.client.Finish(&d.status, "finish"))
		must(s, d.server.Finish(cqrpc.Status{}, "finish"))
		s.want("it ends in order", s.cq, "!read", "finish")
		s.want("it ends in order", s.sq, "finish", "done")

		u := async.Unary(s.Context(), s.ch, unary, &m, s.cq)
		refuse(s, "Finish", u.Finish(&m, &st, "x"), cq.ErrShutdown)
		refuse(s, "ReadInitialMetadata", u.ReadInitialMetadata("x"), cq.ErrShutdown)
		refuse(s, "and again", u.Finish(&m, &st, "x"), cq.ErrShutdown)
		u.TryCancel()
		var header cqrpc.Metadata
		u = async.Unary(s.Context(), s.ch, unary, &m, s.cq, client.HeaderTo(&header))
		refuse(s, "Finish of a call that tells", u.Finish(&m, &st, "x"), cq.ErrShutdown)
		refuse(s, "and again", u.Finish(&m, &st, "x"), cq.ErrShutdown)
		u.TryCancel()
		_, err := async.ServerStream(s.Context(), s.ch, serverStream, &m, s.cq, "x")
		refuse(s, "ServerStream", err, cq.ErrShutdown)
		_, err = async.ClientStream(s.Context(), s.ch, clientStream, &m, s.cq, "x")
		refuse(s, "ClientStream", err, cq.ErrShutdown)
		_, err = async.BidiStream(s.Context(), s.ch, bidi, s.cq, "x")
		refuse(s, "BidiStream", err, cq.ErrShutdown)
		_, err = async.GenericCall(s.Context(), s.ch, bidi.Name, s.cq, "x")
		refuse(s, "GenericCall", err, cq.ErrShutdown)
		rw := async.PrepareGenericCall(s.Context(), s.ch, bidi.Name, s.cq)
		refuse(s, "StartCall", rw.StartCall("x"), cq.ErrShutdown)
		refuse(s, "it is still not started", rw.Finish(&st, "x"), async.ErrNotStarted)
		rw.TryCancel()
	})
}

// However operations of a call run into each other, each is refused or has its
// one event, and the call ends. Under the race detector nothing else is said.
func TestMisuseFromManyGoroutines(t *testing.T) {
	for range 20 {
		play(t, func(s *stage) {
			d := new(talk)
			must(s, s.bidi.Request(&d.ctx, &d.server, s.sq, s.sq, "request"))
			d.client = async.PrepareBidiStream(s.Context(), s.ch, bidi, s.cq, client.WithCallCodec(picky{Codec: codec.Proto()}))
			if d.client.Call() == nil {
				s.Fatal("no call")
			}
			var accepted tally
			race(&accepted,
				func() error { return d.client.StartCall("x") },
				func() error { return d.client.StartCall("x") },
				func() error { return d.client.Read(new(text), "x") },
				func() error { return d.client.Read(new(text), "x") },
				func() error { return d.client.Write(new(text), "x") },
				func() error { return d.client.Write(&text{Value: "bad"}, "x") },
				func() error { return d.client.WriteLast(&text{Value: "bad"}, "x") },
				func() error { return d.client.WriteLast(new(text), "x") },
				func() error { return d.client.WritesDone("x") },
				func() error { return d.client.ReadInitialMetadata("x") },
				func() error { return d.client.Finish(&d.status, "x") },
				func() error { return d.client.Finish(new(cqrpc.Status), "x") },
				func() error { d.client.Header(); d.client.Trailer(); d.client.Peer(); return errBad },
			)
			d.client.TryCancel()
			s.drain(d, accepted.n)
		})
	}
}

// An opening is refused while Finish overtakes it, having relied on it: what it
// was to bring goes out after all, or else the call ends and says why.
func TestFinishOvertakesAnOpeningThatIsRefused(t *testing.T) {
	play(t, func(s *stage) {
		d := new(talk)
		must(s, s.bidi.Request(&d.ctx, &d.server, s.sq, s.sq, "request"))
		slow := picky{Codec: codec.Proto(), hold: make(chan struct{})}
		d.client = async.PrepareBidiStream(s.Context(), s.ch, bidi, s.cq, client.WithCallCodec(slow))
		must(s, d.client.StartCallCorked())
		go func() { refuse(s, "WriteLast", d.client.WriteLast(&text{Value: "bad"}, "x"), call.ErrInvalidMessage) }()
		synctest.Wait()
		must(s, d.client.Finish(&d.status, "finish"))
		s.want("there is no call yet", s.sq)
		close(slow.hold)
		s.want("the call is opened", s.sq, "request")
		must(s, d.server.Read(&d.req, "read"))
		s.want("and half-closed", s.sq, "!read")
		must(s, d.server.Finish(cqrpc.Status{}, "finish"))
		s.want("the end", s.sq, "finish")
		s.want("the end", s.cq, "finish")
		s.wantStatus("the end", d.status, cqrpc.CodeOK)

		slow.hold = make(chan struct{})
		u := async.Unary(s.Context(), s.ch, unary, &text{Value: "bad"}, s.cq, client.WithCallCodec(slow))
		go func() { refuse(s, "ReadInitialMetadata", u.ReadInitialMetadata("x"), call.ErrInvalidMessage) }()
		synctest.Wait()
		must(s, u.Finish(&d.res, &d.status, "finish"))
		s.want("the call is not over", s.cq)
		close(slow.hold)
		s.want("without a request it cannot be", s.cq, "finish")
		s.wantStatus("anything but this", d.status, cqrpc.CodeInternal)
	})
}

// tally counts the operations that were accepted.
type tally struct {
	mu sync.Mutex
	n  int // guarded by mu
}

// race runs operations at the same time.
func race(accepted *tally, ops ...func() error) {
	var all sync.WaitGroup
	begin := make(chan struct{})
	for _, op := range ops {
		all.Go(func() {
			<-begin
			if op() == nil {
				accepted.mu.Lock()
				accepted.n++
				accepted.mu.Unlock()
			}
		})
	}
	close(begin)
	all.Wait()
}

// drain wants n events of the client, and ends the server's side.
func (s *stage) drain(d *talk, n int) {
	s.Helper()
	s.cq.Shutdown()
	got := 0
	for ev := s.cq.Next(s.Context()); ev.Kind == cq.OpComplete; ev = s.cq.Next(s.Context()) {
		got++
	}
	if got != n {
		s.Errorf("%d operations were accepted, and %d events came", n, got)
	}
	synctest.Wait()
	if ev := s.sq.NextUntil(time.Now()); ev.Kind == cq.OpComplete { // the call has come
		must(s, d.server.Finish(cqrpc.Status{}, "finish"))
	}
}
