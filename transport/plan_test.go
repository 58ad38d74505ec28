package transport

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// planner is the tables of a Conn without a socket: planLocked is all that
// happens, when the test says so.
type planner struct {
	*testing.T
	c       *Conn
	streams map[uint32]*Stream
}

func newPlanner(t *testing.T, side Side) *planner {
	leak.Buffers(t)
	c := &Conn{side: side, cfg: &NewSetup(side, Config{}).cfg, state: open, flusher: flusherRunning, holders: 1}
	c.streams.init(side, 1)
	c.in.init(c.cfg, c.streams.nextID)
	c.r = frame.NewReader(strings.NewReader(""), frame.ReaderConfig{})
	c.out.window = defaultWindow
	c.peer = defaultPeerSettings()
	c.peer.received = true
	p := &planner{T: t, c: c, streams: make(map[uint32]*Stream)}
	t.Cleanup(func() { c.takeAllLocked() })
	return p
}

// request enters a stream as the reader of a server does.
func (p *planner) request(id uint32, end bool) *Stream {
	s := &Stream{conn: p.c, id: id}
	p.c.openLocked(s)
	s.state.must(recvHeaders)
	if end {
		s.state.must(recvEnd)
	}
	return s
}

// queue makes a client stream and sends o on it.
func (p *planner) queue(o frame.Outgoing) *Stream {
	s := &Stream{conn: p.c}
	s.Send(o)
	return s
}

// turn plans once and tells what would be written, in short:
// "H1" HEADERS of stream 1, "D1:7" DATA of 7 bytes, "D1:7+3" DATA with parts of
// two messages, "R1" RST_STREAM, "." END_STREAM.
func (p *planner) turn() string {
	var t turn
	p.c.planLocked(&t)
	var words []string
	for _, g := range t.grants {
		words = append(words, fmt.Sprintf("W%d:%d", g.id, g.n))
	}
	for i := range t.steps {
		if st := &t.steps[i]; st.kind != stepMore {
			words = append(words, p.word(t.steps[i:]))
		}
		t.steps[i].list.Free()
		t.steps[i].owner.Free()
	}
	return strings.Join(words, " ")
}

// word is the first of steps, with those that belong to it.
func (p *planner) word(steps []step) string {
	st, end := &steps[0], ""
	if st.end {
		end = "."
	}
	switch st.kind {
	case stepHeaders:
		return fmt.Sprintf("H%d%s", st.id, end)
	case stepData:
		n := int(st.prefixN) + len(st.payload)
		word, sum := fmt.Sprintf("D%d:%d", st.id, n), n
		for i := 1; i < len(steps) && steps[i].kind == stepMore; i++ {
			n := int(steps[i].prefixN) + len(steps[i].payload)
			word, sum = word+fmt.Sprintf("+%d", n), sum+n
		}
		if sum != st.length {
			p.Errorf("%s announces %d bytes", word, st.length)
		}
		return word + end
	}
	return fmt.Sprintf("R%d", st.id)
}

func (p *planner) want(why, turn string) {
	p.Helper()
	if got := p.turn(); got != turn {
		p.Fatalf("%s:\n got %q\nwant %q", why, got, turn)
	}
}

// widen does what a WINDOW_UPDATE of the peer does.
func (p *planner) widen(s *Stream, n int) {
	p.Helper()
	if err := p.c.onWindowUpdate(&frame.Frame{StreamID: s.id, Increment: uint32(n)}); err != nil {
		p.Fatal(err)
	}
}

func (p *planner) wantNothing(why string) { p.Helper(); p.want(why, "") }

// sized is a message that takes n bytes of DATA.
func sized(n int) frame.Outgoing {
	o := frame.Outgoing{Message: mem.Get(n - frame.PrefixLen)}
	clear(o.Message.Bytes())
	frame.PutPrefix(&o.Prefix, false, n-frame.PrefixLen)
	return o
}

// with adds to a message.
func with(o frame.Outgoing, headers, trailers *frame.HeaderList, end bool) frame.Outgoing {
	o.Headers, o.Trailers, o.End = headers, trailers, end
	return o
}

