package call

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// past makes a queue say at once that it has nothing.
var past = time.Unix(1, 0)

// fakeStream is a transport stream that writes nothing: it notes what it is
// given and reports it as sent when the test says so.
type fakeStream struct {
	mu       sync.Mutex
	headers  []frame.Field
	trailers []frame.Field
	messages []string // prefix included
	given    frame.Sent
	sent     frame.Sent
	consumed int
	resets   []frame.ErrCode
	bugs     []string
	excused  bool
	buffers  bool // messages with BufferHint may wait together
	limit    uint32
}

func (s *fakeStream) Obstacle() error   { return nil }
func (s *fakeStream) Source() cq.Source { return nil }
func (s *fakeStream) Excuse()           { s.excused = true }

func (s *fakeStream) MaxHeaderList() uint32 {
	if s.limit == 0 {
		return math.MaxUint32
	}
	return s.limit
}

func (s *fakeStream) Send(o frame.Outgoing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer o.Headers.Free()
	defer o.Message.Free()
	defer o.Trailers.Free()
	if len(s.resets) > 0 {
		return
	}
	if o.Headers != nil {
		s.note(s.given.Headers, "second header block")
		s.given.Headers = true
		s.headers = slices.Collect(o.Headers.All())
	}
	if o.Message != nil {
		s.note(!s.buffers && s.given.Messages != s.sent.Messages, "two messages outstanding")
		s.note(s.given.Bytes-s.sent.Bytes > writeBuffer, "message although the write buffer is full")
		s.note(s.given.End, "message after the end")
		s.given.Messages++
		s.given.Bytes += uint64(frame.PrefixLen + o.Message.Len())
		s.messages = append(s.messages, string(o.Prefix[:])+string(o.Message.Bytes()))
	}
	if o.Trailers != nil {
		s.trailers = slices.Collect(o.Trailers.All())
	}
	if o.End || o.Trailers != nil {
		s.note(s.given.End, "second end")
		s.given.End = true
	}
}

func (s *fakeStream) note(isBug bool, what string) {
	if isBug {
		s.bugs = append(s.bugs, what)
	}
}

func (s *fakeStream) Consume(n int) {
	s.mu.Lock()
	s.consumed += n
	s.mu.Unlock()
}

func (s *fakeStream) Reset(code frame.ErrCode) {
	s.mu.Lock()
	s.resets = append(s.resets, code)
	s.mu.Unlock()
}

// accept takes all that was given for sent, and returns the counts.
func (s *fakeStream) accept() frame.Sent {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = s.given
	return s.sent
}

func (s *fakeStream) isReset() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.resets) > 0
}

// fakeOpener binds a new stream at once, or lets the test answer.
type fakeOpener struct {
	mu      sync.Mutex
	manual  bool
	streams []*fakeStream
	views   []*Attempt
	opened  int
	forgot  int
	rested  int
}

func (o *fakeOpener) Open(c *Call) {
	o.mu.Lock()
	o.opened++
	manual := o.manual
	o.mu.Unlock()
	if !manual {
		o.bind(c)
	}
}

func (o *fakeOpener) bind(c *Call) {
	s := &fakeStream{}
	o.mu.Lock()
	o.streams = append(o.streams, s)
	o.views = append(o.views, c.Receiver())
	o.mu.Unlock()
	c.Bind(s, &Peer{})
}

func (o *fakeOpener) Obstacle() error { return nil }

func (o *fakeOpener) Rest(*Call) {
	o.mu.Lock()
	o.rested++
	o.mu.Unlock()
}

func (o *fakeOpener) Forget(*Call) {
	o.mu.Lock()
	o.forgot++
	o.mu.Unlock()
}

// rig is a call between a queue and a fake stream.
type rig struct {
	t      *testing.T
	c      *Call
	q      *cq.Queue
	opener *fakeOpener
	server *fakeStream
	lane   cq.Lane
}

// newRig makes a client call; a nil set-up function changes nothing.
func newRig(t *testing.T, setUp func(*Config, *fakeOpener)) *rig {
	r := &rig{t: t, q: cq.New(), opener: &fakeOpener{}}
	cfg := Config{
		Completer: r.q, Method: "/pkg.Service/Method", Authority: "host", Settings: textSettings(),
	}
	if setUp != nil {
		setUp(&cfg, r.opener)
	}
	trackBuffers(t)
	r.c = NewClient(nil, cfg, r.opener)
	t.Cleanup(r.finish)
	return r
}

