package transport

import (
	"bytes"
	"fmt"
	"testing"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/frame"
)

// specimen is one frame against the rules of its type, or just within them.
type specimen struct {
	section string // of RFC 9113
	what    string
	flags   http2.Flags
	id      uint32
	payload []byte
	want    reaction
}

// The streams of the table.
const (
	anOpenStream = 1
	anIdleStream = 9
)

var (
	badProtocol  = connError(http2.ErrCodeProtocol)
	badSize      = connError(http2.ErrCodeFrameSize)
	badFlow      = connError(http2.ErrCodeFlowControl)
	undefined    = http2.Flags(0xd2) // of no frame type
	fourOctets   = make([]byte, 4)
	eightOctets  = make([]byte, 8)
	tooLarge     = make([]byte, minFrameSize+1)
	largest      = make([]byte, 16384)
	onItself     = []byte{0, 0, 0, anOpenStream, 15}
	onAnother    = []byte{0, 0, 0, 3, 15}
	anError      = []byte{0, 0, 0, 8}
	farewell     = []byte{0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0}
	oneIncrement = []byte{0, 0, 0, 1}
)

// setting is the payload of SETTINGS with one parameter.
func setting(id http2.SettingID, v uint32) []byte {
	return []byte{byte(id >> 8), byte(id), byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}
}