func TestPlanShapes(t *testing.T) {
	for _, tc := range []struct {
		name string
		side Side
		end  bool // server: the request has ended
		out  frame.Outgoing
		want string
	}{
		{"a unary request ends on its last DATA", Client, false, with(sized(7), requestHeaders(), nil, true), "H1 D1:7."},
		{"a request without message ends on HEADERS", Client, false, frame.Outgoing{Headers: requestHeaders(),
			End: true}, "H1."},
		{"a streaming request stays open", Client, false, frame.Outgoing{Headers: requestHeaders()}, "H1"},
		{"headers and message", Client, false, with(sized(100), requestHeaders(), nil, false), "H1 D1:100"},
		{"an empty message is a prefix", Client, false, with(sized(5), requestHeaders(), nil, true), "H1 D1:5."},
		{"a message larger than a frame", Client, false, with(sized(40000), requestHeaders(), nil, true),
			"H1 D1:16384 D1:16384 D1:7232."},
		{"a message of exactly a frame", Client, false, with(sized(16384), requestHeaders(), nil, true), "H1 D1:16384."},
		{"a whole response", Server, true, with(sized(7), responseHeaders(), statusOK(), false), "H1 D1:7 H1."},
		{"headers and trailers", Server, true, frame.Outgoing{Headers: responseHeaders(), Trailers: statusOK()}, "H1 H1."},
		{"trailers only", Server, true, frame.Outgoing{Trailers: list(":status", "200", "grpc-status", "5")}, "H1."},
		{"trailers wait for headers", Server, true, frame.Outgoing{Trailers: statusOK()}, ""},
		{"a message waits for headers", Server, true, sized(7), ""},
		{"nothing", Server, true, frame.Outgoing{}, ""},
		{"a response before the request's end stops it", Server, false, with(sized(7), responseHeaders(), statusOK(),
			false), "H1 D1:7 H1. R1"},
		{"trailers only, likewise", Server, false, frame.Outgoing{Trailers: list(":status", "200")}, "H1. R1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPlanner(t, tc.side)
			if tc.side == Client {
				p.queue(tc.out)
			} else {
				p.request(1, tc.end).Send(tc.out)
			}
			p.want("shape", tc.want)
			p.wantNothing("all of it was planned")
		})
	}
}

func TestPlanOrderOfSends(t *testing.T) {
	p := newPlanner(t, Server)
	s := p.request(1, true)
	s.Send(frame.Outgoing{Trailers: statusOK()})
	s.Send(sized(9))
	p.wantNothing("neither goes before the headers")
	s.Send(frame.Outgoing{Headers: responseHeaders()})
	p.want("HTTP/2 knows one order", "H1 D1:9 H1.")
}

func TestPlanEndAfterMessage(t *testing.T) {
	p := newPlanner(t, Client)
	s := p.queue(with(sized(8), requestHeaders(), nil, false))
	p.want("no end yet", "H1 D1:8")
	s.Send(frame.Outgoing{End: true})
	p.want("an end alone is an empty DATA frame", "D1:0.")
	s.Send(sized(8))
	s.Send(frame.Outgoing{End: true})
	p.wantNothing("nothing follows the end")
}

func TestPlanStreamWindow(t *testing.T) {
	p := newPlanner(t, Client)
	p.c.peer.initialWindow = 3
	s := p.queue(with(sized(20), requestHeaders(), nil, true))
	p.want("the prefix is split by a window of 3", "H1 D1:3")
	p.wantNothing("the window is empty")
	for _, step := range []struct {
		credit int64
		want   string
	}{{1, "D1:1"}, {1, "D1:1"}, {1, "D1:1"}, {0, ""}, {10, "D1:10"}, {100, "D1:4."}} {
		s.sendWindow += int32(step.credit)
		p.c.scheduleLocked(s)
		p.want(fmt.Sprintf("credit of %d", step.credit), step.want)
	}
}

func TestPlanNegativeWindow(t *testing.T) {
	p := newPlanner(t, Client)
	p.queue(with(sized(70000), requestHeaders(), nil, true))
	p.want("a whole window", "H1 D1:16384 D1:16384 D1:16384 D1:16383")
	if err := p.c.applyInitialWindowLocked(100); err != nil {
		t.Fatal(err)
	}
	p.c.out.window = 1 << 20
	s := p.c.streams.table[1]
	if s.sendWindow != 100-defaultWindow {
		t.Fatalf("window is %d", s.sendWindow)
	}
	s.sendWindow += 65435
	p.c.scheduleLocked(s)
	p.wantNothing("the window is 0 again")
	s.sendWindow++
	p.c.scheduleLocked(s)
	p.want("one byte", "D1:1")
}

