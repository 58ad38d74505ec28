package frame

import (
	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/internal/mem"
)

// Frame is one frame that keeps the rules of RFC 9113 section 6 which need no
// knowledge of streams. Fields not named for its Type are zero.
type Frame struct {
	Type     http2.FrameType
	Flags    http2.Flags
	StreamID uint32

	// Length is the payload length on the wire in octets, padding included:
	// what flow control counts (RFC 9113 section 6.9.1). For HEADERS it
	// counts the first frame only.
	Length uint32

	// Data is the payload of DATA without padding, owned by the caller, who
	// frees it; nil if empty.
	Data *mem.Buffer

	// Headers is the decoded block of HEADERS and its CONTINUATION frames,
	// lent until the next call of Next or Await. Look at its Err.
	Headers *Headers

	// ErrCode is the code of RST_STREAM and GOAWAY.
	ErrCode ErrCode

	// Increment is that of WINDOW_UPDATE, 1 to 2^31-1 octets.
	Increment uint32

	// Ping is the opaque data of PING.
	Ping [8]byte

	// LastStreamID is that of GOAWAY.
	LastStreamID uint32

	// Debug is the debug data of GOAWAY, at most its first 1024 octets, lent
	// until the next call of Next or Await.
	Debug []byte

	// Settings are the parameters of SETTINGS in wire order, unknown ones
	// and repeated ones included, lent until the next call of Next or Await. Their
	// values are valid (RFC 9113 section 6.5.2).
	Settings []http2.Setting

	// End reports END_STREAM on DATA and HEADERS.
	End bool

	// Ack reports ACK on SETTINGS and PING.
	Ack bool
}
