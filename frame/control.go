package frame

import (
	"encoding/binary"

	"golang.org/x/net/http2"
)

// The readers of this file decode the small frames themselves rather than by
// http2.Framer.ReadFrameForHeader, which allocates each frame and whose errors
// do not tell the offending value.

const (
	settingLen = 6    // RFC 9113 section 6.5.1
	maxDebug   = 1024 // octets of GOAWAY debug data kept
	maxWindow  = 1<<31 - 1
)

// readFixed checks that the payload has exactly n octets and takes them.
func (r *Reader) readFixed(f *Frame, n int) ([]byte, error) {
	if int(f.Length) != n {
		return nil, connErrorf(FrameSizeError, "%v on stream %d has a payload of %d octets instead of %d",
			f.Type, f.StreamID, f.Length, n)
	}
	return r.take(n)
}

// take returns the next n octets, valid until the next read.
func (r *Reader) take(n int) ([]byte, error) {
	p, err := r.src.peek(n)
	if err != nil {
		return nil, err
	}
	r.src.skip(n)
	return p, nil
}

// readPriority reads PRIORITY (RFC 9113 section 6.3), which we ignore but for
// its length and for the self-dependency that RFC 7540 section 5.3.1 forbids.
func (r *Reader) readPriority(f *Frame) error {
	if f.Length != 5 {
		if err := r.src.discard(int(f.Length)); err != nil {
			return err
		}
		return streamErrorf(f.StreamID, FrameSizeError, "PRIORITY has a payload of %d octets instead of 5", f.Length)
	}
	p, err := r.take(5)
	if err != nil {
		return err
	}
	return checkDependency(f, p)
}

// checkDependency looks at a priority field: a stream cannot depend on itself.
func checkDependency(f *Frame, p []byte) error {
	if binary.BigEndian.Uint32(p)&maxWindow == f.StreamID {
		return streamErrorf(f.StreamID, ProtocolError, "%v makes the stream depend on itself", f.Type)
	}
	return nil
}

// readRSTStream reads RST_STREAM (RFC 9113 section 6.4).
func (r *Reader) readRSTStream(f *Frame) error {
	p, err := r.readFixed(f, 4)
	if err != nil {
		return err
	}
	f.ErrCode = ErrCode(binary.BigEndian.Uint32(p))
	return nil
}

// readPing reads PING (RFC 9113 section 6.7).
func (r *Reader) readPing(f *Frame) error {
	f.Ack = f.Flags.Has(http2.FlagPingAck)
	p, err := r.readFixed(f, len(f.Ping))
	if err != nil {
		return err
	}
	f.Ping = [8]byte(p)
	return nil
}

// readWindowUpdate reads WINDOW_UPDATE (RFC 9113 section 6.9).
func (r *Reader) readWindowUpdate(f *Frame) error {
	p, err := r.readFixed(f, 4)
	if err != nil {
		return err
	}
	f.Increment = binary.BigEndian.Uint32(p) & maxWindow
	switch {
	case f.Increment > 0:
		return nil
	case f.StreamID == 0:
		return connErrorf(ProtocolError, "WINDOW_UPDATE on stream 0 has an increment of 0")
	}
	return streamErrorf(f.StreamID, ProtocolError, "WINDOW_UPDATE has an increment of 0")
}

// readGoAway reads GOAWAY (RFC 9113 section 6.8).
func (r *Reader) readGoAway(f *Frame) error {
	if f.Length < 8 {
		return connErrorf(FrameSizeError, "GOAWAY has a payload of %d octets, at least 8 are needed", f.Length)
	}
	p, err := r.take(8)
	if err != nil {
		return err
	}
	f.LastStreamID = binary.BigEndian.Uint32(p) & maxWindow
	f.ErrCode = ErrCode(binary.BigEndian.Uint32(p[4:]))
	n := int(f.Length) - 8
	if n == 0 {
		return nil
	}
	s := &r.src
	s.debug = append(s.debug[:0], make([]byte, min(n, maxDebug))...)
	f.Debug = s.debug
	if _, err := s.readFull(f.Debug); err != nil {
		return err
	}
	return s.discard(n - len(f.Debug))
}

// readSettings reads SETTINGS (RFC 9113 section 6.5). How many parameters are
// too many is the caller's to say.
func (r *Reader) readSettings(f *Frame) error {
	f.Ack = f.Flags.Has(http2.FlagSettingsAck)
	switch {
	case f.Ack && f.Length > 0:
		return connErrorf(FrameSizeError, "SETTINGS acknowledgement has a payload of %d octets instead of 0", f.Length)
	case f.Length%settingLen != 0:
		return connErrorf(FrameSizeError, "SETTINGS has a payload of %d octets, not a multiple of %d",
			f.Length, settingLen)
	}
	if f.Ack {
		return nil
	}
	settings := r.src.settings[:0]
	for range f.Length / settingLen {
		p, err := r.take(settingLen)
		if err != nil {
			return err
		}
		s := http2.Setting{
			ID:  http2.SettingID(binary.BigEndian.Uint16(p)),
			Val: binary.BigEndian.Uint32(p[2:]),
		}
		if err := checkSetting(s); err != nil {
			return err
		}
		settings = append(settings, s)
	}
	if cap(settings) <= maxKeptFields {
		r.src.settings = settings
	}
	f.Settings = settings
	return nil
}

// checkSetting checks the range of a known parameter's value (RFC 9113
// section 6.5.2; RFC 8441 section 3 for ENABLE_CONNECT_PROTOCOL).
func checkSetting(s http2.Setting) error {
	switch s.ID {
	case http2.SettingEnablePush, http2.SettingEnableConnectProtocol:
		if s.Val > 1 {
			return connErrorf(ProtocolError, "SETTINGS %v is %d, neither 0 nor 1", s.ID, s.Val)
		}
	case http2.SettingInitialWindowSize:
		if s.Val > maxWindow {
			return connErrorf(FlowControlError, "SETTINGS %v is %d, the limit is %d", s.ID, s.Val, maxWindow)
		}
	case http2.SettingMaxFrameSize:
		if s.Val < minMaxFrameSize || s.Val > maxMaxFrameSize {
			return connErrorf(ProtocolError, "SETTINGS %v is %d, not in %d to %d",
				s.ID, s.Val, minMaxFrameSize, maxMaxFrameSize)
		}
	}
	return nil
}
