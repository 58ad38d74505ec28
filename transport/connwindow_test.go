package transport

import (
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
)

// taker is a planner with one open stream, whose connection may be sent 16 MiB.
func taker(t *testing.T) *planner {
	p := newPlanner(t, Server)
	p.open(1)
	p.c.in.conn.shared = 1 << 20
	p.c.widenConnLocked(16 << 20)
	p.want("a stream that is alone", "W0:16711681")
	return p
}

// open enters a stream as a peer's HEADERS do.
func (p *planner) open(id uint32) *Stream {
	p.c.streams.lastPeerID = id
	return p.request(id, false)
}

// take counts n octets of DATA against the connection's window.
func (p *planner) take(n int) {
	p.Helper()
	if err := p.c.takeConn(n); err != nil {
		p.Fatal(err)
	}
}

func TestConnWindowIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := taker(t)
		p.take(4 << 20)
		p.want("a quarter was used", "W0:4194304")
		p.take(4 << 20)
		p.take(4 << 20)
		p.want("two quarters before one was told", "W0:8388608")
		p.open(3)
		p.take(14 << 20)
		p.wantNothing("2 MiB are more than streams get that share")
		p.take(1<<20 + 256<<10)
		p.want("and now it is a quarter less than they get", "W0:262144")

		p.c.mu.Lock()
		p.c.endStreamLocked(p.c.streams.table[3], endedBoth)
		p.c.mu.Unlock()
		p.take(256 << 10)
		p.want("the other may come back", "W0:262144")
		time.Sleep(companyLasts.duration() - 1) // fake clock
		p.take(256 << 10)
		p.want("yet", "W0:262144")
		time.Sleep(time.Nanosecond) // fake clock
		p.take(256 << 10)
		p.want("it is alone again", "W0:15990784")
	})
}

// However large the window, company is noticed within a MiB of it.
func TestConnWindowNoticesCompanySoon(t *testing.T) {
	p := taker(t)
	p.open(3)
	p.take(lookStep - 1)
	if got := p.c.in.conn.target.Load(); got != 16<<20 {
		t.Errorf("nobody has looked yet, and the window is for %d", got)
	}
	p.take(1)
	if got := p.c.in.conn.target.Load(); got != 1<<20 {
		t.Errorf("two streams share a window of %d", got)
	}
}

// A stream that is alone has no less than several together.
func TestConnWindowAfterOthers(t *testing.T) {
	p := newPlanner(t, Server)
	p.open(1)
	p.c.in.conn.shared = 8 << 20
	p.c.lookAroundLocked()
	if got := p.c.in.conn.target.Load(); got != 8<<20 {
		t.Errorf("it has %d", got)
	}
}

// Calls may come and go unseen between two looks at the window.
func TestConnWindowNoticesCalls(t *testing.T) {
	for name, tc := range map[string]struct {
		calls int
		want  string
	}{
		"one call after the other": {1, "W0:4194304"},
		"calls beside it":          {2, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := taker(t)
			p.c.lookAroundLocked()
			for i := range tc.calls {
				p.c.endStreamLocked(p.open(uint32(3+2*i)), endedBoth)
			}
			p.take(4 << 20)
			p.want("a quarter was used", tc.want)
		})
	}
}

func TestConnWindowOfAClientsFirstStream(t *testing.T) {
	p := newPlanner(t, Client)
	p.queue(with(sized(20), requestHeaders(), nil, true))
	p.turn()
	p.c.widenConnLocked(16 << 20)
	p.turn()
	p.take(4 << 20)
	p.want("a stream that is alone", "W0:4194304")
}

