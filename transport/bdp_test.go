package transport

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/internal/h2peer"
)

// farPeer sends one endless stream over a link of its own: what it does, and what it is told, takes
// effect a round trip later, and each step carries only so many bytes.
type farPeer struct {
	*scene
	perStep      int
	conn, stream int // windows
	initial      int
	told         []toldFrame
}

type toldFrame struct {
	at time.Time
	f  h2peer.Frame
}

const (
	farRTT  = 50 * time.Millisecond
	farStep = 5 * time.Millisecond
)

// far plays script with a client at the other end of a link that carries perStep
// bytes in 5 ms.
func far(t *testing.T, cfg Config, perStep int, script func(p *farPeer)) {
	t.Helper()
	cfg.Enforcement.MaxStrikes = -1 // PINGs mark the time here
	play(t, Server, cfg, func(s *scene) {
		s.peer.WritePreface()
		s.peer.WriteSettings()
		time.Sleep(farRTT) // fake clock
		s.peer.WriteSettingsAck()
		s.peer.Request(1, "/s/m")
		s.served(1)
		script(&farPeer{scene: s, perStep: perStep, conn: int(s.conn.in.conn.left.Load()), stream: 65535, initial: 65535})
	})
}

// roundTrip sends for one round trip what the windows allow, and returns how many bytes that was.
func (p *farPeer) roundTrip() int {
	p.Helper()
	sent := 0
	for range farRTT / farStep {
		p.listen()
		n := min(p.conn, p.stream, p.perStep)
		p.conn, p.stream, sent = p.conn-n, p.stream-n, sent+n
		for ; n > 0; n -= 1 << 14 {
			p.peer.WriteData(1, false, make([]byte, min(n, 1<<14)))
		}
		p.wait()
		p.hear()
		time.Sleep(farStep) // fake clock
	}
	return sent
}

// hear notes what the Conn has written.
func (p *farPeer) hear() {
	p.Helper()
	mark := [8]byte{'m', 'a', 'r', 'k'}
	p.peer.WritePing(false, mark)
	for _, f := range p.peer.Until("an answer", func(f h2peer.Frame) bool {
		return f.Type == http2.FramePing && f.Ack() && [8]byte(f.Payload) == mark
	}) {
		p.told = append(p.told, toldFrame{time.Now(), f})
	}
}

// listen acts on what was written a round trip ago.
func (p *farPeer) listen() {
	for len(p.told) > 0 && time.Since(p.told[0].at) >= farRTT {
		f := p.told[0].f
		p.told = p.told[1:]
		switch {
		case f.Type == http2.FramePing && !f.Ack():
			p.peer.WritePing(true, [8]byte(f.Payload))
		case f.Type == http2.FrameWindowUpdate && f.StreamID == 0:
			p.conn += int(f.Increment)
		case f.Type == http2.FrameWindowUpdate:
			p.stream += int(f.Increment)
		case f.Type == http2.FrameSettings && !f.Ack():
			if n, ok := f.Setting(http2.SettingInitialWindowSize); ok {
				p.stream += int(n) - p.initial
				p.initial = int(n)
			}
		}
	}
}

// TestWindowGrowthFarAway: how many round trips it takes until the window is not
// what limits a stream of small messages, and how far the window then goes.
func TestWindowGrowthFarAway(t *testing.T) {
	for _, tc := range []struct {
		name    string
		cfg     Config
		perStep int
		rounds  int // until the link is full
		bound   int // of the window
	}{
		{"a link that holds 1 MB", Config{}, 100_000, 5, 5_000_000},
		{"a link that holds 6 MB", Config{}, 600_000, 8, 16 << 20},
		{"a link that holds 100 KB", Config{}, 10_000, 5, 500_000},
		{"no more than MaxWindow", Config{MaxWindow: 1 << 20}, 600_000, 0, 1 << 20},
		{"growth off", Config{MaxWindow: -1}, 600_000, 0, 65535},
		{"beside another stream, 1 MB", Config{}, 100_000, 8, 5_000_000},
		{"beside another stream, 6 MB", Config{}, 600_000, 9, 16 << 20},
	} {
		t.Run(tc.name, func(t *testing.T) {
			far(t, tc.cfg, tc.perStep, func(p *farPeer) {
				if strings.HasPrefix(tc.name, "beside") {
					p.peer.Request(3, "/s/m")
				}
				full := 0
				for i := 1; i <= 20; i++ {
					last := p.roundTrip()
					t.Logf("round %d: %d bytes, window %d", i, last, p.initial)
					if full == 0 && last >= 9*p.perStep {
						full = i
					}
				}
				if (full == 0 || full > tc.rounds) && tc.rounds > 0 {
					t.Errorf("the link is full in round trip %d; want %d", full, tc.rounds)
				}
				if p.initial > tc.bound || tc.rounds == 0 && p.initial < tc.bound {
					t.Errorf("the window became %d; want %d", p.initial, tc.bound)
				}
			})
		})
	}
}

