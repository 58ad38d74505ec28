package transport

import (
	"testing"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/h2peer"
)

// frameOn is a frame that a state may forbid.
type frameOn struct {
	name  string
	write func(p *h2peer.Peer, id uint32)
}

var (
	aHeaders  = frameOn{"HEADERS", func(p *h2peer.Peer, id uint32) { p.Request(id, "/s/m") }}
	aTrailers = frameOn{"HEADERS with END_STREAM", func(p *h2peer.Peer, id uint32) { p.WriteHeaders(id, true, "x", "y") }}
	aData     = frameOn{"DATA", func(p *h2peer.Peer, id uint32) { p.WriteData(id, false, []byte("x")) }}
	anEnd     = frameOn{"DATA with END_STREAM", func(p *h2peer.Peer, id uint32) { p.WriteData(id, true, nil) }}
	aReset    = frameOn{"RST_STREAM", func(p *h2peer.Peer, id uint32) { p.WriteRST(id, http2.ErrCodeCancel) }}
	aUpdate   = frameOn{"WINDOW_UPDATE", func(p *h2peer.Peer, id uint32) { p.WriteWindowUpdate(id, 1) }}
	aShut     = frameOn{"WINDOW_UPDATE of 0", func(p *h2peer.Peer, id uint32) { p.WriteWindowUpdate(id, 0) }}
	aPriority = frameOn{"PRIORITY", func(p *h2peer.Peer, id uint32) {
		p.WritePriority(id,
			http2.PriorityParam{StreamDep: 99})
	}}
)

// reaction is what a Conn does about a frame.
type reaction struct {
	goAway bool // the connection ends with code
	reset  bool // the stream is reset with code
	code   http2.ErrCode
}

var (
	ignored    = reaction{}
	connError  = func(c http2.ErrCode) reaction { return reaction{goAway: true, code: c} }
	streamDies = func(c http2.ErrCode) reaction { return reaction{reset: true, code: c} }
)

func (s *scene) wantReaction(r reaction, id uint32) {
	s.Helper()
	const why = "RFC 9113 section 5.1"
	switch {
	case r.goAway:
		s.wantDead(why, r.code)
	case r.reset:
		s.peer.WantRST(why, id, r.code)
		s.wantAlive("a stream error is no connection error")
	default:
		s.wantAlive(why)
	}
}

