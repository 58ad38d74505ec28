package transport

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/frame"
)

func set(id http2.SettingID, v uint32) http2.Setting { return http2.Setting{ID: id, Val: v} }

func TestSettingsFaults(t *testing.T) {
	for _, tc := range []struct {
		name string
		side Side
		set  http2.Setting
		code http2.ErrCode
	}{
		{"ENABLE_PUSH 2", Server, set(http2.SettingEnablePush, 2), http2.ErrCodeProtocol},
		{"ENABLE_PUSH 1 from a server", Client, set(http2.SettingEnablePush, 1), http2.ErrCodeProtocol},
		{"INITIAL_WINDOW_SIZE 2^31", Server, set(http2.SettingInitialWindowSize, 1<<31), http2.ErrCodeFlowControl},
		{"MAX_FRAME_SIZE 0", Client, set(http2.SettingMaxFrameSize, 0), http2.ErrCodeProtocol},
		{"MAX_FRAME_SIZE 16383", Server, set(http2.SettingMaxFrameSize, 16383), http2.ErrCodeProtocol},
		{"MAX_FRAME_SIZE 2^24", Server, set(http2.SettingMaxFrameSize, 1<<24), http2.ErrCodeProtocol},
	} {
		t.Run(tc.side.String()+": "+tc.name, func(t *testing.T) {
			greeted(t, tc.side, Config{}, func(s *scene) {
				s.peer.WriteSettings(tc.set)
				s.wantDead("RFC 9113 section 6.5.2", tc.code)
			})
		})
	}
}

func TestSettingsHarmless(t *testing.T) {
	for _, side := range []Side{Client, Server} {
		greeted(t, side, Config{}, func(s *scene) {
			s.peer.WriteSettings(set(0xff, 7), set(http2.SettingEnablePush, 0), set(0xfe03, 1))
			s.peer.WantSettingsAck("unknown settings are ignored, but acknowledged")
			s.peer.WriteSettings()
			s.peer.WantSettingsAck("empty ones too")
			s.peer.WriteSettingsAck()
			s.wantAlive("an acknowledgement of nothing is no reason to end")
		})
	}
}

func TestInitialWindowChange(t *testing.T) {
	greeted(t, Client, Config{}, func(s *scene) {
		body := bytes.Repeat([]byte("x"), 30)
		call := s.open(message(body))
		s.peer.WantHeaders("headers need no window", 1, false)
		s.peer.WantDataBytes("10 bytes of window", 1, 10)
		s.peer.WantIdle("no more window")
		call.wantSent("the message is not through", frame.Sent{Headers: true})

		s.peer.WriteSettings(set(http2.SettingInitialWindowSize, 0))
		s.peer.WantSettingsAck("applied")
		s.peer.WantIdle("the window is -10 (RFC 9113 section 6.9.2)")
		s.peer.WriteWindowUpdate(1, 10)
		s.peer.WantIdle("the window is 0")
		s.peer.WriteWindowUpdate(1, 1)
		s.peer.WantDataBytes("one byte", 1, 1)

		s.peer.WriteSettings(set(http2.SettingInitialWindowSize, 5), set(http2.SettingInitialWindowSize, 7))
		s.peer.WantSettingsAck("processed in order, the last one counts, acknowledged before it is used")
		s.peer.WantDataBytes("seven more", 1, 7)
		s.peer.WriteWindowUpdate(1, 100)
		s.peer.WantDataBytes("the rest", 1, 17)
		call.wantSent("through", frame.Sent{Headers: true, Messages: 1})
	}, set(http2.SettingInitialWindowSize, 10))
}

func TestInitialWindowOverflow(t *testing.T) {
	greeted(t, Server, Config{}, func(s *scene) {
		s.peer.Request(1, "/s/m")
		s.served(1)
		s.peer.WriteWindowUpdate(1, 1<<31-1-65535)
		s.wantAlive("2^31-1 is the limit, and legal")
		s.peer.WriteSettings(set(http2.SettingInitialWindowSize, 65534))
		s.peer.WantSettingsAck("less is legal")
		s.peer.WriteSettings(set(http2.SettingInitialWindowSize, 65535))
		s.peer.WantSettingsAck("and so is the limit")
		s.peer.WriteSettings(set(http2.SettingInitialWindowSize, 65536))
		s.wantDead("one stream's window passes the limit", http2.ErrCodeFlowControl)
	})
}