func TestPlanConnWindowStallAndSplice(t *testing.T) {
	p := newPlanner(t, Client)
	p.c.out.window = 10
	for range 3 {
		p.queue(with(sized(8), requestHeaders(), nil, true))
	}
	p.want("headers need no window, DATA as far as it goes", "H1 D1:8. H3 D3:2 H5")
	p.wantNothing("the others are stalled")
	if err := p.c.widenConn(7); err != nil {
		t.Fatal(err)
	}
	p.want("who has had nothing comes first", "D5:7")
	if err := p.c.widenConn(100); err != nil {
		t.Fatal(err)
	}
	p.want("the rest", "D3:6. D5:1.")
	if !p.c.out.ready.isEmpty(true) {
		t.Error("a stream is still queued")
	}
}

// TestPlanForgetsDeadStreams: a queue that does not move must not keep what ended.
func TestPlanForgetsDeadStreams(t *testing.T) {
	p := newPlanner(t, Server)
	p.c.out.window = 0
	var kept *Stream
	for id := uint32(1); id < 100; id += 2 {
		s := p.request(id, true)
		s.Send(with(sized(8), responseHeaders(), nil, false))
		if id == 51 {
			kept = s
		}
	}
	p.turn()
	for _, s := range p.c.streams.table {
		if s != kept {
			s.Reset(frame.Cancel)
		}
	}
	if q := &p.c.out.ready.short.stalled; q.head != kept || q.tail != kept {
		t.Error("the queue of stalled streams holds others than the live one")
	}
	if err := p.c.widenConn(8); err != nil {
		t.Fatal(err)
	}
	p.want("the live one goes on", "D51:8")
}

func TestPlanRoundRobin(t *testing.T) {
	p := newPlanner(t, Client)
	p.c.out.window = 1 << 20
	for range 3 {
		p.queue(with(sized(20000), requestHeaders(), nil, true))
	}
	p.want("a frame each", "H1 D1:16384 H3 D3:16384 H5 D5:16384 D1:3616. D3:3616. D5:3616.")
}

func TestPlanTurnLimits(t *testing.T) {
	p := newPlanner(t, Client)
	p.c.out.window = 1 << 30
	p.c.peer.initialWindow = 1 << 30
	p.queue(with(sized(4*maxTurnBytes/2+3392), requestHeaders(), nil, true))
	p.want("256 KiB of DATA a turn", "H1"+strings.Repeat(" D1:16384", 16))
	p.queue(frame.Outgoing{Headers: requestHeaders(), End: true})
	p.want("a new stream goes first", "H3."+strings.Repeat(" D1:16384", 16))
	p.want("rest", "D1:3392.")

	for range maxTurnSteps + 10 {
		p.queue(frame.Outgoing{Headers: requestHeaders(), End: true})
	}
	if n := len(strings.Fields(p.turn())); n != maxTurnSteps {
		t.Errorf("a turn of %d steps", n)
	}
	if n := len(strings.Fields(p.turn())); n != 10 {
		t.Errorf("the second turn has %d steps", n)
	}
}

// TestPlanOpenStreamsGoOn: whatever streams are to be opened, those that are open have
// their part of a turn.
func TestPlanOpenStreamsGoOn(t *testing.T) {
	for name, o := range map[string]func() frame.Outgoing{
		"small requests": func() frame.Outgoing { return frame.Outgoing{Headers: requestHeaders(), End: true} },
		"large requests": func() frame.Outgoing { return with(sized(16379), requestHeaders(), nil, true) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlanner(t, Client)
			p.c.out.window = 1 << 30
			p.c.peer.initialWindow = 1 << 30
			p.queue(with(sized(maxTurnBytes*4), requestHeaders(), nil, true))
			p.turn()
			for range 3 {
				for range maxTurnSteps {
					p.queue(o())
				}
				if turn := p.turn(); strings.Count(turn, "D1:16384") < 7 {
					t.Fatalf("stream 1 has less than a half of the turn: %s", turn)
				}
			}
		})
	}
}

// Nor is it otherwise if they have little to send.
func TestPlanShortStreamsGoOn(t *testing.T) {
	p := newPlanner(t, Client)
	s := p.queue(frame.Outgoing{Headers: requestHeaders()})
	p.turn()
	s.Send(sized(100))
	for range 2 * maxTurnSteps {
		p.queue(frame.Outgoing{Headers: requestHeaders(), End: true})
	}
	if turn := p.turn(); !strings.HasSuffix(turn, " D1:100") {
		t.Errorf("stream 1 is not in the turn: %s", turn)
	}
}

