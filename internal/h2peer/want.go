package h2peer

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"

	"golang.org/x/net/http2"
)

func (p *Peer) fatalf(why, format string, args ...any) {
	p.t.Helper()
	msg := why + ": " + fmt.Sprintf(format, args...)
	if p.writeErr != nil {
		msg += fmt.Sprintf(" (before that a write of the script had failed: %v)", p.writeErr)
	}
	p.t.Fatal(msg)
}

// take removes the first frame that match accepts from the inbox. In a bubble
// it must be there once nothing moves; elsewhere it may still be under way.
func (p *Peer) take(match func(Frame) bool) (Frame, error) {
	p.settle()
	for {
		f, ok, err := p.in.take(match)
		switch {
		case ok:
			return f, nil
		case err != nil:
			return Frame{}, fmt.Errorf("the connection ended: %w", err)
		case p.bubble:
			return Frame{}, errQuiet
		}
		<-p.in.arrived
	}
}

var errQuiet = errors.New("no frame came")

// next removes the oldest frame of a type not ignored.
func (p *Peer) next() (Frame, error) {
	return p.take(func(f Frame) bool { return !p.ignored[f.Type] })
}

// want takes the next frame and checks its type, stream and whatever else
// mismatch, which may be nil, complains about.
func (p *Peer) want(why, what string, ft http2.FrameType, id uint32, mismatch func(Frame) string) Frame {
	p.t.Helper()
	f, err := p.next()
	if err != nil {
		p.fatalf(why, "%v; want %s", err, what)
	}
	if f.Type != ft || f.StreamID != id {
		p.fatalf(why, "got %v; want %s", f, what)
	}
	if mismatch != nil {
		if complaint := mismatch(f); complaint != "" {
			p.fatalf(why, "got %v; want %s: %s", f, what, complaint)
		}
	}
	return f
}

// unless turns a claim into a complaint where it does not hold.
func unless(ok bool, complaint string) string {
	if ok {
		return ""
	}
	return complaint
}

// WantSettings wants SETTINGS that is no ACK and has at least these parameters.
func (p *Peer) WantSettings(why string, settings ...http2.Setting) Frame {
	p.t.Helper()
	return p.want(why, "SETTINGS", http2.FrameSettings, 0, func(f Frame) string {
		if f.Ack() {
			return "it is an ACK"
		}
		for _, s := range settings {
			if got, ok := f.Setting(s.ID); !ok || got != s.Val {
				return fmt.Sprintf("%v should be %d", s.ID, s.Val)
			}
		}
		return ""
	})
}

// WantSettingsAck wants SETTINGS with ACK.
func (p *Peer) WantSettingsAck(why string) Frame {
	p.t.Helper()
	return p.want(why, "SETTINGS ACK", http2.FrameSettings, 0, func(f Frame) string {
		return unless(f.Ack(), "it is no ACK")
	})
}

// WantHeaders wants one header block on stream id that ends the stream as end
// says and has at least these fields, given as name, value, name, value, ….
// The value "*" stands for any.
func (p *Peer) WantHeaders(why string, id uint32, end bool, fields ...string) Frame {
	p.t.Helper()
	what := fmt.Sprintf("HEADERS stream=%d end=%v %q", id, end, fields)
	return p.want(why, what, http2.FrameHeaders, id, func(f Frame) string {
		if f.End() != end {
			return fmt.Sprintf("END_STREAM is %v", f.End())
		}
		for i := 0; i+1 < len(fields); i += 2 {
			got := f.Values(fields[i])
			if !slices.Contains(got, fields[i+1]) && (len(got) == 0 || fields[i+1] != "*") {
				return fmt.Sprintf("%s is %q", fields[i], got)
			}
		}
		return ""
	})
}

// WantData wants one DATA frame with exactly this payload.
func (p *Peer) WantData(why string, id uint32, end bool, data []byte) Frame {
	p.t.Helper()
	what := fmt.Sprintf("DATA stream=%d end=%v len=%d %s", id, end, len(data), quote(data))
	return p.want(why, what, http2.FrameData, id, func(f Frame) string {
		if f.End() != end {
			return fmt.Sprintf("END_STREAM is %v", f.End())
		}
		return unless(bytes.Equal(f.Payload, data), "the payload differs")
	})
}

