package h2peer_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/internal/h2peer"
	"github.com/cqrpc/cqrpc/internal/memconn"
)

// pair is two peers that have greeted each other, so that what one writes the
// other can want.
func pair(t *testing.T) (client, server *h2peer.Peer) {
	t.Helper()
	c, s := memconn.Pipe()
	client, server = h2peer.New(t, c, h2peer.Client), h2peer.New(t, s, h2peer.Server)
	client.WritePreface()
	client.WriteSettings()
	server.WriteSettings()
	server.WantSettings("client's part of the greeting")
	client.WantSettings("server's part of the greeting")
	return client, server
}

// fatal is a testing.TB that keeps the message of the first Fatal.
type fatal struct {
	testing.TB
	message string
}

func (f *fatal) Fatal(args ...any) {
	f.message = fmt.Sprint(args...)
	runtime.Goexit()
}

func (f *fatal) Fatalf(format string, args ...any) { f.Fatal(fmt.Sprintf(format, args...)) }

// failure returns how want failed, "" if it did not.
func failure(t *testing.T, conn *memconn.Conn, want func(*h2peer.Peer)) string {
	f := &fatal{TB: t}
	p := h2peer.New(f, conn, h2peer.Client)
	done := make(chan struct{})
	go func() {
		defer close(done)
		want(p)
	}()
	<-done
	return f.message
}

// A want that cannot fail proves nothing. Each row writes something and wants
// something else; the message begins with the reason.
func TestWantsFail(t *testing.T) {
	ping := [8]byte{1}
	for _, tc := range []struct {
		name  string
		write func(*h2peer.Peer)
		want  func(*h2peer.Peer)
		says  string
	}{
		{"nothing came", func(p *h2peer.Peer) {},
			func(p *h2peer.Peer) { p.WantPing("why") }, "no frame came; want PING"},
		{"wrong type", func(p *h2peer.Peer) { p.WriteSettings() },
			func(p *h2peer.Peer) { p.WantPing("why") }, "got SETTINGS; want PING"},
		{"wrong stream", func(p *h2peer.Peer) { p.WriteRST(3, http2.ErrCodeCancel) },
			func(p *h2peer.Peer) { p.WantRST("why", 1, http2.ErrCodeCancel) }, "got RST_STREAM stream=3 CANCEL"},
		{"wrong code", func(p *h2peer.Peer) { p.WriteRST(1, http2.ErrCodeCancel) },
			func(p *h2peer.Peer) { p.WantRST("why", 1, http2.ErrCodeNo) }, "the code differs"},
		{"goaway code", func(p *h2peer.Peer) { p.WriteGoAway(7, http2.ErrCodeNo, "bye") },
			func(p *h2peer.Peer) { p.WantGoAway("why", http2.ErrCodeProtocol) }, `got GOAWAY last=7 NO_ERROR "bye"`},
		{"ack for ping", func(p *h2peer.Peer) { p.WritePing(true, ping) },
			func(p *h2peer.Peer) { p.WantPing("why") }, "it is an ACK"},
		{"ping for ack", func(p *h2peer.Peer) { p.WritePing(false, ping) },
			func(p *h2peer.Peer) { p.WantPingAck("why", ping) }, "not the ACK"},
		{"other ack", func(p *h2peer.Peer) { p.WritePing(true, [8]byte{2}) },
			func(p *h2peer.Peer) { p.WantPingAck("why", ping) }, "not the ACK"},
		{"settings for ack", func(p *h2peer.Peer) { p.WriteSettings() },
			func(p *h2peer.Peer) { p.WantSettingsAck("why") }, "it is no ACK"},
		{"ack for settings", func(p *h2peer.Peer) { p.WriteSettingsAck() },
			func(p *h2peer.Peer) { p.WantSettings("why") }, "it is an ACK"},
		{"setting value", func(p *h2peer.Peer) { p.WriteSettings(http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1}) },
			func(p *h2peer.Peer) { p.WantSettings("why", http2.Setting{ID: http2.SettingMaxFrameSize, Val: 2}) },
			"MAX_FRAME_SIZE should be 2"},
		{"increment", func(p *h2peer.Peer) { p.WriteWindowUpdate(1, 5) },
			func(p *h2peer.Peer) { p.WantWindowUpdate("why", 1, 6) }, "got WINDOW_UPDATE stream=1 +5"},
		{"header value", func(p *h2peer.Peer) { p.WriteHeaders(1, false, "a", "b", "a", "c") },
			func(p *h2peer.Peer) { p.WantHeaders("why", 1, false, "a", "d") }, `a is ["b" "c"]`},
		{"header missing", func(p *h2peer.Peer) { p.WriteHeaders(1, false, "a", "b") },
			func(p *h2peer.Peer) { p.WantHeaders("why", 1, false, "c", "*") }, "c is []"},
		{"headers end", func(p *h2peer.Peer) { p.WriteHeaders(1, true, "a", "b") },
			func(p *h2peer.Peer) { p.WantHeaders("why", 1, false) }, "END_STREAM is true"},
		{"data end", func(p *h2peer.Peer) { p.WriteData(1, false, []byte("x")) },
			func(p *h2peer.Peer) { p.WantData("why", 1, true, []byte("x")) }, "END_STREAM is false"},
		{"data bytes", func(p *h2peer.Peer) { p.WriteData(1, true, []byte("x")) },
			func(p *h2peer.Peer) { p.WantData("why", 1, true, []byte("y")) }, "the payload differs"},
		{"data too long", func(p *h2peer.Peer) { p.WriteData(1, true, []byte("xyz")) },
			func(p *h2peer.Peer) { p.WantDataBytes("why", 1, 2) }, "got 3 bytes of DATA; want 2"},
		{"other message", func(p *h2peer.Peer) { p.WriteMessage(1, true, []byte("abc")) },
			func(p *h2peer.Peer) { p.WantMessage("why", 1, true, []byte("abd")) }, "got message bytes"},
		{"message not the last", func(p *h2peer.Peer) { p.WriteMessage(1, false, nil); p.WriteMessage(1, true, nil) },
			func(p *h2peer.Peer) { p.WantMessage("why", 1, true, nil) }, "ended after the message: false"},
		{"message ends early", func(p *h2peer.Peer) { p.WriteMessage(1, true, nil) },
			func(p *h2peer.Peer) { p.WantMessage("why", 1, false, nil) }, "ended after the message: true"},
		{"message cut short", func(p *h2peer.Peer) { p.WriteData(1, true, []byte{0, 0, 0}) },
			func(p *h2peer.Peer) { p.WantMessage("why", 1, true, nil) }, "want 5 bytes"},
		{"status", func(p *h2peer.Peer) { p.Trailers(1, 13) },
			func(p *h2peer.Peer) { p.WantTrailers("why", 1, 0) }, `grpc-status is ["13"]`},
		{"not idle", func(p *h2peer.Peer) { p.WritePing(false, ping) },
			func(p *h2peer.Peer) { p.WantIdle("why") }, "got PING len=8"},
		{"idle but closed", func(p *h2peer.Peer) { p.Close() },
			func(p *h2peer.Peer) { p.WantIdle("why") }, "the connection ended: EOF; want it open"},
		{"closed but open", func(p *h2peer.Peer) {},
			func(p *h2peer.Peer) { p.WantClosed("why") }, "no frame came; want the connection closed"},
		{"closed after a frame", func(p *h2peer.Peer) { p.WriteSettings(); p.Close() },
			func(p *h2peer.Peer) { p.WantClosed("why") }, "got SETTINGS"},
		{"malformed is not closed", func(p *h2peer.Peer) { p.WriteRaw(http2.FramePing, 0, 0, []byte("short")) },
			func(p *h2peer.Peer) { p.WantClosed("why") }, "malformed bytes"},
		{"block cut by data", func(p *h2peer.Peer) { p.WriteHeadersRaw(1, false, false, nil); p.WriteData(1, true, nil) },
			func(p *h2peer.Peer) { p.WantHeaders("why", 1, false) }, "inside a header block"},
		{"stray continuation", func(p *h2peer.Peer) { p.WriteContinuation(1, true, nil) },
			func(p *h2peer.Peer) { p.WantHeaders("why", 1, false) }, "without its HEADERS"},
		{"bad block", func(p *h2peer.Peer) { p.WriteHeadersRaw(1, false, true, []byte{0xff, 0xff}) },
			func(p *h2peer.Peer) { p.WantHeaders("why", 1, false) }, "header block of stream 1"},
		{"until never", func(p *h2peer.Peer) { p.WritePing(false, ping) },
			func(p *h2peer.Peer) { p.Until("why", func(h2peer.Frame) bool { return false }) }, "no frame came after [PING"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, s := memconn.Pipe()
				tc.write(h2peer.New(t, s, h2peer.Client)) // no preface is expected either way
				got := failure(t, c, tc.want)
				if !strings.Contains(got, tc.says) || !strings.HasPrefix(got, "why: ") {
					t.Errorf("failed with %q, want it to begin with the reason and say %q", got, tc.says)
				}
			})
		})
	}
}