// TestServerStates: each state of a server's stream 1 against each frame.
func TestServerStates(t *testing.T) {
	protocol, closed := http2.ErrCodeProtocol, http2.ErrCodeStreamClosed
	for _, st := range []struct {
		state string
		reach func(s *scene)
		wants map[*frameOn]reaction
	}{
		{"idle", func(*scene) {}, map[*frameOn]reaction{
			&aData: connError(protocol), &anEnd: connError(protocol), &aReset: connError(protocol),
			&aUpdate: connError(protocol), &aShut: connError(protocol), &aPriority: ignored,
		}},
		{"open", func(s *scene) { s.peer.Request(1, "/s/m"); s.served(1) }, map[*frameOn]reaction{
			&aData: ignored, &anEnd: ignored, &aTrailers: ignored, &aReset: ignored, &aUpdate: ignored, &aPriority: ignored,
			&aHeaders: streamDies(protocol), &aShut: streamDies(protocol),
		}},
		{"half-closed (remote)", func(s *scene) { requestEnded(s) }, map[*frameOn]reaction{
			&aData: streamDies(closed), &anEnd: streamDies(closed), &aHeaders: streamDies(closed),
			&aTrailers: streamDies(closed),
			&aReset:    ignored, &aUpdate: ignored, &aPriority: ignored, &aShut: streamDies(protocol),
		}},
		{"closed by END_STREAM", func(s *scene) {
			requestEnded(s).stream.Send(frame.Outgoing{Trailers: list(":status", "200")})
			s.peer.WantHeaders("response", 1, true)
		}, map[*frameOn]reaction{
			&aData: streamDies(closed), &anEnd: streamDies(closed), &aHeaders: connError(closed), &aTrailers: connError(closed),
			&aReset: ignored, &aUpdate: ignored, &aPriority: ignored, &aShut: streamDies(protocol),
		}},
		{"closed by the client's RST_STREAM", func(s *scene) {
			s.peer.Request(1, "/s/m")
			s.peer.WriteRST(1, http2.ErrCodeCancel)
		}, map[*frameOn]reaction{
			&aData: streamDies(closed), &anEnd: streamDies(closed), &aHeaders: connError(closed), &aTrailers: connError(closed),
			&aReset: ignored, &aUpdate: ignored, &aPriority: ignored, &aShut: streamDies(protocol),
		}},
		{"closed by our RST_STREAM", func(s *scene) {
			s.peer.Request(1, "/s/m")
			s.served(1).stream.Reset(frame.InternalError)
			s.peer.WantRST("reset", 1, http2.ErrCodeInternal)
		}, map[*frameOn]reaction{
			&aData: ignored, &anEnd: ignored, &aTrailers: ignored, &aReset: ignored, &aUpdate: ignored, &aPriority: ignored,
			&aShut: ignored, // one RST_STREAM is enough (section 5.4.2)
		}},
		{"skipped by a higher identifier", func(s *scene) { s.peer.Request(3, "/s/m"); s.served(3) }, map[*frameOn]reaction{
			&aHeaders: connError(protocol), &aReset: ignored, &aUpdate: ignored, &aPriority: ignored,
		}},
	} {
		for f, want := range st.wants {
			t.Run(st.state+": "+f.name, func(t *testing.T) {
				greeted(t, Server, Config{}, func(s *scene) {
					st.reach(s)
					f.write(s.peer, 1)
					s.wantReaction(want, 1)
				})
			})
		}
	}
}

func requestEnded(s *scene) *probe {
	s.peer.Request(1, "/s/m")
	s.peer.WriteData(1, true, nil)
	return s.served(1)
}

// TestClientStates: the same for stream 1 of a client.
func TestClientStates(t *testing.T) {
	protocol, closed := http2.ErrCodeProtocol, http2.ErrCodeStreamClosed
	aResponse := frameOn{"a response", func(p *h2peer.Peer, id uint32) { p.Response(id) }}
	open := func(s *scene) *probe {
		call := s.open(frame.Outgoing{})
		s.peer.WantHeaders("request", 1, false)
		return call
	}
	for _, st := range []struct {
		state string
		reach func(s *scene)
		wants map[*frameOn]reaction
	}{
		{"idle", func(*scene) {}, map[*frameOn]reaction{
			&aResponse: connError(protocol), &aData: connError(protocol), &aReset: connError(protocol),
			&aUpdate: connError(protocol), &aPriority: ignored,
		}},
		{"open", func(s *scene) { open(s) }, map[*frameOn]reaction{
			&aResponse: ignored, &aReset: ignored, &aUpdate: ignored, &aPriority: ignored,
			&aTrailers: streamDies(protocol), // no :status
			&aData:     streamDies(protocol), // no response yet (RFC 9113 section 8.1)
		}},
		{"open, response begun", func(s *scene) { open(s); s.peer.Response(1) }, map[*frameOn]reaction{
			&aData: ignored, &aResponse: streamDies(protocol), &aHeaders: streamDies(protocol),
			&aTrailers: streamDies(http2.ErrCodeNo), // the request is not wanted any more
			&anEnd:     streamDies(http2.ErrCodeNo),
		}},
		{"half-closed (local)", func(s *scene) {
			s.open(frame.Outgoing{End: true})
			s.peer.WantHeaders("request", 1, true)
			s.peer.Response(1)
		}, map[*frameOn]reaction{
			&aData: ignored, &anEnd: ignored, &aTrailers: ignored, &aReset: ignored, &aUpdate: ignored,
		}},
		{"closed by END_STREAM", func(s *scene) {
			s.open(frame.Outgoing{End: true})
			s.peer.WantHeaders("request", 1, true)
			s.peer.TrailersOnly(1, 0)
		}, map[*frameOn]reaction{
			&aData: streamDies(closed), &aReset: ignored, &aUpdate: ignored, &aPriority: ignored,
			&aTrailers: streamDies(closed), // C-core sends them twice
		}},
		{"closed by our RST_STREAM", func(s *scene) {
			open(s).stream.Reset(frame.Cancel)
			s.peer.WantRST("reset", 1, http2.ErrCodeCancel)
		}, map[*frameOn]reaction{
			&aResponse: ignored, &aData: ignored, &aTrailers: ignored, &aReset: ignored, &aUpdate: ignored,
		}},
	} {
		for f, want := range st.wants {
			t.Run(st.state+": "+f.name, func(t *testing.T) {
				greeted(t, Client, Config{}, func(s *scene) {
					st.reach(s)
					f.write(s.peer, 1)
					s.wantReaction(want, 1)
				})
			})
		}
	}
}