// A round trip is measured once half of the window has come that limits the peer: a stream's, or what several
// streams share.
func TestMeasuringBeginsWithHalfAWindow(t *testing.T) {
	for name, tc := range map[string]struct{ stream, shared, half int64 }{
		"nothing is shared yet":           {1 << 20, 0, 1 << 19},
		"a large one is shared":           {1 << 20, 4 << 20, 1 << 19},
		"less than one is shared":         {4 << 20, 1 << 20, 1 << 19},
		"a stream's grows no more":        {16 << 20, 2 << 20, 1 << 20},
		"a stream's grows, the other not": {4 << 20, 32 << 20, 2 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlanner(t, Server)
			p.c.in.streamWindow.Store(tc.stream)
			p.c.in.conn.shared = int32(tc.shared)
			p.c.countBytes(1, tc.half-1)
			if n := len(p.c.pings.outstanding); n != 0 {
				t.Errorf("%d PINGs for less than half of the window", n)
			}
			p.c.countBytes(1, 1)
			if n := len(p.c.pings.outstanding); n != 1 {
				t.Errorf("%d PINGs for half of the window; want 1", n)
			}
		})
	}
}

// measured is a server's tables when one stream has brought half of a window, a PING of 20 ms was answered, and
// another 20 ms have passed; others have brought so many bytes before the answer.
func measured(t *testing.T, before int64) *planner {
	p := newPlanner(t, Server)
	const trip = 20 * time.Millisecond
	p.c.countBytes(1, 40_000)
	if p.c.bdp == nil || p.c.bdp.phase != bdpAsking {
		t.Fatal("half of a window has come, and no PING goes out")
	}
	p.c.countBytes(3, before)
	time.Sleep(trip) // fake clock
	p.c.in.conn.answered(trip)
	p.c.onBDPAnswer(trip)
	time.Sleep(trip) // fake clock
	return p
}

// What comes before a PING is answered may have been sent long before: it tells nothing of what the path carries.
func TestOnlyBytesAfterTheAnswerCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := measured(t, 10<<20)
		p.c.countBytes(1, 65535)
		if got := p.c.in.conn.shared; got != 1<<20 {
			t.Errorf("several streams share %d; want 1 MiB, because only 64 KiB came in a round trip", got)
		}
	})
}

// What the path carries is what all streams bring.
func TestBytesOfAllStreamsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := measured(t, 0)
		for i := range uint32(8) {
			p.c.countBytes(1+2*i, 60_000)
		}
		p.c.countBytes(1, 5535)
		if got := p.c.in.conn.shared; got < 4*485_000 || got > 4*486_000 {
			t.Errorf("several streams share %d; want 4 × 485 kB", got)
		}
	})
}

// fill answers a PING after rtt, brings a whole window of stream 1 in another while, and returns what the
// window is then.
func (p *planner) fill(rtt, took time.Duration) int64 {
	p.Helper()
	p.c.countBytes(1, p.c.in.streamWindow.Load()/2+1)
	if p.c.bdp.phase != bdpAsking {
		p.Fatal("half of a window has come, and no PING goes out")
	}
	p.c.onBDPAnswer(rtt)
	time.Sleep(took) // fake clock
	p.c.countBytes(1, p.c.in.streamWindow.Load())
	return p.c.in.streamWindow.Load()
}

// How much a window grows depends on how long it took to fill it.
func TestHowMuchWindowsGrow(t *testing.T) {
	const rtt = 20 * time.Millisecond
	for took, want := range map[time.Duration]int64{rtt: 4, rtt + 1: 2, rtt * 3 / 2: 2, rtt*3/2 + 1: 1} {
		t.Run(took.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if got := newPlanner(t, Server).fill(rtt, took); got != want*65535 {
					t.Errorf("the window becomes %d; want %d × 65535", got, want)
				}
			})
		})
	}
}

// Windows grow while that brings more. The best that was measured fades, because it may have been a burst.
func TestWindowsGrowForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlanner(t, Server)
		for i, step := range []struct {
			rtt  time.Duration
			want int64
		}{
			{20 * time.Millisecond, 4},
			{80 * time.Millisecond, 4},  // as many bytes per second
			{80 * time.Millisecond, 16}, // but more than seven eighths of that
			{400 * time.Millisecond, 16},
			{400 * time.Millisecond, 16}, // 80 % are less
			{400 * time.Millisecond, 64}, // than 77 % are not
		} {
			if got := p.fill(step.rtt, step.rtt); got != step.want*65535 {
				t.Errorf("step %d: the window becomes %d; want %d × 65535", i+1, got, step.want)
			}
		}
		if got := p.c.in.conn.alone; got != 2*64*65535 {
			t.Errorf("the connection's window becomes %d; want twice a stream's", got)
		}
	})
}
