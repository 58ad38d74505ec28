package h2peer_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/memconn"
)

// Every writer is read back by the matching want of a second peer.
func TestWritersAndWantsMatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(t)

		client.WriteSettingsAck()
		server.WantSettingsAck("ack")
		client.WritePing(false, [8]byte{'?'})
		server.WantPing("ping")
		server.WritePing(true, [8]byte{'?'})
		client.WantPingAck("answer", [8]byte{'?'})
		client.WriteWindowUpdate(0, 77)
		server.WantWindowUpdate("exact", 0, 77)
		client.WriteWindowUpdate(1, 78)
		server.WantWindowUpdate("any", 1, 0)

		client.Request(1, "/s/m", "x-id", "1", "x-id", "2")
		f := server.WantRequest("request", 1, "/s/m", "x-id", "2")
		if got := f.Values("x-id"); len(got) != 2 || f.Value("x-id") != "1" || f.Value("absent") != "" {
			t.Errorf("x-id = %q", got)
		}
		server.Response(1)
		client.WantResponse("response", 1)
		server.Trailers(1, 5, "grpc-message", "gone")
		client.WantTrailers("trailers", 1, 5, "grpc-message", "gone")
		server.TrailersOnly(3, 12)
		client.WantTrailers("trailers only", 3, 12, ":status", "200")

		client.WriteRST(1, http2.ErrCodeCancel)
		server.WantRST("reset", 1, http2.ErrCodeCancel)
		client.WritePriority(5, http2.PriorityParam{Weight: 3})
		client.WriteRaw(0xbe, 0x2, 9, []byte("grease"))
		frames := server.Until("unknown types pass", func(f h2peer.Frame) bool { return f.Type == 0xbe })
		if len(frames) != 2 || string(frames[1].Payload) != "grease" || frames[1].StreamID != 9 {
			t.Errorf("got %v", frames)
		}
		server.WriteGoAway(3, http2.ErrCodeEnhanceYourCalm, "too_many_pings")
		if f := client.WantGoAway("goaway", http2.ErrCodeEnhanceYourCalm); f.LastStreamID != 3 {
			t.Errorf("LastStreamID = %d", f.LastStreamID)
		}
		client.WantIdle("all read")
		server.Close()
		client.WantClosed("the server hung up")
	})
}

func TestLargeHeaderBlocksAreSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(t)
		long := strings.Repeat("~", 40_000) // 13 bits each under Huffman: sent as is
		client.WriteHeaders(1, true, "long", long, "short", "s")
		f := server.WantHeaders("one block", 1, true, "long", long, "short", "s")
		if f.Fragments != 3 {
			t.Errorf("%d frames, want HEADERS and two CONTINUATIONs", f.Fragments)
		}
	})
}

func TestRawHeaderBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(t)
		block := client.EncodeHeaders("a", "b", "c", "d")
		client.WriteHeadersRaw(1, true, false, block[:1])
		client.WriteContinuation(1, false, nil)
		client.WriteContinuation(1, true, block[1:])
		if f := server.WantHeaders("three pieces", 1, true, "a", "b", "c", "d"); f.Fragments != 3 {
			t.Errorf("%d frames", f.Fragments)
		}
	})
}

func TestHeaderTableSizeIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := memconn.Pipe()
		client, server := h2peer.New(t, c, h2peer.Client), h2peer.New(t, s, h2peer.Server)
		client.WritePreface()
		client.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0})
		client.WriteSettingsAck()
		server.Greet()
		server.WriteHeaders(1, true, "a", "b")
		server.WriteHeaders(3, true, "a", "b")
		client.WantSettings("greeting")
		client.WantSettingsAck("greeting")
		client.WantHeaders("the table is shrunk before its first use", 1, true, "a", "b")
		client.WantHeaders("and nothing was put in it", 3, true, "a", "b")
	})
}