// specimens is each frame type with each illegal length, flag, stream identifier
// and padding, and what stands next to it and is legal. What differs between a
// client and a server is in TestIllegalFramesOfOneSide.
var specimens = map[http2.FrameType][]specimen{
	http2.FrameData: {
		{"6.1", "stream 0", 0, 0, []byte("x"), badProtocol},
		{"5.1", "idle stream", 0, anIdleStream, []byte("x"), badProtocol},
		{"4.2", "one octet too large", 0, anOpenStream, tooLarge, badSize},
		{"4.2", "as large as may be", 0, anOpenStream, largest, ignored},
		{"6.1", "empty", 0, anOpenStream, nil, ignored},
		{"4.1", "undefined flags", undefined, anOpenStream, []byte("x"), ignored},
		{"6.1", "padded without a length", http2.FlagDataPadded, anOpenStream, nil, badSize},
		{"6.1", "padding as long as the payload", http2.FlagDataPadded, anOpenStream, []byte{2, 0}, badProtocol},
		{"6.1", "padding longer than the payload", http2.FlagDataPadded, anOpenStream, []byte{255, 0, 0}, badProtocol},
		{"6.1", "padding that fills the frame", http2.FlagDataPadded, anOpenStream, []byte{2, 0, 0}, ignored},
		{"6.1", "padding of 0", http2.FlagDataPadded, anOpenStream, []byte{0, 'x'}, ignored},
		{"6.1", "padding that is not zeros", http2.FlagDataPadded, anOpenStream, []byte{2, 'x', 'p', 'p'}, ignored},
	},
	http2.FrameHeaders: {
		{"6.2", "stream 0", http2.FlagHeadersEndHeaders, 0, nil, badProtocol},
		{"4.2", "one octet too large", http2.FlagHeadersEndHeaders, anOpenStream, tooLarge, badSize},
		{"6.2", "padded without a length", 0xc, anOpenStream, nil, badSize},
		{"6.2", "padding as long as the payload", 0xc, anOpenStream, []byte{1}, badProtocol},
		{"6.2", "padding longer than the payload", 0xc, anOpenStream, []byte{9, 0}, badProtocol},
		{"6.2", "priority too short", 0x24, anOpenStream, fourOctets, badSize},
		{"6.2", "priority too short for padding", 0x2c, anOpenStream, make([]byte, 5), badSize},
		{"6.2", "padding that eats the priority", 0x2c, anOpenStream, []byte{3, 0, 0, 0, 0, 0}, badSize},
		{"4.3", "a block that cannot be decoded", http2.FlagHeadersEndHeaders, anOpenStream, []byte{0x80},
			connError(http2.ErrCodeCompression)},
		{"4.3", "a block cut within a field", http2.FlagHeadersEndHeaders, anOpenStream, []byte{0x40, 5},
			connError(http2.ErrCodeCompression)},
	},
	http2.FramePriority: {
		{"6.3", "stream 0", 0, 0, onAnother, badProtocol},
		{"6.3", "idle stream", 0, anIdleStream, onAnother, ignored},
		{"6.3", "open stream", 0, anOpenStream, onAnother, ignored},
		{"4.1", "undefined flags", 0xff, anOpenStream, onAnother, ignored},
		{"6.3", "empty", 0, anOpenStream, nil, streamDies(http2.ErrCodeFrameSize)},
		{"6.3", "one octet too short", 0, anOpenStream, fourOctets, streamDies(http2.ErrCodeFrameSize)},
		{"6.3", "one octet too long", 0, anOpenStream, make([]byte, 6), streamDies(http2.ErrCodeFrameSize)},
		// A stream that is idle cannot be reset (section 5.1).
		{"6.3", "one octet too short, on an idle stream", 0, anIdleStream, fourOctets, badSize},
		{"5.3.1 of RFC 7540", "on itself", 0, anOpenStream, onItself, streamDies(http2.ErrCodeProtocol)},
	},
	http2.FrameRSTStream: {
		{"6.4", "stream 0", 0, 0, anError, badProtocol},
		{"6.4", "empty", 0, anOpenStream, nil, badSize},
		{"6.4", "one octet too short", 0, anOpenStream, make([]byte, 3), badSize},
		{"6.4", "one octet too long", 0, anOpenStream, make([]byte, 5), badSize},
		{"6.4", "a good one", 0, anOpenStream, anError, ignored},
		{"7", "an unknown code", 0, anOpenStream, []byte{0xff, 0, 0, 0}, ignored},
		{"4.1", "undefined flags", 0xff, anOpenStream, anError, ignored},
	},
	http2.FrameSettings: {
		{"6.5", "stream 1", 0, anOpenStream, nil, badProtocol},
		{"6.5", "idle stream", 0, anIdleStream, nil, badProtocol},
		{"6.5", "one octet", 0, 0, make([]byte, 1), badSize},
		{"6.5", "one octet too short", 0, 0, make([]byte, 5), badSize},
		{"6.5", "one octet too long", 0, 0, make([]byte, 7), badSize},
		{"6.5", "an acknowledgement with a parameter", http2.FlagSettingsAck, 0, make([]byte, 6), badSize},
		{"6.5", "an acknowledgement that nobody waits for", http2.FlagSettingsAck, 0, nil, ignored},
		{"6.5", "empty", 0, 0, nil, ignored},
		{"4.1", "undefined flags", 0xfe, 0, nil, ignored},
		{"6.5.2", "an unknown parameter", 0, 0, setting(0xfff0, 1<<31), ignored},
		{"6.5.2", "ENABLE_PUSH of 2", 0, 0, setting(http2.SettingEnablePush, 2), badProtocol},
		{"6.5.2", "INITIAL_WINDOW_SIZE of 2^31", 0, 0, setting(http2.SettingInitialWindowSize, 1<<31), badFlow},
		{"6.5.2", "INITIAL_WINDOW_SIZE of 2^31-1", 0, 0, setting(http2.SettingInitialWindowSize, 1<<31-1), ignored},
		{"6.5.2", "MAX_FRAME_SIZE of 0", 0, 0, setting(http2.SettingMaxFrameSize, 0), badProtocol},
		{"6.5.2", "MAX_FRAME_SIZE of 2^14-1", 0, 0, setting(http2.SettingMaxFrameSize, 1<<14-1), badProtocol},
		{"6.5.2", "MAX_FRAME_SIZE of 2^14", 0, 0, setting(http2.SettingMaxFrameSize, 1<<14), ignored},
		{"6.5.2", "MAX_FRAME_SIZE of 2^24-1", 0, 0, setting(http2.SettingMaxFrameSize, 1<<24-1), ignored},
		{"6.5.2", "MAX_FRAME_SIZE of 2^24", 0, 0, setting(http2.SettingMaxFrameSize, 1<<24), badProtocol},
		{"3 of RFC 8441", "ENABLE_CONNECT_PROTOCOL of 2", 0, 0, setting(http2.SettingEnableConnectProtocol, 2), badProtocol},
	},
	http2.FramePushPromise: {
		{"6.6", "stream 0", http2.FlagPushPromiseEndHeaders, 0, fourOctets, badProtocol},
		{"8.4", "open stream", http2.FlagPushPromiseEndHeaders, anOpenStream, []byte{0, 0, 0, 2}, badProtocol},
		{"8.4", "promise of stream 0", http2.FlagPushPromiseEndHeaders, anOpenStream, fourOctets, badProtocol},
		{"8.4", "empty", http2.FlagPushPromiseEndHeaders, anOpenStream, nil, badProtocol},
	},
	http2.FramePing: {
		{"6.7", "stream 1", 0, anOpenStream, eightOctets, badProtocol},
		{"6.7", "idle stream", 0, anIdleStream, eightOctets, badProtocol},
		{"6.7", "empty", 0, 0, nil, badSize},
		{"6.7", "one octet too short", 0, 0, make([]byte, 7), badSize},
		{"6.7", "one octet too long", 0, 0, make([]byte, 9), badSize},
		{"6.7", "an answer that nobody waits for", http2.FlagPingAck, 0, eightOctets, ignored},
		{"6.7", "an answer one octet too long", http2.FlagPingAck, 0, make([]byte, 9), badSize},
	},
	http2.FrameGoAway: {
		{"6.8", "stream 1", 0, anOpenStream, farewell, badProtocol},
		{"6.8", "idle stream", 0, anIdleStream, farewell, badProtocol},
		{"6.8", "empty", 0, 0, nil, badSize},
		{"6.8", "one octet too short", 0, 0, make([]byte, 7), badSize},
		{"6.8", "a good one", 0, 0, farewell, ignored},
		{"6.8", "debug data", 0, 0, append(bytes.Clone(farewell), make([]byte, 16000)...), ignored},
		{"4.1", "undefined flags", 0xff, 0, farewell, ignored},
	},
	http2.FrameWindowUpdate: {
		{"6.9", "empty", 0, 0, nil, badSize},
		{"6.9", "one octet too short", 0, 0, make([]byte, 3), badSize},
		{"6.9", "one octet too long", 0, anOpenStream, make([]byte, 5), badSize},
		{"6.9", "0 for the connection", 0, 0, fourOctets, badProtocol},
		{"6.9", "0 for a stream", 0, anOpenStream, fourOctets, streamDies(http2.ErrCodeProtocol)},
		{"6.9", "0 with the reserved bit", 0, anOpenStream, []byte{0x80, 0, 0, 0}, streamDies(http2.ErrCodeProtocol)},
		{"5.1", "idle stream", 0, anIdleStream, oneIncrement, badProtocol},
		{"6.9", "a good one with the reserved bit", 0, 0, []byte{0x80, 0, 0, 1}, ignored},
		{"4.1", "undefined flags", 0xff, anOpenStream, oneIncrement, ignored},
		{"6.9.1", "the connection's window past 2^31-1", 0, 0, []byte{0x7f, 0xff, 0xff, 0xff}, badFlow},
		{"6.9.1", "a stream's window past 2^31-1", 0, anOpenStream, []byte{0x7f, 0xff, 0xff, 0xff},
			streamDies(http2.ErrCodeFlowControl)},
	},
	http2.FrameContinuation: {
		{"6.10", "stream 0", http2.FlagContinuationEndHeaders, 0, nil, badProtocol},
		{"6.10", "without a block", http2.FlagContinuationEndHeaders, anOpenStream, nil, badProtocol},
		{"6.10", "without a block, idle stream", 0, anIdleStream, []byte{0x82}, badProtocol},
	},
	0x99: { // unknown
		{"5.5", "stream 0", 0xff, 0, []byte("x"), ignored},
		{"5.5", "open stream", 0xff, anOpenStream, []byte("x"), ignored},
		{"5.5", "idle stream", 0xff, anIdleStream, []byte("x"), ignored},
		{"5.5", "empty", 0, 0, nil, ignored},
		{"4.2", "one octet too large", 0, 0, tooLarge, badSize},
	},
}