func TestStreamIdentifiers(t *testing.T) {
	for _, tc := range []struct {
		name string
		side Side
		ids  []uint32
	}{
		{"an even one from a client", Server, []uint32{2}},
		{"decreasing", Server, []uint32{5, 3}},
		{"any from a server, odd", Client, []uint32{1}},
		{"any from a server, even", Client, []uint32{2}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			greeted(t, tc.side, Config{}, func(s *scene) {
				for _, id := range tc.ids {
					s.peer.Request(id, "/s/m")
				}
				s.wantDead("RFC 9113 section 5.1.1", http2.ErrCodeProtocol)
			})
		})
	}
}

// TestConnFaults: what ends the connection whatever the streams.
func TestConnFaults(t *testing.T) {
	for _, tc := range []struct {
		name  string
		write func(p *h2peer.Peer)
		code  http2.ErrCode
	}{
		{"PUSH_PROMISE", func(p *h2peer.Peer) { p.WriteRaw(http2.FramePushPromise, 4, 1, []byte{0, 0, 0, 2}) },
			http2.ErrCodeProtocol},
		{"DATA on stream 0", func(p *h2peer.Peer) { p.WriteRaw(http2.FrameData, 0, 0, []byte("x")) }, http2.ErrCodeProtocol},
		{"HEADERS on stream 0", func(p *h2peer.Peer) { p.WriteRaw(http2.FrameHeaders, 4, 0, nil) }, http2.ErrCodeProtocol},
		{"RST_STREAM on stream 0", func(p *h2peer.Peer) { p.WriteRaw(http2.FrameRSTStream, 0, 0, make([]byte, 4)) },
			http2.ErrCodeProtocol},
		{"SETTINGS on stream 1", func(p *h2peer.Peer) { p.WriteRaw(http2.FrameSettings, 0, 1, nil) }, http2.ErrCodeProtocol},
		{"PING on stream 1", func(p *h2peer.Peer) { p.WriteRaw(http2.FramePing, 0, 1, make([]byte, 8)) },
			http2.ErrCodeProtocol},
		{"GOAWAY on stream 1", func(p *h2peer.Peer) { p.WriteRaw(http2.FrameGoAway, 0, 1, make([]byte, 8)) },
			http2.ErrCodeProtocol},
		{"PING of 7", func(p *h2peer.Peer) { p.WriteRaw(http2.FramePing, 0, 0, make([]byte, 7)) }, http2.ErrCodeFrameSize},
		{"RST_STREAM of 3", func(p *h2peer.Peer) { p.WriteRaw(http2.FrameRSTStream, 0, 1, make([]byte, 3)) },
			http2.ErrCodeFrameSize},
		{"SETTINGS of 5", func(p *h2peer.Peer) { p.WriteRaw(http2.FrameSettings, 0, 0, make([]byte, 5)) },
			http2.ErrCodeFrameSize},
		{"SETTINGS ACK of 6", func(p *h2peer.Peer) { p.WriteRaw(http2.FrameSettings, 1, 0, make([]byte, 6)) },
			http2.ErrCodeFrameSize},
		{"a frame too large", func(p *h2peer.Peer) { p.WriteRaw(http2.FrameData, 0, 1, make([]byte, minFrameSize+1)) },
			http2.ErrCodeFrameSize},
		{"padding past the frame", func(p *h2peer.Peer) { p.WriteRaw(http2.FrameData, 8, 1, []byte{5, 1}) },
			http2.ErrCodeProtocol},
		{"CONTINUATION of nothing", func(p *h2peer.Peer) { p.WriteContinuation(1, true, nil) }, http2.ErrCodeProtocol},
		{"a frame inside a header block", func(p *h2peer.Peer) {
			p.WriteHeadersRaw(3, false, false, p.EncodeHeaders("a", "b"))
			p.WritePing(false, [8]byte{})
		}, http2.ErrCodeProtocol},
		{"CONTINUATION of another stream", func(p *h2peer.Peer) {
			p.WriteHeadersRaw(3, false, false, p.EncodeHeaders("a", "b"))
			p.WriteContinuation(5, true, nil)
		}, http2.ErrCodeProtocol},
		{"CONTINUATION without end", func(p *h2peer.Peer) {
			p.WriteHeadersRaw(3, false, false, nil)
			for range 100 {
				p.WriteContinuation(3, false, nil)
			}
		}, http2.ErrCodeEnhanceYourCalm},
		{"HPACK of nonsense", func(p *h2peer.Peer) {
			p.WriteHeadersRaw(3, false, true, []byte{0xff, 0xff, 0xff,
				0xff})
		}, http2.ErrCodeCompression},
		{"WINDOW_UPDATE of 0 for the connection", func(p *h2peer.Peer) { p.WriteWindowUpdate(0, 0) }, http2.ErrCodeProtocol},
		{"WINDOW_UPDATE of 0 for an idle stream", func(p *h2peer.Peer) { p.WriteWindowUpdate(7, 0) }, http2.ErrCodeProtocol},
		{"the connection's window past 2^31-1", func(p *h2peer.Peer) { p.WriteWindowUpdate(0, 1<<31-1) },
			http2.ErrCodeFlowControl},
	} {
		t.Run(tc.name, func(t *testing.T) {
			greeted(t, Server, Config{}, func(s *scene) {
				s.peer.Request(1, "/s/m")
				call := s.served(1)
				tc.write(s.peer)
				s.wantDead("RFC 9113 section 5.4.1", tc.code)
				call.wantClosed("with the connection", frame.ConnLost, 0)
			})
		})
	}
}

