package call

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// program runs a random sequence of operations, stream events and ends against
// a model: every accepted batch completes once, messages come out in order, and
// an OK comes after the last of them.
type program struct {
	t    *testing.T
	r    *rig
	code []byte

	// the model
	tags     map[*randomBatch]int // completions seen, by accepted batch
	pushed   []string             // whole messages delivered to the current stream
	receives []*randomBatch       // those with RecvMessage, as they were started
	received int                  // bytes delivered to the current stream
	streams  int
	gone     bool   // the current stream has had its OnClosed
	halfEnd  bool   // END_STREAM was delivered
	headers  bool   // response headers were
	partial  string // what is missing of text
	text     string
	final    *cqrpc.Status // what RecvStatus said
}

type randomBatch struct {
	set       opSet
	msg       *Buffer
	text      string
	st        cqrpc.Status
	cancelled bool
}

func (p *program) next() int {
	if len(p.code) == 0 {
		return 0
	}
	b := p.code[0]
	p.code = p.code[1:]
	return int(b)
}

func runProgram(t *testing.T, code []byte) {
	p := &program{t: t, code: code, tags: map[*randomBatch]int{}}
	tracker := mem.Track()
	defer tracker.Stop()
	p.r = p.newCall()
	for len(p.code) > 0 {
		p.step()
	}
	p.end()
	for _, leak := range tracker.Leaks() {
		t.Errorf("leaked buffer: %s", leak)
	}
}

// newCall makes the call without the rig's own checks, which are per test.
func (p *program) newCall() *rig {
	r := &rig{t: p.t, q: cq.New()}
	if p.next()%2 == 0 {
		n := p.next()
		r.opener = &fakeOpener{manual: n%4 == 0}
		cfg := Config{Completer: r.q, Method: "/s/m", Settings: textSettings(), Deadline: time.Now().Add(time.Hour)}
		if n >= 128 {
			cfg.Retry = &RetryPolicy{ // step wakes the call
				MaxAttempts: 4, InitialBackoff: time.Hour, MaxBackoff: time.Hour, BackoffMultiplier: 1,
				Codes: []cqrpc.Code{cqrpc.CodePermissionDenied, cqrpc.CodeUnavailable}, Buffer: 3 * (messageRoom + 20),
			}
		}
		r.c = NewClient(nil, cfg, r.opener)
		return r
	}
	r.server = &fakeStream{}
	c, err := NewServer(nil, Config{Settings: textSettings()}, r.server, &frame.Headers{Fields: requestFields()}, &Peer{})
	if err != nil {
		p.t.Fatal(err)
	}
	r.c = c
	c.BindCompleter(r.q)
	p.headers = true
	return r
}

// stream is the current one, nil if no event can come from one.
func (p *program) stream() *fakeStream {
	r := p.r
	s := r.server
	if s == nil {
		if n := len(r.opener.streams); n > 0 {
			s = r.opener.streams[n-1]
			if n != p.streams {
				p.streams, p.gone, p.halfEnd, p.headers, p.partial, p.received = n, false, false, false, "", 0
			}
		}
	}
	if s == nil || p.gone || s.isReset() {
		return nil
	}
	return s
}

func (p *program) step() {
	switch n := p.next() % 24; n {
	case 0, 1, 2, 3, 4, 5, 6, 7:
		p.start(1 << n)
	case 8, 9:
		p.start(opSet(p.next()))
	case 10, 11:
		p.harvest()
	case 12:
		p.r.c.Cancel()
	case 13:
		p.r.c.expire()
	case 14:
		p.r.c.wake()
		if o := p.r.opener; o != nil && p.r.c.open == asking {
			if p.next()%4 == 0 {
				p.r.c.Fail(cqrpc.Status{Code: cqrpc.CodeUnavailable}, nil)
			} else {
				o.bind(p.r.c)
			}
		}
	default:
		p.event(n)
	}
}

// start starts one operation of each kind in set, if the call lets it.
func (p *program) start(set opSet) {
	b := &randomBatch{}
	var ops []Op
	for k := range numOpKinds {
		if set.has(k) {
			ops = append(ops, b.op(k, len(p.tags)))
		}
	}
	b.set = set
	if err := p.r.c.StartBatch(ops, b); err == nil {
		p.tags[b] = 0
		if set.has(RecvMessageOp) {
			p.receives = append(p.receives, b)
		}
	}
}