// What several streams get follows the bandwidth and the shortest round trip.
func TestConnWindowOfSeveral(t *testing.T) {
	p := newPlanner(t, Server)
	p.open(1)
	p.open(3)
	p.c.widenConnLocked(2 << 20)
	p.c.lookAroundLocked()
	p.turn()
	w := &p.c.in.conn
	if got := w.target.Load(); got != 2<<20 {
		t.Errorf("before anything is measured: %d; want as much as for one", got)
	}
	w.answered(20 * time.Millisecond)
	w.answered(10 * time.Millisecond)
	w.answered(30 * time.Millisecond)
	p.c.bdp = new(bdpState)
	for _, step := range []struct {
		why       string
		bandwidth float64
		want      int32
	}{
		{"4 × 100 kB are less than InitialConnWindow", 10e6, 1 << 20},
		{"4 × 1 MB, for it grows", 100e6, 4_000_000},
		{"4 × 2 MB", 200e6, 8_000_000},
		{"4 × 2.2 MB: a little more came", 220e6, 8_000_000},
		{"less came, because less was sent", 10e6, 8_000_000},
		{"4 × 3 MB: it grows again", 300e6, 12_000_000},
		{"a little more, once", 305e6, 12_000_000},
		{"twice", 310e6, 12_000_000},
		{"2 × 3.2 MB, for it grows no more", 320e6, 6_400_000},
		{"next to nothing more", 330e6, 6_400_000},
		{"as far as the connection's window may grow", 1e12, int32(p.c.maxConnWindow())},
	} {
		if p.c.sizeShared(step.bandwidth); w.shared != step.want || w.target.Load() != step.want {
			t.Errorf("%s: %d, and the target is %d; want %d", step.why, w.shared, w.target.Load(), step.want)
		}
	}
	p.want("the peer is told as it grows", "W0:31457280")
}

// What several streams share changes when it is worth telling: by a quarter.
func TestConnWindowKeepsItsSize(t *testing.T) {
	p := newPlanner(t, Server)
	w := &p.c.in.conn
	p.c.bdp = new(bdpState)
	for _, step := range []struct {
		trip      time.Duration
		bandwidth float64
		want      int32
	}{
		{10 * time.Millisecond, 200e6, 8_000_000},
		{10 * time.Millisecond, 249e6, 8_000_000}, // 4 × 2.49 MB are 9.96
		{10 * time.Millisecond, 250e6, 10_000_000},
		{8 * time.Millisecond, 250e6, 10_000_000}, // 4 × 2 MB, but only a fifth less
		{7 * time.Millisecond, 250e6, 7_000_000},
	} {
		w.answered(step.trip)
		p.c.bdp.flat = 0
		if p.c.sizeShared(step.bandwidth); w.shared != step.want {
			t.Errorf("%v at %.0f bytes per second: %d; want %d", step.trip, step.bandwidth, w.shared, step.want)
		}
	}
}

// The first acknowledgement of SETTINGS tells of a round trip when nothing else is on the way.
func TestRoundTripOfSettings(t *testing.T) {
	play(t, Server, Config{}, func(s *scene) {
		s.peer.WritePreface()
		s.peer.WriteSettings()
		time.Sleep(30 * time.Millisecond) // fake clock
		s.peer.WriteSettingsAck()
		s.wait()
		time.Sleep(30 * time.Millisecond) // fake clock
		s.peer.WriteSettingsAck()
		s.wait()
		if got := s.conn.in.conn.trip.duration(); got != 30*time.Millisecond {
			t.Errorf("a round trip takes %v; want 30ms", got)
		}
	})
}

// Where the application does not keep up, what all streams hold together is bounded.
func TestWindowsOfManySlowReaders(t *testing.T) {
	p := newPlanner(t, Server)
	for i := range uint32(16) {
		s := p.open(2*i + 1)
		if err := s.takeStream(60_000); err != nil {
			t.Fatal(err)
		}
		if i < 8 {
			s.Consume(60_000)
		}
	}
	if !p.c.growWindows(4 << 20) {
		t.Error("the window does not grow")
	}
	if got := p.c.in.streamWindow.Load(); got != 1<<20 {
		t.Errorf("the window became %d; want a sixteenth of what one may become", got)
	}
	if !p.c.growWindows(8<<20) || p.c.in.streamWindow.Load() != 8<<20 {
		t.Error("480 kB unread are not much for windows of 1 MiB")
	}
}