// TestMalformedRequests: each costs its stream only.
func TestMalformedRequests(t *testing.T) {
	good := []string{":method", "POST", ":scheme", "http", ":path", "/s/m", ":authority", "a"}
	for _, tc := range []struct {
		name   string
		fields []string
		end    bool
	}{
		{"no :path", []string{":method", "POST", ":scheme", "http"}, false},
		{"empty :path", []string{":method", "POST", ":scheme", "http", ":path", ""}, false},
		{"no :method", []string{":scheme", "http", ":path", "/"}, false},
		{":status", append([]string{":status", "200"}, good...), false},
		{"two :path", append([]string{":path", "/"}, good...), false},
		{"unknown pseudo-header", append([]string{":x", "y"}, good...), false},
		{"pseudo-header late", []string{":method", "POST", "a", "b", ":scheme", "http", ":path", "/"}, false},
		{"upper case", append(good, "Upper", "x"), false},
		{"connection", append(good, "connection", "close"), false},
		{"te", append(good, "te", "gzip"), false},
		{"empty name", append(good, "", ""), false},
		{"line feed in a value", append(good, "a", "b\nc"), false},
		{"content-length with END_STREAM", append(good, "content-length", "3"), true},
		{"content-length of words", append(good, "content-length", "many"), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			greeted(t, Server, Config{}, func(s *scene) {
				s.peer.WriteHeaders(1, tc.end, tc.fields...)
				s.peer.WantRST("RFC 9113 section 8.1.1", 1, http2.ErrCodeProtocol)
				s.wantServed("nobody hears of it", 0)
				s.peer.Request(3, "/s/m")
				s.wantServed("the connection lives", 1)
				s.wantAlive("the connection lives")
				s.peer.WriteData(1, true, []byte("late"))
				s.wantAlive("what follows a reset is ignored")
			})
		})
	}
}