// A new stream whose frame would fill a turn, or the connection's window, takes its turn.
func TestPlanLargeOpenings(t *testing.T) {
	p := newPlanner(t, Client)
	p.c.out.window = 1 << 30
	p.c.peer.initialWindow, p.c.peer.maxFrame = 1<<30, maxFrameBytes
	p.queue(with(sized(4<<20), requestHeaders(), nil, false))
	p.want("nobody else has anything to send", "H1 D1:262144")
	p.queue(with(sized(maxTurnBytes), requestHeaders(), nil, true))
	p.want("more than half of a turn", "H3 D1:262144")
	p.want("it is the next", "D3:262144.")
	p.c.out.window = 0
	p.turn()
	for range 2 {
		p.queue(with(sized(20_000), requestHeaders(), nil, true))
	}
	p.widenAll(100_000)
	p.want("it waits for the window", "H5 H7 D1:100000")
	p.widenAll(100_000)
	p.want("they come first", "D5:20000. D7:20000. D1:60000")
}

func TestPlanMaxFrame(t *testing.T) {
	p := newPlanner(t, Client)
	p.c.peer.maxFrame = 1 << 20
	p.queue(with(sized(50_000), requestHeaders(), nil, true))
	p.want("one frame, since the peer takes it", "H1 D1:50000.")
}

func TestPlanMaxConcurrentStreams(t *testing.T) {
	p := newPlanner(t, Client)
	p.c.peer.maxConcurrent = 2
	var all []*Stream
	for range 5 {
		all = append(all, p.queue(frame.Outgoing{Headers: requestHeaders()}))
	}
	p.want("two at once", "H1 H3")
	if n := p.c.streams.waiting; n != 3 {
		t.Fatalf("%d streams wait; want 3", n)
	}
	all[2].Reset(frame.Cancel)
	if n := p.c.streams.waiting; n != 2 {
		t.Fatalf("%d streams wait after a reset; want 2", n)
	}
	p.wantNothing("no slot")
	p.c.endStreamLocked(all[0], endedBoth)
	p.want("first come, first served, past the one reset", "H5")
	if all[3].id != 5 {
		t.Errorf("stream 5 is not the fourth made")
	}
	p.c.peer.maxConcurrent = 3
	p.want("a higher limit", "H7")
}

// TestPlanResetsInQueue: streams that are made and reset while no slot is free
// leave nothing behind.
func TestPlanResetsInQueue(t *testing.T) {
	p := newPlanner(t, Client)
	p.c.peer.maxConcurrent = 0
	for range 1000 {
		p.queue(with(sized(10), requestHeaders(), nil, true)).Reset(frame.Cancel)
	}
	if p.c.streams.opening.head != nil || p.c.streams.waiting != 0 || len(p.c.control.resets) != 0 {
		t.Errorf("%d wait, %d resets, queue %v", p.c.streams.waiting, len(p.c.control.resets), p.c.streams.opening)
	}
}

func TestPlanCredit(t *testing.T) {
	p := newPlanner(t, Server)
	s := p.request(1, false)
	s.recvWindow.Store(1000)
	p.c.control.connCredit = 77
	s.Consume(defaultWindow/4 - 1)
	p.want("a stream's credit below a quarter of the window waits", "W0:77")
	s.Consume(1)
	s.Consume(5)
	p.want("credit is merged", fmt.Sprintf("W1:%d", defaultWindow/4+5))
	if got := s.recvWindow.Load(); got != 1000+defaultWindow/4+5 {
		t.Errorf("the window is %d", got)
	}
	s.Consume(defaultWindow)
	s.state.must(recvEnd)
	p.wantNothing("a peer that has ended meanwhile needs no credit")
	s.Consume(defaultWindow)
	p.wantNothing("nor one that ended before")
}

func TestPlanNotices(t *testing.T) {
	p := newPlanner(t, Client)
	p.c.peer.initialWindow = 4
	s := p.queue(with(sized(6), requestHeaders(), nil, true))
	var turn turn
	for i, want := range []frame.Sent{{Headers: true, Bytes: 4}, {Headers: true, Messages: 1, Bytes: 6, End: true}} {
		p.c.planLocked(&turn)
		if len(turn.notices) != 1 || turn.notices[0].sent != want || turn.notices[0].closed {
			t.Fatalf("turn %d: notices %+v", i, turn.notices)
		}
		for _, st := range turn.steps {
			st.list.Free()
			st.owner.Free()
		}
		turn.reset()
		s.sendWindow += 10
		p.c.scheduleLocked(s)
	}
}