func (b *randomBatch) op(k OpKind, n int) Op {
	switch k {
	case SendInitialMetadataOp:
		return SendInitialMetadata(nil)
	case SendMessageOp:
		return SendValue(fmt.Sprintf("sent %4d", n))
	case SendCloseOp:
		return SendClose()
	case SendStatusOp:
		return SendStatus(cqrpc.Status{Code: cqrpc.CodeAborted}, nil)
	case RecvInitialMetadataOp:
		return RecvInitialMetadata(nil)
	case RecvMessageOp:
		return RecvMessage(&b.msg)
	case RecvStatusOp:
		return RecvStatus(&b.st, nil)
	}
	return RecvClose(&b.cancelled)
}

// event is something a transport could report now.
func (p *program) event(n int) {
	s := p.stream()
	if s == nil || p.r.server == nil && !s.given.Headers {
		return
	}
	switch r := p.r; n {
	case 15, 16:
		r.accept()
		p.closeIfComplete()
	case 17:
		if p.r.server == nil && !p.halfEnd && (!p.headers || p.next()%8 == 0) {
			p.headers = true
			r.response()
		}
	case 18, 19:
		p.data()
	case 20:
		p.finish("0")
	case 21:
		p.finish("7")
	case 22:
		p.gone = true
		r.closed([]*frame.CloseError{lost, unsent, refused}[p.next()%3])
	case 23:
		if !p.halfEnd && p.headers {
			p.halfEnd = true
			r.data("", true)
			p.gone = p.gone || r.server == nil
		}
	}
}

// closeIfComplete is what a transport does when both sides have ended.
func (p *program) closeIfComplete() {
	if s := p.stream(); s != nil && p.r.server != nil && s.sent.End {
		p.gone = true
		p.r.closed(nil)
	}
}

// data delivers a whole message, or a part of one.
func (p *program) data() {
	if p.halfEnd || !p.headers {
		return
	}
	rest := p.partial
	if rest == "" {
		p.text = fmt.Sprintf("%0*d", p.next()%40+8, len(p.pushed))
		rest = wire(p.text)
		if p.next()%3 == 0 {
			cut := 1 + p.next()%(len(rest)-1)
			p.partial = rest[cut:]
			p.received += cut
			p.r.data(rest[:cut], false)
			return
		}
	}
	p.partial = ""
	p.received += len(rest)
	p.pushed = append(p.pushed, p.text)
	p.r.data(rest, false)
}

// finish delivers the status to a client, a half-close to a server.
func (p *program) finish(status string) {
	if p.halfEnd {
		return
	}
	p.halfEnd = true
	if p.r.server != nil {
		p.r.headers(true, "x", "y")
		return
	}
	pairs := []string{"grpc-status", status}
	if !p.headers {
		pairs = append(pairs, ":status", "200", "content-type", "application/grpc")
	}
	p.r.trailers(pairs...)
	p.gone = true
}

// harvest takes the events that are there.
func (p *program) harvest() {
	p.r.lane.Flush()
	for {
		ev := p.r.q.NextUntil(past)
		if ev.Kind != cq.OpComplete {
			return
		}
		p.check(ev)
	}
}

func (p *program) check(ev cq.Event) {
	b := ev.Tag.(*randomBatch)
	if p.tags[b]++; p.tags[b] > 1 {
		p.t.Errorf("a batch completed twice")
	}
	if !ev.OK && (b.set&finalOps != 0 || b.set == 0) {
		p.t.Errorf("batch %08b failed: %v", b.set, ev.Err)
	}
	if ev.OK != (ev.Err == nil) {
		p.t.Errorf("event %+v", ev)
	}
	if b.msg != nil {
		b.text = take(b.msg)
	}
	if b.set.has(RecvStatusOp) {
		p.final = &b.st
		if b.st.Code == cqrpc.CodeOK && p.r.c.recv.inbox.ready() {
			p.t.Errorf("OK before the last message was taken: %v", p.r.c)
		}
	}
}

// checkMessages goes through the receives in the order in which they were started; their batches
// may complete in another. A failed batch drops its message.
func (p *program) checkMessages() {
	at := 0
	for _, b := range p.receives {
		if b.text == "" {
			continue
		}
		i := slices.Index(p.pushed[at:], b.text)
		if i < 0 {
			p.t.Errorf("message %q is not among %q", b.text, p.pushed[at:])
			return
		}
		at += i + 1
	}
}

// end closes the call and checks the books.
func (p *program) end() {
	r := p.r
	r.c.Close()
	if s := p.stream(); s != nil && s.given.End {
		r.accept()
		p.closeIfComplete()
	}
	p.start(1 << RecvStatusOp)
	p.harvest()
	p.checkMessages()
	for b, n := range p.tags {
		if n != 1 {
			p.t.Errorf("batch %08b completed %d times; %v", b.set, n, r.c)
		}
	}
	if p.r.server == nil && p.final == nil {
		p.t.Error("no status")
	}
	for _, s := range append([]*fakeStream{r.server}, p.clientStreams()...) {
		if s == nil {
			continue
		}
		for _, bug := range s.bugs {
			p.t.Errorf("stream: %s", bug)
		}
	}
	p.checkSent()
	if s := p.lastStream(); s != nil {
		// What is missing of a message that was waited for may be returned already.
		if ahead := s.consumed - p.received; ahead > len(p.partial) || ahead < 0 && !s.isReset() {
			p.t.Errorf("consumed %d of %d bytes, %d are missing, reset %v",
				s.consumed, p.received, len(p.partial), s.isReset())
		}
	}
}