// TestInitialWindowMany: of many values in one frame the last counts, and only
// it costs a round of all streams (CVE-2020-11080).
func TestInitialWindowMany(t *testing.T) {
	greeted(t, Server, Config{}, func(s *scene) {
		s.peer.Request(1, "/s/m")
		s.served(1)
		s.peer.WriteWindowUpdate(1, 1<<31-1-65535)
		var many []http2.Setting
		for i := range uint32(2400) {
			many = append(many, set(http2.SettingInitialWindowSize, 65536+i%2))
		}
		s.peer.WriteSettings(append(many, set(http2.SettingInitialWindowSize, 65535))...)
		s.peer.WantSettingsAck("no stream's window is past the limit afterwards")
		s.wantAlive("nor before")
	})
}

func TestMaxFrameSizeOfPeer(t *testing.T) {
	greeted(t, Client, Config{}, func(s *scene) {
		s.open(with(message(make([]byte, 30_000)), nil, nil, true))
		s.peer.WantHeaders("request", 1, false)
		s.peer.WantDataBytes("one frame", 1, 30_005)
		s.peer.WriteSettings(set(http2.SettingMaxFrameSize, 16384))
		s.peer.WantSettingsAck("less again")
		s.open(with(message(make([]byte, 20_000)), nil, nil, true))
		s.peer.WantHeaders("request", 3, false)
		if f := s.peer.WantData("first frame", 3, false, append([]byte{0, 0, 0, 20_000 >> 8, 20_000 & 0xff},
			make([]byte, 16384-5)...)); len(f.Payload) != 16384 {
			t.Errorf("%d bytes", len(f.Payload))
		}
		s.peer.WantDataBytes("second frame", 3, 20_005-16384)
	}, set(http2.SettingMaxFrameSize, 1<<20))
}

// TestHeaderTableSize: the peer's decoder enforces what it announced.
func TestHeaderTableSize(t *testing.T) {
	greeted(t, Client, Config{}, func(s *scene) {
		id := uint32(1)
		request := func(why string) {
			s.open(frame.Outgoing{End: true})
			s.peer.WantHeaders(why, id, true, ":method", "POST", ":path", "/s/m", "content-type", "application/grpc")
			id += 2
		}
		request("the default table")
		for _, size := range []uint32{0, 4096, 100, 1 << 20, 0} {
			s.peer.WriteSettings(set(http2.SettingHeaderTableSize, size))
			s.peer.WantSettingsAck("table size")
			request("after a change")
			request("and once more")
		}
		// Down and up between two header blocks: entries may have gone meanwhile.
		s.peer.WriteSettings(set(http2.SettingHeaderTableSize, 4096))
		s.peer.WantSettingsAck("up")
		request("fills the table")
		s.peer.WriteSettings(set(http2.SettingHeaderTableSize, 0))
		s.peer.WriteSettings(set(http2.SettingHeaderTableSize, 4096))
		s.peer.WantSettingsAck("down")
		s.peer.WantSettingsAck("up")
		request("does not refer to what is gone")
	})
}

// TestHeaderTableBetweenTurns: the encoder hears of the least size, though a
// larger one replaced it before the flusher's turn.
func TestHeaderTableBetweenTurns(t *testing.T) {
	p := newPlanner(t, Client)
	for _, size := range []uint32{0, 2048} {
		if err := p.c.onSettings(&frame.Frame{Settings: []http2.Setting{set(http2.SettingHeaderTableSize,
			size)}}); err != nil {
			t.Fatal(err)
		}
	}
	for i, least := range []uint32{0, 2048} {
		p.c.peer.changed = true
		var turn turn
		p.c.planLocked(&turn)
		if turn.peer.leastTable != least || turn.peer.headerTable != 2048 {
			t.Errorf("turn %d: %+v", i, turn.peer)
		}
	}
}