// textSettings are for calls whose messages are strings.
func textSettings() *Settings { return NewSettings(Settings{Codec: textCodec{}}) }

// requestFields are the least a server accepts, changed by pairs: an empty value
// removes the field.
func requestFields(pairs ...string) []frame.Field {
	fields := []frame.Field{
		{Name: ":method", Value: "POST"}, {Name: ":scheme", Value: "http"},
		{Name: ":path", Value: "/pkg.Service/Method"}, {Name: ":authority", Value: "host"},
		{Name: "te", Value: "trailers"}, {Name: "content-type", Value: "application/grpc"},
	}
	for i := 0; i < len(pairs); i += 2 {
		at := slices.IndexFunc(fields, func(f frame.Field) bool { return f.Name == pairs[i] })
		switch {
		case at < 0:
			fields = append(fields, frame.Field{Name: pairs[i], Value: pairs[i+1]})
		case pairs[i+1] == "":
			fields = slices.Delete(fields, at, at+1)
		default:
			fields[at].Value = pairs[i+1]
		}
	}
	return fields
}

// newServerRig makes a server call.
func newServerRig(t *testing.T, cfg Config, fields ...frame.Field) *rig {
	r := &rig{t: t, q: cq.New(), server: &fakeStream{}}
	if fields == nil {
		fields = requestFields()
	}
	switch {
	case cfg.Settings == nil:
		cfg.Settings = textSettings()
	case cfg.Settings.Codec == codec.Proto():
		cfg.Settings.Codec = textCodec{}
	}
	trackBuffers(t)
	c, err := NewServer(nil, cfg, r.server, &frame.Headers{Fields: fields}, &Peer{})
	if err != nil {
		t.Fatal(err)
	}
	r.c = c
	c.BindCompleter(r.q)
	t.Cleanup(r.finish)
	return r
}

// trackBuffers fails the test if it leaks message buffers.
func trackBuffers(t *testing.T) {
	tracker := mem.Track()
	t.Cleanup(func() {
		tracker.Stop()
		for _, leak := range tracker.Leaks() {
			t.Errorf("leaked buffer: %s", leak)
		}
	})
}

// finish closes the call and checks what the fakes noticed.
func (r *rig) finish() {
	r.c.Close()
	r.lane.Flush()
	r.q.Shutdown()
	for {
		ev := r.q.NextUntil(past)
		if ev.Kind == cq.Shutdown {
			break
		}
		if ev.Kind != cq.OpComplete {
			r.t.Errorf("a batch never completed: %v", r.c)
			break
		}
	}
	streams := []*fakeStream{r.server}
	if r.opener != nil {
		streams = r.opener.streams
	}
	for _, s := range streams {
		for _, bug := range s.bugs {
			r.t.Errorf("stream: %s", bug)
		}
	}
}

// stream is the current stream.
func (r *rig) stream() *fakeStream {
	r.t.Helper()
	if r.server != nil {
		return r.server
	}
	r.opener.mu.Lock()
	defer r.opener.mu.Unlock()
	if len(r.opener.streams) == 0 {
		r.t.Fatal("no stream was opened")
	}
	return r.opener.streams[len(r.opener.streams)-1]
}

func (r *rig) start(tag string, ops ...Op) {
	r.t.Helper()
	if err := r.c.StartBatch(ops, tag); err != nil {
		r.t.Fatalf("StartBatch(%s): %v", tag, err)
	}
}

// want takes exactly these events, "tag" or "!tag" for one that failed, in any
// order.
func (r *rig) want(why string, tags ...string) []cq.Event {
	r.t.Helper()
	r.lane.Flush()
	var events []cq.Event
	var got []string
	for {
		ev := r.q.NextUntil(past)
		if ev.Kind != cq.OpComplete {
			break
		}
		text := fmt.Sprint(ev.Tag)
		if !ev.OK {
			text = "!" + text
		}
		if ev.OK != (ev.Err == nil) {
			r.t.Errorf("%s: event %s has error %v", why, text, ev.Err)
		}
		got, events = append(got, text), append(events, ev)
	}
	slices.Sort(got)
	slices.Sort(tags)
	if !slices.Equal(got, tags) {
		r.t.Fatalf("%s: got events %q, want %q; %v", why, got, tags, r.c)
	}
	return events
}

