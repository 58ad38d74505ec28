package call

import (
	"slices"
	"testing"

	"github.com/cqrpc/cqrpc/frame"
)

// slowStream is a stream whose first Send is held up.
type slowStream struct {
	fakeStream
	entered, release chan struct{}
}

func newSlowStream() *slowStream {
	return &slowStream{
		fakeStream: fakeStream{buffers: true}, entered: make(chan struct{}), release: make(chan struct{}),
	}
}

func (s *slowStream) Send(o frame.Outgoing) {
	if s.entered != nil {
		close(s.entered)
		s.entered = nil
		<-s.release
	}
	s.fakeStream.Send(o)
}

// moveTo repeats the call on s, because its stream is refused.
func (r *rig) moveTo(s *slowStream) {
	r.opener.mu.Lock()
	r.opener.manual = true
	r.opener.mu.Unlock()
	r.closed(&frame.CloseError{Kind: frame.ResetByPeer, Code: frame.RefusedStream, Unprocessed: true})
	r.c.Bind(s, &Peer{})
}

// slowOpener binds on another goroutine, as a connection does that has just
// become ready, and answers Open when that goroutine is inside Send.
type slowOpener struct {
	stream *slowStream
	next   *fakeStream // bound at once
	bound  chan struct{}
}

func newSlowOpener() *slowOpener {
	return &slowOpener{stream: newSlowStream(), bound: make(chan struct{})}
}

func (o *slowOpener) Open(c *Call) {
	if o.next != nil {
		c.Bind(o.next, &Peer{})
		return
	}
	o.next = &fakeStream{buffers: true}
	entered := o.stream.entered
	go func() {
		defer close(o.bound)
		c.Bind(o.stream, &Peer{})
	}()
	<-entered
}

func (o *slowOpener) Obstacle() error { return nil }

func (o *slowOpener) Rest(*Call) {}

func (o *slowOpener) Forget(*Call) {}

func newSlowRig(t *testing.T) (*rig, *slowOpener) {
	r, o := newRig(t, nil), newSlowOpener()
	r.c.Close()
	r.c = NewClient(nil, Config{
		Completer: r.q, Method: "/pkg.Service/Method", Authority: "host", Settings: textSettings(),
	}, o)
	return r, o
}

// What is started while Bind hands over the first batches goes out after them: a message with
// BufferHint does not complete before the stream has it.
func TestNothingOvertakesBind(t *testing.T) {
	r, o := newSlowRig(t)
	r.start("first", SendInitialMetadata(nil), SendValue("1").With(BufferHint))
	r.want("the stream does not have the message")
	if err := r.c.StartBatch([]Op{SendValue("2").With(BufferHint)}, "second"); err == nil {
		t.Error("a message was accepted while one is outstanding")
	}
	r.start("close", SendClose())
	close(o.stream.release)
	<-o.bound
	if got, want := o.stream.messages, []string{wire("1")}; !slices.Equal(got, want) || !o.stream.given.End {
		t.Errorf("the stream was given %q, end %v; want %q and the end", got, o.stream.given.End, want)
	}
	r.c.Receiver().OnSent(o.stream.accept(), &r.lane)
	r.want("all was framed", "first", "close")
	r.c.Cancel()
	for _, bug := range o.stream.bugs {
		t.Error(bug)
	}
}

