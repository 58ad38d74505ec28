package transport

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc/frame"
)

// backlog is n open streams, each with its headers sent and much left to send.
func (p *planner) backlog(n int) (streams []*Stream) {
	p.c.out.window = 0
	p.c.peer.initialWindow = 1 << 30
	for range n {
		streams = append(streams, p.queue(with(sized(1<<20), requestHeaders(), nil, false)))
	}
	p.turn()
	return streams
}

func (p *planner) widenAll(n int64) {
	p.Helper()
	if err := p.c.widenConn(n); err != nil {
		p.Fatal(err)
	}
}

// answer is a stream whose headers are sent and which gets n bytes to send, and its end.
func (p *planner) answer(n int) *Stream {
	s := p.queue(frame.Outgoing{Headers: requestHeaders()})
	p.turn()
	s.Send(with(sized(n), nil, nil, true))
	return s
}

func TestReadyShortFirst(t *testing.T) {
	p := newPlanner(t, Client)
	p.backlog(3)
	p.widenAll(1 << 30)
	p.turn()
	p.answer(20)
	if turn := p.turn(); !strings.HasPrefix(turn, "D7:20. D") {
		t.Errorf("a small message goes before the backlog of others: %q", turn)
	}
	p.answer(shortBytes + 1)
	if words := strings.Fields(p.turn()); slices.Index(words, "D9:16384") != 3 {
		t.Errorf("a large one takes its turn: %q", words)
	}
}

// What was little when the stream was queued may be much when its turn comes.
func TestReadyGrown(t *testing.T) {
	for _, isStalled := range []bool{false, true} {
		t.Run(fmt.Sprintf("stalled: %v", isStalled), func(t *testing.T) {
			p := newPlanner(t, Client)
			p.backlog(1)
			s := p.queue(frame.Outgoing{Headers: requestHeaders()})
			p.turn()
			s.Send(sized(1000))
			if isStalled {
				p.wantNothing("the connection's window is used up")
			}
			for range 19 {
				s.Send(sized(1000))
			}
			p.widenAll(1 << 30)
			if turn := p.turn(); !strings.HasPrefix(turn, "D1:16384 D3:") {
				t.Errorf("20 kB are not little: %q", turn)
			}
		})
	}
}

// Small answers or requests without end may not keep a long stream from going on, whatever little the
// connection's window has room for.
func TestReadyLongGoesOn(t *testing.T) {
	windows := map[string]int64{"a wide window": 1 << 30, "64 KiB": 1 << 16, "a narrow window": 20_000}
	for name, room := range windows {
		for _, isNew := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, new streams: %v", name, isNew), func(t *testing.T) {
				p := newPlanner(t, Client)
				p.backlog(1)
				long, all := 0, 0
				for range 40 {
					p.c.out.window = 0
					for range 20 {
						if isNew {
							p.queue(with(sized(16000), requestHeaders(), nil, true))
						} else {
							p.answer(16000)
						}
					}
					p.widenAll(room)
					turn := p.turn()
					long += sizeOf(turn, "D1:")
					all += sizeOf(turn, "D")
				}
				if long*12 < all || long*6 > all {
					t.Errorf("of %d bytes the long stream sent %d", all, long)
				}
			})
		}
	}
}

// Whoever waits for the connection's window costs nothing until it is his turn: thousands may wait, and
// the peer may open it by a byte at a time.
func TestReadyStalledAreLeftAlone(t *testing.T) {
	for _, size := range []int{20, 1 << 20} {
		t.Run(fmt.Sprint(size, " bytes each"), func(t *testing.T) {
			p := newPlanner(t, Client)
			p.c.out.window = 0
			var all []*Stream
			for range 5 {
				all = append(all, p.queue(with(sized(size), requestHeaders(), nil, false)))
			}
			p.turn()
			for _, s := range all[1:] {
				s.sendWindow = 0 // with which whoever is looked at leaves the queue
			}
			p.widenAll(1)
			p.want("room for a byte", "D1:1")
			for _, s := range all {
				if s.queue == nil {
					t.Errorf("stream %d was looked at", s.id)
				}
			}
			p.widenAll(1)
			p.want("the others are passed over", "D1:1")
		})
	}
}

