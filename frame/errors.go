package frame

import (
	"fmt"

	"golang.org/x/net/http2"
)

// ErrCode is an HTTP/2 error code (RFC 9113 section 7).
type ErrCode = http2.ErrCode

// The error codes of RFC 9113 section 7.
const (
	NoError            = http2.ErrCodeNo
	ProtocolError      = http2.ErrCodeProtocol
	InternalError      = http2.ErrCodeInternal
	FlowControlError   = http2.ErrCodeFlowControl
	SettingsTimeout    = http2.ErrCodeSettingsTimeout
	StreamClosed       = http2.ErrCodeStreamClosed
	FrameSizeError     = http2.ErrCodeFrameSize
	RefusedStream      = http2.ErrCodeRefusedStream
	Cancel             = http2.ErrCodeCancel
	CompressionError   = http2.ErrCodeCompression
	ConnectError       = http2.ErrCodeConnect
	EnhanceYourCalm    = http2.ErrCodeEnhanceYourCalm
	InadequateSecurity = http2.ErrCodeInadequateSecurity
	HTTP11Required     = http2.ErrCodeHTTP11Required
)

// ConnError is a violation that ends the connection (RFC 9113 section 5.4.1):
// the finder sends GOAWAY with Code and Reason as debug data, then closes.
type ConnError struct {
	Code   ErrCode
	Reason string
}

func (e *ConnError) Error() string {
	return fmt.Sprintf("http2 connection error %v: %s", e.Code, e.Reason)
}

// StreamError is a violation that ends one stream (RFC 9113 section 5.4.2).
type StreamError struct {
	StreamID uint32
	Code     ErrCode
	Reason   string
}

func (e *StreamError) Error() string {
	return fmt.Sprintf("http2 stream %d error %v: %s", e.StreamID, e.Code, e.Reason)
}

// CloseKind says how a stream came to an unclean end.
type CloseKind uint8

const (
	// ResetByPeer: RST_STREAM was received; Code is its code.
	ResetByPeer CloseKind = iota + 1
	// GoneAway: the peer's GOAWAY excludes this stream; Code is its code.
	GoneAway
	// ConnLost: the connection failed or was closed; Err is the cause.
	ConnLost
	// Violation: the peer broke a rule on this stream and we reset it.
	Violation
)

// CloseError is why a stream ended other than by END_STREAM both ways.
type CloseError struct {
	Kind CloseKind
	Code ErrCode
	// Unprocessed: the peer provably did not act on the stream, so the request
	// may be sent again elsewhere (RFC 9113 section 8.7). Unsent implies it.
	Unprocessed bool
	// Unsent: no frame of the stream left this process.
	Unsent bool
	// Err is the cause in words, with the peer and the offending value.
	Err error
}

func (e *CloseError) Error() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return fmt.Sprintf("stream %v with code %v", e.Kind, e.Code)
}

func (e *CloseError) Unwrap() error { return e.Err }

func (k CloseKind) String() string {
	switch k {
	case ResetByPeer:
		return "reset by peer"
	case GoneAway:
		return "refused by GOAWAY"
	case ConnLost:
		return "connection lost"
	case Violation:
		return "protocol violation"
	}
	return fmt.Sprintf("CloseKind(%d)", uint8(k))
}