// accept reports everything given so far as sent.
func (r *rig) accept() { r.c.Receiver().OnSent(r.stream().accept(), &r.lane) }

// headers delivers a header block of alternating names and values.
func (r *rig) headers(end bool, pairs ...string) {
	h := &frame.Headers{StreamID: 1, End: end}
	for i := 0; i < len(pairs); i += 2 {
		h.Fields = append(h.Fields, frame.Field{Name: pairs[i], Value: pairs[i+1]})
	}
	s, view := r.stream(), r.c.Receiver()
	view.OnHeaders(h, &r.lane)
	if end && r.server == nil && !s.isReset() {
		r.close(s, view, nil)
	}
}

func (r *rig) response(pairs ...string) {
	r.headers(false, append([]string{":status", "200", "content-type", "application/grpc"}, pairs...)...)
}

func (r *rig) trailers(pairs ...string) { r.headers(true, pairs...) }

// data delivers DATA.
func (r *rig) data(payload string, end bool) {
	var b *mem.Buffer
	if payload != "" {
		b = mem.Copy([]byte(payload))
	}
	s, view := r.stream(), r.c.Receiver()
	view.OnData(b, end, &r.lane)
	if end && r.server == nil && !s.isReset() {
		r.close(s, view, nil)
	}
}

// closed ends the stream, after reporting what it had accepted before.
func (r *rig) closed(err *frame.CloseError) { r.close(r.stream(), r.c.Receiver(), err) }

func (r *rig) close(s *fakeStream, view *Attempt, err *frame.CloseError) {
	s.mu.Lock()
	sent := s.sent
	s.mu.Unlock()
	view.OnClosed(err, sent, &r.lane)
}

// prefix is the prefix of a message of n bytes.
func prefix(compressed bool, n int) string {
	var p [frame.PrefixLen]byte
	frame.PutPrefix(&p, compressed, n)
	return string(p[:])
}

// wire is a message with its prefix.
func wire(text string) string {
	return prefix(false, len(text)) + text
}

// take returns a received message as text and frees it.
func take(b *Buffer) string {
	if b == nil {
		return "<none>"
	}
	defer b.Free()
	return string(b.Bytes())
}

// textCodec marshals strings; it fails or panics for those that say so.
type textCodec struct{}

func (textCodec) Name() string { return "text" }

func (textCodec) Size(v any) int { s, _ := v.(string); return len(s) }

func (textCodec) Append(dst []byte, v any) ([]byte, error) {
	s, ok := v.(string)
	if !ok || s == "bad" {
		return dst, fmt.Errorf("cannot marshal %v", v)
	}
	if s == "panic" {
		panic(s)
	}
	return append(dst, s...), nil
}

func (textCodec) Unmarshal(data []byte, v any) error {
	if string(data) == "bad" {
		return fmt.Errorf("cannot unmarshal %q", data)
	}
	*v.(*string) = string(data)
	return nil
}

// The tutorial: a unary call over the fake stream.
func TestUnary(t *testing.T) {
	r := newRig(t, nil)
	var (
		hdr, trl cqrpc.Metadata
		reply    string
		got      bool
		st       cqrpc.Status
	)
	r.start("all", SendInitialMetadata(cqrpc.Pairs("k", "v")), SendValue("hello"), SendClose(),
		RecvInitialMetadata(&hdr), RecvValue(&reply, &got), RecvStatus(&st, &trl))
	s := r.stream()
	if len(s.messages) != 1 || s.messages[0] != wire("hello") || !s.given.End {
		t.Fatalf("stream was given %q, %+v", s.messages, s.given)
	}
	r.accept()
	r.response("a", "1")
	r.data(wire("world"), false)
	r.want("the status is missing")
	r.trailers("grpc-status", "0", "b", "2")
	r.want("all is there", "all")
	if reply != "world" || !got || st.Code != cqrpc.CodeOK || hdr.Get("a") != "1" || trl.Get("b") != "2" {
		t.Errorf("got %q %v %v %v %v", reply, got, st, hdr, trl)
	}
	if s.consumed != len(wire("world")) {
		t.Errorf("consumed %d bytes", s.consumed)
	}
	if s.isReset() {
		t.Error("a clean call was reset")
	}
	if text := r.c.String(); !strings.Contains(text, "over") || strings.Contains(text, "v") && strings.Contains(text,
		"k:") {
		t.Errorf("String() = %q", text)
	}
}