// It is bounded once more than two windows are unread, and is not worth telling below a quarter of a window.
func TestWindowsWhileBytesAreUnread(t *testing.T) {
	const streams, window = 4, 65535
	for _, tc := range []struct {
		name         string
		unread, most int // most: what each may have when all have the same
		taken        int // credit of the first that is not announced yet
		n            int64
		grows        bool
		want         int64
	}{
		{"two windows are unread", 2 * window, 80_000, 0, 4 * window, true, 4 * window},
		{"a byte more", 2*window + 1, 80_000, 0, 4 * window, false, window},
		{"which was just taken", 2*window + 1, 80_000, 1, 4 * window, true, 4 * window},
		{"and a quarter is to be had", 2*window + 1, 82_000, 0, 4 * window, true, 82_000},
		{"the windows do not grow", 2*window + 1, 80_000, 0, window, true, window},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPlanner(t, Server)
			p.c.cfg.MaxWindow = streams * tc.most
			for i := range uint32(streams) {
				n := min(tc.unread, window)
				tc.unread -= n
				if err := p.open(2*i + 1).takeStream(int64(n)); err != nil {
					t.Fatal(err)
				}
			}
			p.c.streams.table[1].Consume(tc.taken)
			if got := p.c.growWindows(tc.n); got != tc.grows || p.c.in.streamWindow.Load() != tc.want {
				t.Errorf("growWindows reports %v, and the window is %d; want %v, %d",
					got, p.c.in.streamWindow.Load(), tc.grows, tc.want)
			}
		})
	}
}

// TestWindowsOfSlowReaders: if streams hold as much as they may, the window does not grow; and that is
// not looked at again for a while.
func TestWindowsOfSlowReaders(t *testing.T) {
	play(t, Server, Config{MaxWindow: 1 << 20}, func(s *scene) {
		s.peer.Greet()
		s.peer.Ignore(http2.FrameWindowUpdate)
		s.handler.hold = true
		const slow, fast = 15, 2*15 + 1 // streams of slow readers, and the one of a fast reader
		for i := range uint32(slow) {
			s.peer.Request(2*i+1, "/s/m")
			for range 3 {
				s.peer.WriteData(2*i+1, false, make([]byte, 16384))
			}
			s.served(2*i + 1)
		}
		ping := s.peer.WantPing("half a window")
		s.handler.hold = false
		s.peer.Request(fast, "/s/m")
		send := func(frames int) {
			for range frames {
				s.peer.WriteData(fast, false, make([]byte, 16384))
				s.served(fast)
			}
		}
		time.Sleep(20 * time.Millisecond) // fake clock
		s.peer.WritePing(true, [8]byte(ping.Payload))
		send(4)
		s.peer.WantIdle("a window within a round trip; but 720 KiB are unread, and 16 streams may hold 1 MiB")
		for i := range uint32(slow) {
			s.served(2*i + 1).stream.Consume(3 * 16384)
		}
		time.Sleep(heldFor.duration() - time.Nanosecond) // fake clock
		send(4)
		s.peer.WantIdle("that was looked at just now")
		time.Sleep(time.Nanosecond) // fake clock
		send(2)
		ping = s.peer.WantPing("half a window")
		time.Sleep(20 * time.Millisecond) // fake clock
		s.peer.WritePing(true, [8]byte(ping.Payload))
		send(4)
		s.peer.WantSettings("nothing is unread",
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: 4 * 65535},
			http2.Setting{ID: http2.SettingMaxFrameSize, Val: grownFrameSize})
	})
}

// Many streams that bring little each have windows enough, however much they bring together.
func TestWindowsOfManyStreams(t *testing.T) {
	play(t, Server, Config{}, func(s *scene) {
		s.peer.Greet()
		s.peer.Ignore(http2.FrameWindowUpdate)
		const streams = 20
		send := func(frames int, id func(i int) uint32) {
			for i := range frames {
				s.peer.WriteData(id(i), false, make([]byte, 16384))
				s.served(id(i))
			}
		}
		each := func(i int) uint32 { return uint32(2*(i%streams) + 1) }
		for i := range streams {
			s.peer.Request(each(i), "/s/m")
		}
		send(2, each)
		for _, round := range []struct {
			frames int
			id     func(i int) uint32
		}{{streams, each}, {5, func(int) uint32 { return 1 }}} {
			ping := s.peer.WantPing("half a window")
			time.Sleep(20 * time.Millisecond) // fake clock
			s.peer.WritePing(true, [8]byte(ping.Payload))
			send(round.frames, round.id)
			if round.frames == streams {
				s.peer.WantIdle("16 KiB of each")
				time.Sleep(31 * time.Millisecond) // fake clock
				send(3, each)
			}
		}
		s.peer.WantSettings("a window of one",
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: 4 * 65535},
			http2.Setting{ID: http2.SettingMaxFrameSize, Val: grownFrameSize})
	})
}