// onBothSides runs script on either side, with stream 1 open and begun by the peer as far as it is
// its turn.
func onBothSides(t *testing.T, name string, script func(s *scene)) {
	t.Helper()
	for _, side := range []Side{Client, Server} {
		t.Run(side.String()+": "+name, func(t *testing.T) { onSide(t, side, script) })
	}
}

func onSide(t *testing.T, side Side, script func(s *scene)) {
	t.Helper()
	greeted(t, side, Config{}, func(s *scene) {
		s.peer.Ignore(http2.FrameSettings) // acknowledgements
		if side == Server {
			s.peer.Request(anOpenStream, "/s/m")
			s.served(anOpenStream)
		} else {
			s.open(frame.Outgoing{})
			s.peer.WantHeaders("request", anOpenStream, false)
			s.peer.Response(anOpenStream)
		}
		script(s)
	})
}

func TestIllegalFrames(t *testing.T) {
	for ft, all := range specimens {
		for _, x := range all {
			onBothSides(t, fmt.Sprintf("%v, %s (%s)", ft, x.what, x.section), func(s *scene) {
				s.peer.WriteRaw(ft, x.flags, x.id, x.payload)
				s.wantReaction(x.want, x.id)
			})
		}
	}
}

// TestIllegalFramesOfOneSide: rules for what only a server, or only a client, sends.
func TestIllegalFramesOfOneSide(t *testing.T) {
	malformed := streamDies(http2.ErrCodeProtocol)
	for _, x := range []struct {
		specimen
		ft   http2.FrameType
		side Side // the subject's
	}{
		{specimen{"6.5.2", "ENABLE_PUSH of 1", 0, 0, setting(http2.SettingEnablePush, 1), badProtocol},
			http2.FrameSettings, Client},
		{specimen{"6.5.2", "ENABLE_PUSH of 1", 0, 0, setting(http2.SettingEnablePush, 1), ignored},
			http2.FrameSettings, Server},
		{specimen{"5.1.1", "even stream", 4, 2, nil, badProtocol}, http2.FrameHeaders, Server},
		{specimen{"5.1.1", "even stream", 4, 2, nil, badProtocol}, http2.FrameHeaders, Client},
		{specimen{"5.1.1", "stream that we have not opened", 4, 3, nil, badProtocol}, http2.FrameHeaders, Client},
		{specimen{"8.3.1", "no fields", 4, 3, nil, malformed}, http2.FrameHeaders, Server},
		{specimen{"8.3.1", "no fields but padding", 0xc, 3, []byte{2, 0, 0}, malformed}, http2.FrameHeaders, Server},
		{specimen{"5.3.1 of RFC 7540", "on itself", 0x24, 3, []byte{0, 0, 0, 3, 0, 0x82}, malformed},
			http2.FrameHeaders, Server},
		// RST_STREAM on an idle stream is let pass where C-core may have sent it: see onReset.
		{specimen{"6.4", "idle stream", 0, anIdleStream, anError, badProtocol}, http2.FrameRSTStream, Client},
		{specimen{"6.4", "idle stream", 0, anIdleStream, anError, ignored}, http2.FrameRSTStream, Server},
		{specimen{"6.4", "idle stream of the server", 0, 2, anError, badProtocol}, http2.FrameRSTStream, Server},
	} {
		t.Run(fmt.Sprintf("%v: %v, %s (%s)", x.side, x.ft, x.what, x.section), func(t *testing.T) {
			onSide(t, x.side, func(s *scene) {
				s.peer.WriteRaw(x.ft, x.flags, x.id, x.payload)
				s.wantReaction(x.want, x.id)
			})
		})
	}
}

