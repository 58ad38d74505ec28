package client

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
)

func TestClientStream(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		var header, trailer cqrpc.Metadata
		var peer call.Peer
		stream := s.clientStream(HeaderTo(&header), TrailerTo(&trailer), PeerTo(&peer))
		p.WantRequest("the headers go out by themselves", 1, clientMethod.Name)
		for i := range 5 {
			if err := stream.Send(message(fmt.Sprint(i))); err != nil {
				s.Fatal("Send:", err)
			}
			p.WantMessage("at once", 1, false, []byte(fmt.Sprint(i)))
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			res, err := stream.CloseAndRecv()
			if err != nil || string(*res) != "sum" {
				s.Errorf("CloseAndRecv = %v, %v", res, err)
			}
		}()
		p.WantData("half-closed", 1, true, nil)
		p.Response(1, "h", "1")
		p.WriteMessage(1, false, []byte("sum"))
		p.Trailers(1, 0, "t", "2")
		<-done
		if header.Get("h") != "1" || trailer.Get("t") != "2" || peer.String() != "mem:server" {
			s.Errorf("header = %v, trailer = %v, peer = %v", header, trailer, peer)
		}
		if err := stream.Send(message("late")); err != io.EOF {
			s.Errorf("Send after the end = %v; want io.EOF", err)
		}
		s.wantEnd("there is one answer", stream.CloseAndRecv)
	})
}

// client_streaming with an early server status: Send says io.EOF, CloseAndRecv
// says why.
func TestClientStreamEndedByTheServer(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.clientStream()
		p.WantRequest("opened", 1, clientMethod.Name)
		if err := stream.Send(message("1")); err != nil {
			s.Fatal("Send:", err)
		}
		p.WantMessage("sent", 1, false, []byte("1"))
		p.TrailersOnly(1, 7)
		synctest.Wait()
		if err := stream.Send(message("2")); err != io.EOF {
			s.Errorf("Send = %v; want io.EOF", err)
		}
		_, err := stream.CloseAndRecv()
		s.wantError("the reason", err, cqrpc.CodePermissionDenied)
	})
}

// server_finishes_request: the answer may come before the requests have ended.
func TestClientStreamAnsweredEarly(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected()
		stream := s.clientStream()
		p.WantRequest("opened", 1, clientMethod.Name)
		answer(p, 1, "seen enough")
		p.WriteRST(1, http2.ErrCodeNo)
		synctest.Wait()
		if err := stream.Send(message("1")); err != io.EOF {
			s.Errorf("Send = %v; want io.EOF", err)
		}
		s.wantRecv("the answer counts", stream.CloseAndRecv, "seen enough")
	})
}

func TestClientStreamCardinality(t *testing.T) {
	for name, messages := range map[string]int{"no message": 0, "two messages": 2} {
		t.Run(name, func(t *testing.T) {
			play(t, func(s *scene) {
				p := s.connected()
				stream := s.clientStream()
				p.WantRequest("opened", 1, clientMethod.Name)
				p.Response(1)
				for range messages {
					p.WriteMessage(1, false, []byte("x"))
				}
				p.Trailers(1, 0)
				_, err := stream.CloseAndRecv()
				s.wantError("a client stream has one response", err, cqrpc.CodeUnimplemented)
			})
		})
	}
}

// unbuffered is a message that no buffer on the way to the wire takes whole.
var unbuffered = strings.Repeat("x", 256<<10)

// Send of it returns when flow control has taken it.
func TestSendWaitsForFlowControl(t *testing.T) {
	play(t, func(s *scene) {
		p := s.connected(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100})
		stream := s.clientStream()
		p.WantRequest("opened", 1, clientMethod.Name)
		sent := make(chan error, 1)
		go func() { sent <- stream.Send(message(unbuffered)) }()
		p.WantDataBytes("as much as the window takes", 1, 100)
		if len(sent) > 0 {
			s.Fatal("Send returned early:", <-sent)
		}
		p.WriteWindowUpdate(0, 1<<20)
		p.WriteWindowUpdate(1, uint32(5+len(unbuffered)-100))
		p.WantDataBytes("the rest", 1, 5+len(unbuffered)-100)
		if err := <-sent; err != nil {
			s.Error("Send:", err)
		}
		go func() { sent <- stream.Send(message(unbuffered)) }()
		synctest.Wait()
		stream.Close()
		if err := <-sent; err != io.EOF {
			s.Errorf("Send on a stream that was closed meanwhile = %v; want io.EOF", err)
		}
		p.WantRST("closed", 1, http2.ErrCodeCancel)
	})
}
