package frame

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/net/http2"
)

// text renders a frame in one line and frees its data.
func (f *Frame) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v stream=%d len=%d", f.Type, f.StreamID, f.Length)
	switch f.Type {
	case http2.FrameData:
		if f.Data != nil {
			fmt.Fprintf(&b, " data=%q", f.Data.Bytes())
			f.Data.Free()
			f.Data = nil
		}
	case http2.FrameHeaders:
		for _, field := range f.Headers.Fields {
			fmt.Fprintf(&b, " %s=%q", field.Name, field.Value)
		}
		if f.Headers.Err != nil {
			fmt.Fprintf(&b, " err=%q", f.Headers.Err)
		}
	case http2.FrameRSTStream:
		fmt.Fprintf(&b, " code=%v", f.ErrCode)
	case http2.FrameSettings:
		for _, s := range f.Settings {
			fmt.Fprintf(&b, " %v=%d", s.ID, s.Val)
		}
	case http2.FramePing:
		fmt.Fprintf(&b, " data=%x", f.Ping)
	case http2.FrameGoAway:
		fmt.Fprintf(&b, " last=%d code=%v debug=%q", f.LastStreamID, f.ErrCode, f.Debug)
	case http2.FrameWindowUpdate:
		fmt.Fprintf(&b, " increment=%d", f.Increment)
	}
	if f.End {
		b.WriteString(" end")
	}
	if f.Ack {
		b.WriteString(" ack")
	}
	return b.String()
}

// transcript reads frames until reading ends, one line for each frame and
// error. The final io.EOF gives no line.
func transcript(r *Reader) []string {
	var lines []string
	for {
		f, err := awaited(r)
		if _, ok := err.(*StreamError); !ok && err != nil {
			if err != io.EOF {
				lines = append(lines, "! "+err.Error())
			}
			return lines
		}
		line := f.text()
		if err != nil {
			line += " ! " + err.Error()
		}
		lines = append(lines, line)
	}
}

// awaited is Next, after Await if r's reader is patient.
func awaited(r *Reader) (Frame, error) {
	if r.src.patient != nil {
		r.Await()
	}
	return r.Next()
}

// unhex decodes hex digits, ignoring white space.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	p, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatalf("bad hex in test: %v", err)
	}
	return p
}

// rawFrame builds a frame with any header and payload.
func rawFrame(t http2.FrameType, flags http2.Flags, id uint32, payload string) string {
	return string(appendHeader(nil, len(payload), t, flags, id)) + payload
}