// WantDataBytes wants DATA frames on stream id that carry n bytes together and
// no more, whether or not the last one ends the stream, and returns the bytes.
func (p *Peer) WantDataBytes(why string, id uint32, n int) []byte {
	p.t.Helper()
	var got []byte
	for len(got) < n {
		what := fmt.Sprintf("DATA stream=%d with %d more bytes", id, n-len(got))
		f := p.want(why, what, http2.FrameData, id, nil)
		got = append(got, f.Payload...)
	}
	if len(got) > n {
		p.fatalf(why, "got %d bytes of DATA; want %d", len(got), n)
	}
	return got
}

// WantRST wants RST_STREAM with this code.
func (p *Peer) WantRST(why string, id uint32, code http2.ErrCode) Frame {
	p.t.Helper()
	what := fmt.Sprintf("RST_STREAM stream=%d %v", id, code)
	return p.want(why, what, http2.FrameRSTStream, id, func(f Frame) string {
		return unless(f.Code == code, "the code differs")
	})
}

// WantGoAway wants GOAWAY with this code; its LastStreamID is in the result.
func (p *Peer) WantGoAway(why string, code http2.ErrCode) Frame {
	p.t.Helper()
	return p.want(why, fmt.Sprintf("GOAWAY %v", code), http2.FrameGoAway, 0, func(f Frame) string {
		return unless(f.Code == code, "the code differs")
	})
}

// WantPing wants PING that is no ACK.
func (p *Peer) WantPing(why string) Frame {
	p.t.Helper()
	return p.want(why, "PING", http2.FramePing, 0, func(f Frame) string {
		return unless(!f.Ack(), "it is an ACK")
	})
}

// WantPingAck wants PING with ACK and this data.
func (p *Peer) WantPingAck(why string, data [8]byte) Frame {
	p.t.Helper()
	return p.want(why, fmt.Sprintf("PING ACK %q", data), http2.FramePing, 0, func(f Frame) string {
		return unless(f.Ack() && bytes.Equal(f.Payload, data[:]), "not the ACK of this PING")
	})
}

// WantWindowUpdate wants WINDOW_UPDATE by increment, or by any amount if that
// is 0; id 0 is the connection.
func (p *Peer) WantWindowUpdate(why string, id, increment uint32) Frame {
	p.t.Helper()
	what := fmt.Sprintf("WINDOW_UPDATE stream=%d +%d", id, increment)
	return p.want(why, what, http2.FrameWindowUpdate, id, func(f Frame) string {
		return unless(increment == 0 || f.Increment == increment, "the increment differs")
	})
}

// Until takes frames up to and including the first that last accepts, ignored
// types left out, and returns them all.
func (p *Peer) Until(why string, last func(Frame) bool) []Frame {
	p.t.Helper()
	var got []Frame
	for {
		f, err := p.next()
		if err != nil {
			p.fatalf(why, "%v after %v", err, got)
		}
		got = append(got, f)
		if last(f) {
			return got
		}
	}
}

// WantClosed wants the end of the connection and no frame before it.
func (p *Peer) WantClosed(why string) {
	p.t.Helper()
	f, err := p.next()
	var timeout net.Error
	switch {
	case err == nil:
		p.fatalf(why, "got %v; want the connection closed", f)
	case errors.Is(err, errQuiet), errors.Is(err, errMalformed), errors.As(err, &timeout) && timeout.Timeout():
		p.fatalf(why, "%v; want the connection closed", err)
	}
}

// WantIdle wants that nothing has been sent that was not wanted yet, and that
// the connection is open. Outside a bubble this takes a PING, which the subject
// must answer after whatever else it had to say.
func (p *Peer) WantIdle(why string) {
	p.t.Helper()
	if !p.bubble {
		barrier := [8]byte{'w', 'a', 'n', 't', 'i', 'd', 'l', 'e'}
		p.WritePing(false, barrier)
		p.WantPingAck(why, barrier)
		return
	}
	switch f, err := p.next(); {
	case err == nil:
		p.fatalf(why, "got %v; want nothing", f)
	case !errors.Is(err, errQuiet):
		p.fatalf(why, "%v; want it open and idle", err)
	}
}
