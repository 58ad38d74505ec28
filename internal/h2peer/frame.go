package h2peer

import (
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Frame is one received frame, or one header block with all its CONTINUATIONs.
// It owns its memory.
type Frame struct {
	Type     http2.FrameType
	Flags    http2.Flags
	StreamID uint32

	// Fields is the decoded block of HEADERS, in wire order.
	Fields []hpack.HeaderField
	// Fragments counts the frames that carried the block of HEADERS.
	Fragments int
	// Payload is the bytes of DATA without padding, the eight bytes of PING,
	// the debug data of GOAWAY, or the payload of an unknown type.
	Payload []byte
	// FlowControlled is what DATA cost of the windows: bytes with padding.
	FlowControlled int
	// Settings are the parameters of SETTINGS, in wire order.
	Settings []http2.Setting
	// Code is the error code of RST_STREAM and GOAWAY.
	Code http2.ErrCode
	// LastStreamID is from GOAWAY.
	LastStreamID uint32
	// Increment is from WINDOW_UPDATE.
	Increment uint32
}

// End reports END_STREAM, which only HEADERS and DATA can have.
func (f Frame) End() bool {
	return (f.Type == http2.FrameHeaders || f.Type == http2.FrameData) && f.Flags.Has(http2.FlagDataEndStream)
}

// Ack reports ACK, which only SETTINGS and PING can have.
func (f Frame) Ack() bool {
	return (f.Type == http2.FrameSettings || f.Type == http2.FramePing) && f.Flags.Has(http2.FlagSettingsAck)
}

// Value returns the first value of the named header field, or "".
func (f Frame) Value(name string) string {
	if vs := f.Values(name); len(vs) > 0 {
		return vs[0]
	}
	return ""
}

// Values returns the values of the named header field, in wire order.
func (f Frame) Values(name string) []string {
	var values []string
	for _, field := range f.Fields {
		if field.Name == name {
			values = append(values, field.Value)
		}
	}
	return values
}

// Setting returns the last value of one parameter of SETTINGS (RFC 9113
// section 6.5: they are processed in order) and whether it was there.
func (f Frame) Setting(id http2.SettingID) (value uint32, ok bool) {
	for _, s := range slices.Backward(f.Settings) {
		if s.ID == id {
			return s.Val, true
		}
	}
	return 0, false
}

// String tells what a failure message needs: type, stream, flags, contents.
func (f Frame) String() string {
	var b strings.Builder
	b.WriteString(f.Type.String())
	if f.StreamID != 0 {
		fmt.Fprintf(&b, " stream=%d", f.StreamID)
	}
	if f.End() {
		b.WriteString(" END_STREAM")
	}
	if f.Ack() {
		b.WriteString(" ACK")
	}
	f.appendContents(&b)
	return b.String()
}

func (f Frame) appendContents(b *strings.Builder) {
	switch f.Type {
	case http2.FrameHeaders:
		for _, field := range f.Fields {
			fmt.Fprintf(b, " %s=%q", field.Name, field.Value)
		}
	case http2.FrameSettings:
		for _, s := range f.Settings {
			fmt.Fprintf(b, " %v=%d", s.ID, s.Val)
		}
	case http2.FrameRSTStream:
		fmt.Fprintf(b, " %v", f.Code)
	case http2.FrameGoAway:
		fmt.Fprintf(b, " last=%d %v %q", f.LastStreamID, f.Code, f.Payload)
	case http2.FrameWindowUpdate:
		fmt.Fprintf(b, " +%d", f.Increment)
	default:
		fmt.Fprintf(b, " len=%d %s", len(f.Payload), quote(f.Payload))
	}
}

// quote shortens what would fill the screen.
func quote(p []byte) string {
	const enough = 48
	if len(p) <= enough {
		return fmt.Sprintf("%q", p)
	}
	return fmt.Sprintf("%q...", p[:enough])
}