// checkSent wants every stream to have been given the same messages in the same order, from
// the first one on.
func (p *program) checkSent() {
	var longest []string
	for _, s := range p.clientStreams() {
		if n := min(len(longest), len(s.messages)); !slices.Equal(longest[:n], s.messages[:n]) {
			p.t.Errorf("one stream was given %q, another %q", longest, s.messages)
		}
		if len(s.messages) > len(longest) {
			longest = s.messages
		}
	}
	if !slices.IsSorted(longest) || len(slices.Compact(slices.Clone(longest))) < len(longest) {
		p.t.Errorf("a stream was given %q", longest)
	}
}

func (p *program) clientStreams() []*fakeStream {
	if p.r.opener == nil {
		return nil
	}
	return p.r.opener.streams
}

func (p *program) lastStream() *fakeStream {
	p.stream()
	if p.r.server != nil {
		return p.r.server
	}
	if all := p.clientStreams(); len(all) > 0 {
		return all[len(all)-1]
	}
	return nil
}

func TestRandomPrograms(t *testing.T) {
	for seed := range uint64(20000) {
		rng := rand.New(rand.NewPCG(seed, 1))
		code := make([]byte, 4+rng.IntN(80))
		for i := range code {
			code[i] = byte(rng.Uint32())
		}
		runProgram(t, code)
		if t.Failed() {
			t.Fatalf("seed %d: program %x", seed, code)
		}
	}
}

func FuzzProgram(f *testing.F) {
	f.Add([]byte{0, 1, 8, 0x77, 15, 17, 18, 1, 1, 20, 10})
	f.Add([]byte{1, 0, 8, 0x8b, 15, 18, 3, 1, 10})
	f.Add([]byte{0, 1, 0, 1, 22, 2, 15, 1, 22, 1, 14, 12})
	f.Fuzz(func(t *testing.T, code []byte) {
		if len(code) > 500 {
			return
		}
		runProgram(t, code)
	})
}

// Many goroutines at one call: no race, no lost and no doubled completion.
func TestConcurrentUse(t *testing.T) {
	for range 200 {
		r := newRig(t, nil)
		const rounds = 20
		var wg sync.WaitGroup
		var mu sync.Mutex
		open := map[string]int{}
		start := func(tag string, ops ...Op) {
			mu.Lock()
			open[tag]++
			mu.Unlock()
			if err := r.c.StartBatch(ops, tag); err != nil {
				mu.Lock()
				open[tag]--
				mu.Unlock()
			}
		}
		start("init", SendInitialMetadata(nil))
		start("status", RecvStatus(nil, nil))
		s, view := r.stream(), r.c.Receiver()
		wg.Go(func() {
			for range rounds {
				start("send", SendValue("m"))
			}
			start("close", SendClose())
		})
		wg.Go(func() {
			for range rounds {
				start("recv", RecvValue(new(string), nil))
			}
		})
		wg.Go(func() {
			var lane cq.Lane
			for range rounds {
				view.OnSent(s.accept(), &lane)
				lane.Flush()
			}
		})
		wg.Go(func() {
			var lane cq.Lane
			view.OnHeaders(&frame.Headers{Fields: []frame.Field{
				{Name: ":status", Value: "200"}, {Name: "content-type", Value: "application/grpc"},
			}}, &lane)
			for range rounds {
				view.OnData(mem.Copy([]byte(wire("reply"))), false, &lane)
				lane.Flush()
			}
			view.OnHeaders(&frame.Headers{End: true, Fields: []frame.Field{{Name: "grpc-status", Value: "0"}}}, &lane)
			lane.Flush()
		})
		wg.Go(func() { _ = r.c.String(); r.c.Cancel(); r.c.Cancel() })
		wg.Wait()
		r.c.Close()
		if !s.isReset() {
			r.closed(nil)
		}
		r.lane.Flush()
		for ev := r.q.NextUntil(past); ev.Kind == cq.OpComplete; ev = r.q.NextUntil(past) {
			open[ev.Tag.(string)]--
		}
		for tag, n := range open {
			if n != 0 {
				t.Fatalf("%s: %d completions missing; %v", tag, n, r.c)
			}
		}
	}
}