// What waits while Bind hands over the first batches is not lost if the stream is refused
// meanwhile.
func TestRetryWhileBindHandsOver(t *testing.T) {
	for _, test := range []struct {
		name  string
		first []Op
		then  []Op
		want  []string
	}{
		{"headers", nil, []Op{SendValue("1"), SendClose()}, []string{wire("1")}},
		{"message", []Op{SendValue("1")}, []Op{SendValue("2"), SendClose()}, []string{wire("1"), wire("2")}},
		{"end", []Op{SendValue("1")}, []Op{SendClose()}, []string{wire("1")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, o := newSlowRig(t)
			r.start("first", append(test.first, SendInitialMetadata(nil))...)
			// The stream's report may come before Bind has noticed that Send is over.
			sent := frame.Sent{Headers: true, Messages: uint64(len(test.first))}
			r.c.Receiver().OnSent(sent, &r.lane)
			r.want("framed", "first")
			r.start("then", test.then...)
			r.c.Receiver().OnClosed(&frame.CloseError{Kind: frame.GoneAway, Unprocessed: true}, sent, &r.lane)
			close(o.stream.release)
			<-o.bound
			for range test.want { // a message that was held follows the first
				r.c.Receiver().OnSent(o.next.accept(), &r.lane)
			}
			if got := o.next.messages; !slices.Equal(got, test.want) || !o.next.given.End {
				t.Errorf("the next stream was given %q, end %v; want %q and the end", got, o.next.given.End, test.want)
			}
			r.c.Receiver().OnSent(o.next.accept(), &r.lane)
			r.want("all was framed", "then")
			r.c.Cancel()
		})
	}
}

// The second message waits while a retry repeats the first. When its turn comes the end of the
// requests must not overtake it.
func TestEndDoesNotOvertakeWhatWasHeld(t *testing.T) {
	r := newRig(t, nil)
	r.start("first", SendInitialMetadata(nil), SendValue("1"))
	r.accept()
	r.want("framed", "first")
	slow := newSlowStream()
	slow.entered = nil // not yet
	r.moveTo(slow)
	r.start("second", SendValue("2"))
	if got, want := slow.messages, []string{wire("1")}; !slices.Equal(got, want) {
		t.Fatalf("the new stream was given %q, want %q", got, want)
	}
	sent := slow.accept()
	entered := make(chan struct{})
	slow.entered = entered
	told := make(chan struct{})
	go func() { // the connection's goroutine
		defer close(told)
		r.c.Receiver().OnSent(sent, &r.lane)
	}()
	<-entered
	r.start("close", SendClose())
	close(slow.release)
	<-told
	if got, want := slow.messages, []string{wire("1"), wire("2")}; !slices.Equal(got, want) || !slow.given.End {
		t.Errorf("the new stream was given %q, end %v; want %q and the end", got, slow.given.End, want)
	}
	for _, bug := range slow.bugs {
		t.Error(bug)
	}
	r.c.Receiver().OnSent(slow.accept(), &r.lane)
	r.want("all was framed", "second", "close")
}

// Of two batches that race with each other the end may reach the stream first.
// The message that lost is told so at once, not when the call ends.
func TestMessageThatLostAgainstTheEnd(t *testing.T) {
	r := newRig(t, nil)
	r.start("init", SendInitialMetadata(nil))
	r.start("message", SendValue("1"))
	r.start("close", SendClose())
	r.c.Receiver().OnSent(frame.Sent{Headers: true, End: true}, &r.lane)
	events := r.want("END_STREAM was framed, the message cannot follow", "init", "close", "!message")
	for _, ev := range events {
		if ev.Tag == "message" && ev.Err != ErrEnded {
			t.Errorf("message failed with %v, want ErrEnded", ev.Err)
		}
	}
}

// A message with BufferHint whose batch receives, too, is not buffered while it is on its way to the
// stream: what is received may complete the batch, and then the next message comes.
func TestNothingOvertakesAMessageOnItsWay(t *testing.T) {
	r := newRig(t, nil)
	r.start("init", SendInitialMetadata(nil))
	slow := newSlowStream()
	entered := slow.entered
	slow.entered = nil // not yet
	r.moveTo(slow)
	r.c.Receiver().OnSent(slow.accept(), &r.lane)
	r.response()
	r.want("the headers are out", "init")
	slow.entered = entered
	var answer string
	started := make(chan struct{})
	go func() {
		defer close(started)
		r.start("both", SendValue("1").With(BufferHint), RecvNext(&answer))
	}()
	<-entered
	r.data(wire("answer"), false)
	r.want("the message is on its way")
	close(slow.release)
	<-started
	r.want("the stream has the message", "both")
}