func TestAFailedWriteIsToldByTheNextWant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, s := memconn.Pipe()
		s.Close()
		got := failure(t, c, func(p *h2peer.Peer) {
			p.WriteSettings()
			p.WantSettings("the server is gone")
		})
		if want := "write of the script had failed"; !strings.Contains(got, want) {
			t.Errorf("failed with %q, want it to say %q", got, want)
		}
	})
}

func TestNoPrefaceIsMalformed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := memconn.Pipe()
		p := h2peer.New(t, client, h2peer.Client)
		p.WriteBytes([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
		f := &fatal{TB: t}
		done := make(chan struct{})
		go func() {
			defer close(done)
			h2peer.New(f, server, h2peer.Server).Greet()
		}()
		<-done
		if want := "is no client preface"; !strings.Contains(f.message, want) {
			t.Errorf("failed with %q, want it to say %q", f.message, want)
		}
	})
}

func TestAdvanceNeedsABubble(t *testing.T) {
	c, _ := memconn.Pipe()
	if got := failure(t, c, func(p *h2peer.Peer) { p.Advance(1) }); !strings.Contains(got, "no fake clock") {
		t.Errorf("failed with %q", got)
	}
}

func TestHeadersNeedPairs(t *testing.T) {
	c, _ := memconn.Pipe()
	got := failure(t, c, func(p *h2peer.Peer) { p.WriteHeaders(1, true, "name", "value", "odd") })
	if !strings.Contains(got, `"odd"] has no value`) {
		t.Errorf("failed with %q", got)
	}
}