func TestPaddedData(t *testing.T) {
	for _, tc := range []struct {
		name string
		pad  []byte
		cost int
	}{
		{"some", make([]byte, 10), 3 + 1 + 10},
		{"none but the length", nil, 3 + 1},
		{"most", make([]byte, 255), 3 + 1 + 255},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := pair(t)
				client.WriteDataPadded(1, false, []byte("abc"), tc.pad)
				if f := server.WantData("padding is not payload", 1, false, []byte("abc")); f.FlowControlled != tc.cost {
					t.Errorf("costs %d of the window, want %d", f.FlowControlled, tc.cost)
				}
			})
		})
	}
}

func TestMessagesAreSpreadAnyWay(t *testing.T) {
	payload := bytes.Repeat([]byte("0123456789"), 5000)
	for _, tc := range []struct {
		name  string
		write func(p *h2peer.Peer)
		end   bool
	}{
		{"split at 16384, end on the last", func(p *h2peer.Peer) { p.WriteMessage(1, true, payload) }, true},
		{"split at 16384, open", func(p *h2peer.Peer) { p.WriteMessage(1, false, payload) }, false},
		{"one huge frame", func(p *h2peer.Peer) { p.WriteData(1, true, h2peer.Message(payload)) }, true},
		{"end on an empty frame", func(p *h2peer.Peer) {
			p.WriteMessage(1, false, payload)
			p.WriteData(1, true, nil)
		}, true},
		{"byte by byte prefix", func(p *h2peer.Peer) {
			m := h2peer.Message(payload)
			for i := range 7 {
				p.WriteData(1, false, m[i:i+1])
			}
			p.WriteData(1, true, m[7:])
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := pair(t)
				tc.write(client)
				server.WantMessage("whole", 1, tc.end, payload)
				server.WantIdle("nothing is left")
			})
		})
	}
}

func TestMessagesThatShareFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(t)
		all := append(append(h2peer.Message([]byte("one")), h2peer.Message(nil)...), h2peer.Message([]byte("three"))...)
		client.WriteData(1, false, all[:10])
		client.WriteMessage(3, true, []byte("other stream"))
		client.WriteData(1, true, all[10:])
		server.WantMessage("first", 1, false, []byte("one"))
		server.WantMessage("streams do not mix", 3, true, []byte("other stream"))
		server.WantMessage("empty", 1, false, nil)
		server.WantMessage("last", 1, true, []byte("three"))
	})
}

func TestWantDataBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(t)
		client.WriteData(1, false, []byte("ab"))
		client.WriteData(1, false, []byte("cde"))
		client.WriteData(1, true, []byte("f"))
		if got := server.WantDataBytes("two frames", 1, 5); string(got) != "abcde" {
			t.Errorf("got %q", got)
		}
		server.WantData("the third is left", 1, true, []byte("f"))
	})
}

func TestIgnore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := pair(t)
		client.WriteWindowUpdate(0, 1)
		client.WriteData(1, false, []byte("x"))
		client.WriteWindowUpdate(0, 1)
		server.Ignore(http2.FrameWindowUpdate)
		server.WantData("window updates are passed over", 1, false, []byte("x"))
		server.WantIdle("also at the end")
	})
}

func TestGreetFromEitherSide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := memconn.Pipe()
		client, server := h2peer.New(t, c, h2peer.Client), h2peer.New(t, s, h2peer.Server)
		// The client greets by hand and is in a hurry: its first request does
		// not wait for the server's SETTINGS.
		client.WritePreface()
		client.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})
		client.WriteWindowUpdate(0, 1<<20)
		client.Request(1, "/s/m")
		client.WriteSettingsAck()
		client.WriteWindowUpdate(0, 1<<20)
		theirs := server.Greet(http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 9})
		if v, ok := theirs.Setting(http2.SettingInitialWindowSize); !ok || v != 1 {
			t.Errorf("server got %v", theirs)
		}
		server.WantRequest("what came early is still there", 1, "/s/m")
		server.WantIdle("connection windows belong to the greeting")
		client.WantSettings("server's", http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: 9})
		client.WantSettingsAck("server's")
		client.WantIdle("the server has greeted")
	})
}
