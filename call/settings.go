package call

import (
	"log/slog"
	"math"
	"sync"

	"github.com/cqrpc/cqrpc/codec"
)

// defaultMaxRecv is grpc.max_receive_message_length's default, in bytes.
const defaultMaxRecv = 4 << 20

// Settings is what the calls of a channel or server have in common, so that a
// call needs only a pointer to it; applications set it by options of those. Make it
// with NewSettings and do not change it.
type Settings struct {
	// Scheme is sent as :scheme, default "http"; UserAgent, if not empty, as
	// user-agent. Clients only.
	Scheme, UserAgent string
	// MaxRecvMessage and MaxSendMessage bound one message, in bytes, when
	// framed and when inflated. 0: 4 MiB to receive, unlimited to send;
	// negative: unlimited.
	MaxRecvMessage, MaxSendMessage int
	// Codec marshals SendValue and RecvValue; default protobuf.
	Codec codec.Codec
	// Compressors are the encodings that messages may come in; default
	// codec.DefaultCompressors.
	Compressors *codec.Compressors
	// Compressor is the encoding to send messages in, one of Compressors;
	// default none. A server uses it only if the client accepts it.
	Compressor string
	// Logger gets what goes wrong and no event reports; nil: nothing is logged.
	Logger *slog.Logger
	// RetryThrottling is for all calls with these Settings, and with copies of them; it
	// must be valid. Clients only.
	RetryThrottling RetryThrottling
	// Filters are what the calls pass through, the outermost first. Panicked is
	// called when one panics, with what was given to panic, and the stack; default: a
	// line in Logger, or in [slog.Default] without one. Servers call it for handlers, too.
	Filters  []Filter
	Panicked func(method string, v any, stack []byte)

	lists  *sharedLists
	alarms *alarms
	tokens *tokens // nil: none
}

// maxRecv is what MaxRecvMessage means, in bytes; negative: unlimited.
func (s *Settings) maxRecv() int {
	if s.MaxRecvMessage == 0 {
		return defaultMaxRecv
	}
	return s.MaxRecvMessage
}

// maxSend is what MaxSendMessage means, in bytes: at most what a message's prefix
// can count.
func (s *Settings) maxSend() int {
	const most = min(math.MaxUint32, math.MaxInt)
	if s.MaxSendMessage <= 0 {
		return most
	}
	return min(s.MaxSendMessage, most)
}

// NewSettings returns s with defaults filled in.
func NewSettings(s Settings) *Settings {
	if s.Scheme == "" {
		s.Scheme = "http"
	}
	if s.Codec == nil {
		s.Codec = codec.Proto()
	}
	if s.Compressors == nil {
		s.Compressors = codec.DefaultCompressors()
	}
	if s.Panicked == nil {
		s.Panicked = logPanics(s.Logger)
	}
	s.lists, s.alarms, s.tokens = new(sharedLists), new(alarms), newTokens(s.RetryThrottling)
	return &s
}

// WithCodec returns s with another codec, for calls of a kind that there may be any number of. The
// alarms are those of s: an idle one that is not stopped stays for as long as a peer has said.
func (s *Settings) WithCodec(k codec.Codec) *Settings {
	own := *s
	own.Codec, own.lists = k, new(sharedLists)
	return &own
}

// defaultSettings are for calls that have none. The whole process shares them, so they
// keep no alarms.
var defaultSettings = sync.OnceValue(func() *Settings {
	s := NewSettings(Settings{})
	s.alarms = nil
	return s
})