func TestSendTwicePanics(t *testing.T) {
	for name, o := range map[string]func() frame.Outgoing{
		"headers":  func() frame.Outgoing { return frame.Outgoing{Headers: responseHeaders()} },
		"trailers": func() frame.Outgoing { return frame.Outgoing{Trailers: statusOK()} },
	} {
		t.Run(name, func(t *testing.T) {
			p := &pending{}
			p.add(o())
			second := o()
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
				free(second)
				p.drop()
			}()
			p.add(second)
		})
	}
}

func TestFIFO(t *testing.T) {
	var a, b fifo
	s := make([]*Stream, 6)
	for i := range s {
		s[i] = &Stream{id: uint32(i)}
	}
	order := func(q *fifo) string {
		var ids []string
		for s := q.head; s != nil; s = s.next {
			ids = append(ids, fmt.Sprint(s.id))
			if s.queue != q || (s.next == nil) != (q.tail == s) {
				t.Errorf("stream %d is linked wrongly", s.id)
			}
		}
		return strings.Join(ids, "")
	}
	for i, q := range []*fifo{&a, &a, &a, &b, &b, &b} {
		q.push(s[i])
	}
	s[1].unqueue()
	s[3].unqueue()
	s[3].unqueue()
	s[5].unqueue()
	if got := order(&a) + "|" + order(&b); got != "02|4" {
		t.Errorf("queues are %q", got)
	}
	for _, want := range []*Stream{s[0], s[2], nil} {
		if got := a.pop(); got != want {
			t.Errorf("popped %v; want %v", got, want)
		}
	}
}

func TestRecentlyEnded(t *testing.T) {
	var r recentlyEnded
	for id := uint32(1); id <= 2*recentStreams; id++ {
		r.add(id, resetByUs)
	}
	if len(r.ring) != recentStreams {
		t.Errorf("%d are remembered", len(r.ring))
	}
	if r.find(recentStreams) != unknownEnd || r.find(recentStreams+1) != resetByUs {
		t.Error("not the latest are remembered")
	}
}

func TestPlanManyMessages(t *testing.T) {
	p := newPlanner(t, Client)
	s := p.queue(with(sized(10), requestHeaders(), nil, false))
	s.Send(sized(20))
	s.Send(with(sized(600), nil, nil, true))
	p.want("in the order of Sends, the end with the last", "H1 D1:10+20+600.")

	s = p.queue(with(sized(20), requestHeaders(), nil, false))
	s.sendWindow = 0
	for range 4 {
		s.Send(sized(10_000))
	}
	p.queue(with(sized(20_000), requestHeaders(), nil, true))
	p.want("a frame's worth each", "H3 D3:20+10000+6364 H5 D5:16384 D5:3616. D3:3636+10000+2748 D3:7252")
	s.Send(sized(50))
	s.Reset(frame.Cancel)
	p.wantNothing("a reset drops them all")
}

func TestPlanSmallMessagesShareABuffer(t *testing.T) {
	p := newPlanner(t, Client)
	s := p.queue(with(sized(10), requestHeaders(), nil, false))
	for range 3 {
		s.Send(sized(20))
	}
	p.want("those behind the first, which may have gone out in part", "H1 D1:10+60")
	for range 5 {
		s.Send(sized(300))
	}
	p.want("as many as there is room for", "D1:300+900+300")
	for _, n := range []int{10, joinBelow + frame.PrefixLen, 20, 30, 2000, 20, 30} {
		s.Send(sized(n))
	}
	p.want("large ones keep theirs", "D1:10+517+50+2000+50")
	s.Send(sized(10))
	s.Send(sized(20))
	s.Send(with(sized(30), nil, nil, true))
	s.sendWindow = 15
	p.want("a window may end in the middle of one", "D1:10+5")
	p.widen(s, 20)
	p.want("or later", "D1:20")
	p.widen(s, 1000)
	p.want("the end follows the last", "D1:25.")
}