func TestOversizedRequest(t *testing.T) {
	greeted(t, Server, Config{MaxHeaderList: 1000}, func(s *scene) {
		s.peer.Request(1, "/s/m", "x", string(make([]byte, 2000)))
		s.peer.WantRST("larger than SETTINGS_MAX_HEADER_LIST_SIZE", 1, http2.ErrCodeEnhanceYourCalm)
		s.peer.Request(3, "/s/m")
		s.wantServed("HPACK stayed in step", 1)
	})
}

func TestContentLength(t *testing.T) {
	for _, tc := range []struct {
		name  string
		write func(p *h2peer.Peer)
		ok    bool
	}{
		{"exact", func(p *h2peer.Peer) { p.WriteData(1, false, []byte("abc")); p.WriteData(1, true, []byte("de")) }, true},
		{"exact, padded", func(p *h2peer.Peer) { p.WriteDataPadded(1, true, []byte("abcde"), make([]byte, 9)) }, true},
		{"exact, then trailers", func(p *h2peer.Peer) {
			p.WriteData(1, false, []byte("abcde"))
			p.WriteHeaders(1,
				true, "a", "b")
		}, true},
		{"too long", func(p *h2peer.Peer) { p.WriteData(1, false, []byte("abcdef")) }, false},
		{"too short", func(p *h2peer.Peer) { p.WriteData(1, true, []byte("abcd")) }, false},
		{"too short, then trailers", func(p *h2peer.Peer) {
			p.WriteData(1, false, []byte("abcd"))
			p.WriteHeaders(1,
				true, "a", "b")
		}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			greeted(t, Server, Config{}, func(s *scene) {
				s.peer.Request(1, "/s/m", "content-length", "5")
				call := s.served(1)
				tc.write(s.peer)
				if tc.ok {
					s.wantAlive("it adds up")
					call.wantOpen("it adds up")
					return
				}
				s.peer.WantRST("RFC 9113 section 8.1.1", 1, http2.ErrCodeProtocol)
				call.wantClosed("it does not add up", frame.Violation, frame.ProtocolError)
			})
		})
	}
}

func TestMalformedResponses(t *testing.T) {
	for _, tc := range []struct {
		name  string
		write func(p *h2peer.Peer)
		ok    bool
	}{
		{"no :status", func(p *h2peer.Peer) { p.WriteHeaders(1, false, "a", "b") }, false},
		{":status of words", func(p *h2peer.Peer) { p.WriteHeaders(1, false, ":status", "ok") }, false},
		{"informational with END_STREAM", func(p *h2peer.Peer) { p.WriteHeaders(1, true, ":status", "103") }, false},
		{"101", func(p *h2peer.Peer) { p.WriteHeaders(1, false, ":status", "101") }, false},
		{"pseudo-header in trailers", func(p *h2peer.Peer) {
			p.Response(1)
			p.WriteHeaders(1, true, ":status",
				"200")
		}, false},
		{"headers twice", func(p *h2peer.Peer) { p.Response(1); p.Response(1) }, false},
		{"DATA after an informational response", func(p *h2peer.Peer) {
			p.WriteHeaders(1, false, ":status", "103")
			p.WriteData(1, false, []byte("x"))
		}, false},
		{"informational, then final", func(p *h2peer.Peer) {
			p.WriteHeaders(1, false, ":status", "103")
			p.WriteHeaders(1, false, ":status", "100")
			p.Response(1)
			p.Trailers(1, 0)
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			greeted(t, Client, Config{}, func(s *scene) {
				call := s.open(frame.Outgoing{End: true})
				s.peer.WantHeaders("request", 1, true)
				tc.write(s.peer)
				if tc.ok {
					call.wantClean("legal")
					return
				}
				s.peer.WantRST("malformed", 1, http2.ErrCodeProtocol)
				call.wantClosed("malformed", frame.Violation, frame.ProtocolError)
				s.wantAlive("the connection lives")
			})
		})
	}
}