// TestFramesInsideABlock: inside a header block only its CONTINUATION frames may come, not even
// types that are ignored elsewhere (RFC 9113 sections 5.5 and 6.10).
func TestFramesInsideABlock(t *testing.T) {
	for ft := range specimens {
		id := uint32(anOpenStream)
		if ft == http2.FrameContinuation {
			id = 3 // of another stream
		}
		onBothSides(t, ft.String(), func(s *scene) {
			s.peer.WriteHeadersRaw(anOpenStream, true, false, nil)
			s.peer.WriteRaw(ft, 0, id, nil)
			s.wantDead("RFC 9113 section 6.10", http2.ErrCodeProtocol)
		})
	}
}

// TestReservedBit: the reserved bit of a stream identifier means nothing (RFC 9113 section 4.1).
func TestReservedBit(t *testing.T) {
	onBothSides(t, "DATA", func(s *scene) {
		s.peer.WriteBytes([]byte{0, 0, 1, 0, 0, 0x80, 0, 0, anOpenStream, 'x'})
		s.wantAlive("it is stream 1")
		if data, _, _ := s.handler.probes[0].received(); string(data) != "x" {
			t.Errorf("received %q", data)
		}
	})
}

// TestPingFlags: a PING with undefined flags is answered.
func TestPingFlags(t *testing.T) {
	onBothSides(t, "PING", func(s *scene) {
		s.peer.WriteRaw(http2.FramePing, 0xfe, 0, eightOctets)
		s.peer.WantPingAck("RFC 9113 section 4.1", [8]byte{})
	})
}