// A long stream is owed something by short ones only while there is one.
func TestReadyOwesNothingToNobody(t *testing.T) {
	p := newPlanner(t, Client)
	p.c.out.window = 1 << 30
	for range 100 {
		p.answer(8192)
		p.turn()
	}
	p.c.out.window, p.c.peer.initialWindow = 0, 1<<30
	long := p.queue(with(sized(1<<20), requestHeaders(), nil, false))
	p.turn()
	s := p.answer(8192)
	p.widenAll(1 << 30)
	if turn := p.turn(); !strings.HasPrefix(turn, fmt.Sprintf("D%d:8192. D%d:", s.id, long.id)) {
		t.Errorf("a short one goes first: %q", turn)
	}

	p.c.out.ready.lead = 2 * maxLead
	long.Reset(frame.Cancel)
	s = p.answer(8192)
	p.want("the long one is gone", fmt.Sprintf("D%d:8192.", s.id))
}

// A long stream may send more at once than its share, if the peer takes large frames. Then short ones
// get all of theirs before it goes on.
func TestReadyShortShare(t *testing.T) {
	p := newPlanner(t, Client)
	p.c.peer.maxFrame = maxFrameBytes
	long := p.backlog(1)[0]
	for range 100 {
		p.answer(8192)
	}
	p.widenAll(1 << 30)
	p.c.out.ready.lead = maxLead
	between, frames := 0, 0
	for frames < 2 {
		for word := range strings.FieldsSeq(p.turn()) {
			if strings.HasPrefix(word, fmt.Sprintf("D%d:", long.id)) {
				frames++
			} else if frames == 1 {
				between++
			}
		}
	}
	if between*8192 < shortShare*maxLead {
		t.Errorf("%d short ones came between two frames of a long one", between)
	}
}

// When a long stream has caught up, short ones go first again.
func TestReadyTakesTurns(t *testing.T) {
	p := newPlanner(t, Client)
	long := p.backlog(1)[0]
	for range 100 {
		p.answer(8192)
	}
	p.widenAll(1 << 30)
	most, run := 0, 0
	for p.c.out.ready.short.head(true) != nil {
		for word := range strings.FieldsSeq(p.turn()) {
			if strings.HasPrefix(word, fmt.Sprintf("D%d:", long.id)) {
				run++
			} else {
				most, run = max(most, run), 0
			}
		}
	}
	if most > maxLead>>14+1 {
		t.Errorf("%d frames of the long stream came one after the other", most)
	}
}

// Nor may answers without any payload.
func TestReadyLongGoesOnBesideErrors(t *testing.T) {
	p := newPlanner(t, Server)
	p.c.out.window, p.c.peer.initialWindow = 1<<30, 1<<30
	long := p.request(1, false)
	long.Send(with(sized(1<<20), responseHeaders(), nil, false))
	p.turn()
	left := long.sendWindow
	for turn := range uint32(30) {
		for i := range uint32(maxTurnSteps) {
			s := p.request(3+2*(turn*maxTurnSteps+i), true)
			s.Send(frame.Outgoing{Trailers: list(":status", "200", "grpc-status", "5")})
		}
		p.turn()
	}
	if long.sendWindow == left {
		t.Error("the long stream has sent nothing")
	}
}

// A stream that uses the connection's window up goes behind those that had nothing: or a window
// of one frame would be for one stream alone.
func TestReadyNarrowWindowGoesRound(t *testing.T) {
	p := newPlanner(t, Client)
	p.backlog(3)
	for _, want := range []string{"D1:16384", "D3:16384", "D5:16384", "D1:16384"} {
		p.widenAll(16384)
		p.want("a frame's worth", want)
	}
	p.widenAll(3 * 8192)
	p.want("one and a half", "D3:16384 D5:8192")
	p.widenAll(16384)
	p.want("who had the least is next", "D1:16384")
}

// sizeOf adds up the bytes of the words of a turn that begin with prefix.
func sizeOf(turn, prefix string) (sum int) {
	for word := range strings.FieldsSeq(turn) {
		if _, n, ok := strings.Cut(strings.TrimSuffix(word, "."), ":"); ok && strings.HasPrefix(word, prefix) {
			size, _ := strconv.Atoi(n)
			sum += size
		}
	}
	return sum
}