// TestPlanKeepsEveryByte sends messages of all sizes and takes them out through windows of all sizes.
func TestPlanKeepsEveryByte(t *testing.T) {
	p := newPlanner(t, Client)
	r := rand.New(rand.NewPCG(1, 2))
	s := p.queue(frame.Outgoing{Headers: requestHeaders()})
	var want, got []byte
	sent, buffers := uint64(0), 0
	take := func(window int) {
		s.sendWindow, p.c.out.window = 0, defaultWindow
		p.widen(s, window)
		var turn turn
		p.c.planLocked(&turn)
		for i := range turn.steps {
			st := &turn.steps[i]
			got = append(append(got, st.prefix[:st.prefixN]...), st.payload...)
			st.list.Free()
			st.owner.Free()
		}
		buffers += len(turn.steps)
	}
	for range 2000 {
		for range r.IntN(12) {
			o := sized(frame.PrefixLen + r.IntN([]int{1, 40, 600, 3000}[r.IntN(4)]))
			for i := range o.Message.Bytes() {
				o.Message.Bytes()[i] = byte(r.Uint32())
			}
			want = append(append(want, o.Prefix[:]...), o.Message.Bytes()...)
			sent++
			s.Send(o)
		}
		take(1 + r.IntN(4000))
		if s.sent.Bytes != uint64(len(got)) || s.sent.Messages > sent {
			t.Fatalf("%+v is reported of %d messages, when %d bytes are out", s.sent, sent, len(got))
		}
	}
	for s.out != nil {
		take(defaultWindow)
	}
	if !bytes.Equal(got, want) {
		t.Error("what goes out is not what was sent")
	}
	if s.sent.Messages != sent {
		t.Errorf("%d messages are reported of %d", s.sent.Messages, sent)
	}
	if buffers > int(sent) {
		t.Errorf("%d messages took %d steps", sent, buffers)
	}
}

// A queue of a stream that is never empty holds what waits, and not what has gone through it.
func TestPlanQueueThatIsNeverEmpty(t *testing.T) {
	p := newPlanner(t, Client)
	s := p.queue(frame.Outgoing{Headers: requestHeaders()})
	p.want("the stream is opened", "H1")
	for _, waiting := range []int{1, 2, 7, 40} {
		for range waiting {
			s.Send(sized(1000))
		}
		for range 2000 {
			s.sendWindow, p.c.out.window = 0, defaultWindow
			p.widen(s, 1000)
			p.want("one more than is sent", "D1:1000")
			s.Send(sized(1000))
		}
		left := len(s.out.more) - s.out.at
		if room := cap(s.out.more); room > 4*left+8 {
			t.Errorf("there is room for %d messages where %d wait", room, left)
		}
	}
}

func TestPlanTurnOfManyStreams(t *testing.T) {
	p := newPlanner(t, Client)
	p.c.peer.maxConcurrent = maxTurnSteps
	for range maxTurnSteps {
		p.queue(with(sized(5), requestHeaders(), nil, false))
	}
	for i, want := range []int{maxTurnSteps, maxTurnSteps, 0} {
		if n := len(strings.Fields(p.turn())); n != want {
			t.Errorf("turn %d has %d steps; want %d", i, n, want)
		}
	}
}

// What streams have given back is used by others, up to a number.
func TestSpares(t *testing.T) {
	p := newPlanner(t, Server)
	kept := &p.c.out.spares
	first := p.request(1, false)
	first.Send(frame.Outgoing{Headers: responseHeaders()})
	used := first.out
	p.want("it goes out", "H1")
	if first.out != nil || kept.first != used {
		t.Fatalf("the stream holds %v, %v is spare", first.out, kept.first)
	}
	second := p.request(3, false)
	second.Send(with(sized(20), responseHeaders(), nil, false))
	if second.out != used || kept.first != nil {
		t.Error("the next stream has a new one")
	}
	for id := uint32(5); id < 5+4*maxSpares; id += 2 {
		p.request(id, false).Send(frame.Outgoing{Headers: responseHeaders()})
	}
	p.turn()
	n := 0
	for s := kept.first; s != nil; s = s.next {
		if n++; s.msg != nil || s.headers != nil || s.end || s.offset != 0 {
			t.Errorf("%+v is spare", s)
		}
	}
	if n != maxSpares {
		t.Errorf("%d are kept; want %d", n, maxSpares)
	}
	kept.forget()
	if kept.first != nil {
		t.Error("something is kept by a connection that rests")
	}
}