func TestRequestDeclined(t *testing.T) {
	play(t, Server, Config{}, func(s *scene) {
		s.handler.decline = true
		s.peer.Greet()
		s.peer.Request(1, "/s/m")
		s.peer.WantRST("nobody took it", 1, http2.ErrCodeRefusedStream)
		s.wantAlive("the connection lives")
	})
}

func TestMaxConcurrentStreamsEnforced(t *testing.T) {
	greeted(t, Server, Config{MaxConcurrentStreams: 2}, func(s *scene) {
		for id := uint32(1); id < 7; id += 2 {
			s.peer.Request(id, "/s/m")
		}
		s.peer.WantRST("one too many (RFC 9113 section 5.1.2)", 5, http2.ErrCodeRefusedStream)
		s.wantServed("two", 2)
		s.served(1).stream.Reset(frame.Cancel)
		s.peer.WantRST("reset", 1, http2.ErrCodeCancel)
		s.peer.Request(7, "/s/m")
		s.wantServed("the slot is free again", 3)
	})
}

// TestResetCodes: what a client is told about a reset by the server.
func TestResetCodes(t *testing.T) {
	for _, code := range []frame.ErrCode{
		frame.NoError, frame.ProtocolError, frame.InternalError, frame.Cancel, frame.RefusedStream,
		frame.EnhanceYourCalm, 0xdead,
	} {
		greeted(t, Client, Config{}, func(s *scene) {
			call := s.open(frame.Outgoing{})
			s.peer.WantHeaders("request", 1, false)
			s.peer.WriteRST(1, code)
			err := call.wantClosed("reset", frame.ResetByPeer, code)
			if err.Unprocessed != (code == frame.RefusedStream) || err.Unsent {
				t.Errorf("%v: %+v", code, err)
			}
			call.stream.Send(message([]byte("ignored")))
			s.wantAlive("a dead stream ignores Send")
		})
	}
}

func TestEarlyEnd(t *testing.T) {
	t.Run("server", func(t *testing.T) {
		greeted(t, Server, Config{}, func(s *scene) {
			s.peer.Request(1, "/s/m")
			call := s.served(1)
			call.stream.Send(frame.Outgoing{Headers: responseHeaders(), Trailers: statusOK()})
			s.peer.WantResponse("response", 1)
			s.peer.WantTrailers("status", 1, 0)
			s.peer.WantRST("the rest of the request is not wanted (RFC 9113 section 8.1)", 1, http2.ErrCodeNo)
			call.wantClean("that is no fault")
			s.peer.WriteMessage(1, false, []byte("late"))
			s.peer.WriteRST(1, http2.ErrCodeNo)
			s.wantAlive("what crossed it is ignored")
		})
	})
	t.Run("client", func(t *testing.T) {
		greeted(t, Client, Config{}, func(s *scene) {
			call := s.open(frame.Outgoing{})
			s.peer.WantHeaders("request", 1, false)
			s.peer.TrailersOnly(1, 0)
			s.peer.WantRST("the request ends too", 1, http2.ErrCodeNo)
			s.peer.WriteRST(1, http2.ErrCodeNo)
			call.wantClean("that is no fault")
			s.wantAlive("the server's own reset is harmless")
		})
	})
}

// C-core resets a call that is cancelled before its HEADERS were written. That
// must not cost the other calls of the connection.
func TestResetWithoutHeaders(t *testing.T) {
	greeted(t, Server, Config{}, func(s *scene) {
		s.peer.Request(1, "/s/m")
		call := s.served(1)
		s.peer.WriteRST(5, http2.ErrCodeCancel)
		s.wantAlive("stream 5 never was")
		s.peer.Request(3, "/s/m")
		s.served(3)
		s.wantAlive("identifiers below it are still to come")
		call.stream.Send(frame.Outgoing{Headers: responseHeaders(), Trailers: statusOK()})
		s.peer.WantResponse("the other call goes on", 1)
	})
}
