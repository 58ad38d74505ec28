package transport

import (
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/cqrpc/cqrpc/frame"
)

// Side says which end of the connection we are.
type Side uint8

const (
	// Client opens streams.
	Client Side = iota
	// Server accepts them.
	Server
)

func (s Side) String() string {
	if s == Server {
		return "server"
	}
	return "client"
}

// Config is the settings of one connection. In every field zero means the default. A
// negative value means unlimited or off where the comment says so; any other value out
// of a field's range is taken for the nearest one in it.
type Config struct {
	// MaxConcurrentStreams is advertised by a server and enforced with
	// REFUSED_STREAM. Default 1000; negative: unlimited.
	MaxConcurrentStreams int
	// InitialWindow is the receive window of a stream in bytes, 65535 to 2^31-1.
	// Default 65535, grown by BDP estimation up to MaxWindow.
	InitialWindow int
	// InitialConnWindow is the receive window of the connection in bytes, 65535
	// to 2^31-1. Default 1 MiB. Bytes are credited as they are read, so it bounds what is
	// in flight, not what is buffered. It grows for one stream as that stream's window does; for
	// several only to what the path carries in a few round trips, so that none waits long behind
	// the others.
	InitialConnWindow int
	// MaxWindow bounds, in bytes, how far BDP estimation may grow a stream's window and
	// how much is announced ahead for a message that is waited for, at most 2^30; the
	// connection's window may become twice as large. While the application does not keep up,
	// the windows of all streams together do not grow beyond MaxWindow. Default 16 MiB; negative: windows
	// stay as configured.
	MaxWindow int
	// MaxFrameSize is the largest frame accepted, 16384 to 16777215 bytes. Default
	// 16384, and 256 KiB once the windows have grown: a message that arrives in one
	// frame need not be copied together.
	MaxFrameSize int
	// MaxHeaderList is the largest header list accepted, in bytes as RFC 9113
	// section 6.5.2 counts them, 256 to 2^30. Default 16 KiB.
	MaxHeaderList int
	// HeaderTableSize is the HPACK decoder's table in bytes, at most 1 MiB.
	// Default 4096; negative: 0.
	HeaderTableSize int

	// Keepalive is when we ping; Enforcement is how often a client may.
	Keepalive   Keepalive
	Enforcement Enforcement // server only

	// MaxIdle drains a server connection that has had no stream for so long, MaxAge one
	// that is so old: both plus or minus 10 %, so that clients do not come back in step.
	// The first GOAWAY says which, "max_idle" or "max_age". MaxAgeGrace after MaxAge the
	// connection is closed, whatever still runs on it. Default of all three: never.
	MaxIdle, MaxAge, MaxAgeGrace time.Duration

	// HandshakeTimeout bounds preface and first SETTINGS. Default 20 s; negative: none.
	HandshakeTimeout time.Duration
	// HeaderTimeout bounds a header block, from its first frame to its last
	// octet: nothing else can be received meanwhile. Beyond it the connection
	// ends with ENHANCE_YOUR_CALM. Default 20 s; negative: none.
	HeaderTimeout time.Duration
	// DrainTimeout is how long a graceful drain waits for the acknowledgement
	// that separates its two GOAWAYs. Default 20 s; negative: not at all.
	DrainTimeout time.Duration
	// LingerTimeout is how long input is read and dropped after the last GOAWAY, so
	// that the peer reads that before a TCP reset. Default 1 s; negative: not at all.
	// A connection that is no socket and has no CloseWrite, such as net.Pipe, is closed
	// at once; one without deadlines, such as one through SSH, a second later than others.
	LingerTimeout time.Duration

	// BusyPoll is how long the reader polls its socket before it waits, where experience
	// says that the next frame is about to come: that spends processor time to save the
	// time and work of waking a thread. On Unix only, and with TLS only if ServerTLS or
	// ClientTLS made it; not with GOMAXPROCS=1, and not while the process reads other
	// connections too. At most 1 ms. Default 100 µs; negative: never.
	BusyPoll time.Duration

	// Budgets bound work that the peer can trigger.
	Budgets Budgets

	// Logger receives connection events at Debug and faults at Warn. Default: silent.
	Logger *slog.Logger
	// Jitter returns a number in [0,1). Default: math/rand/v2.
	Jitter func() float64
	// FirstStreamID is the first identifier a client uses; odd. Default 1. For tests of exhaustion.
	FirstStreamID uint32

	restAfter  time.Duration // see restState; a field for tests
	grownFrame int           // what becomes of MaxFrameSize when the windows grow; 0: it stays
}

// Keepalive says when to ask a silent peer whether it is alive (gRFC A8,
// gRPC keepalive.md).
type Keepalive struct {
	// Time without anything read before a PING. Default: client off, server 2 h.
	// Negative: off. Less than 10 s is raised to 10 s on a client, 1 s on a server.
	Time time.Duration
	// Timeout for the answer. Default 20 s.
	Timeout time.Duration
	// PermitWithoutStreams pings also while no stream is open. Default false.
	PermitWithoutStreams bool
}

// Enforcement says how often a client may ping a server (gRFC A8).
type Enforcement struct {
	// MinTime between PINGs without data from us in between. Default 5 min; negative: none.
	MinTime time.Duration
	// PermitWithoutStreams accepts that rate without open streams too; otherwise 2 h. Default false.
	PermitWithoutStreams bool
	// MaxStrikes is how many early PINGs are forgiven. Default 2; negative: unlimited.
	MaxStrikes int
}

const (
	defaultWindow     = 65535
	defaultConnWindow = 1 << 20
	defaultMaxWindow  = 16 << 20
	maxMaxWindow      = 1 << 30 // growth adds to what was announced ahead: together less than 2^31
	minFrameSize      = 16 << 10
	grownFrameSize    = 256 << 10
	maxFrameSize      = 1<<24 - 1
	maxStreamID       = 1<<31 - 1
	maxWindowSize     = 1<<31 - 1
	maxStreams        = 1 << 30 // identifiers of one side

	// longest is the longest of times, 146 years: it can be added to the present, and have jitter.
	longest time.Duration = 1 << 62
)

// resolved returns the configuration with defaults filled in.
func (c Config) resolved(side Side) Config {
	c.MaxConcurrentStreams = orDefault(c.MaxConcurrentStreams, 1000, -1, maxStreams)
	c.InitialWindow = orDefault(c.InitialWindow, defaultWindow, defaultWindow, maxWindowSize)
	c.InitialConnWindow = orDefault(c.InitialConnWindow, defaultConnWindow, defaultWindow, maxWindowSize)
	c.MaxWindow = orDefault(c.MaxWindow, defaultMaxWindow, 0, maxMaxWindow)
	if c.MaxFrameSize == 0 {
		c.grownFrame = grownFrameSize
	}
	c.MaxFrameSize = orDefault(c.MaxFrameSize, minFrameSize, minFrameSize, maxFrameSize)
	c.MaxHeaderList = orDefault(c.MaxHeaderList, 16<<10, 256, 1<<30)
	c.HeaderTableSize = orDefault(c.HeaderTableSize, 4096, 0, 1<<20)
	c.Keepalive = c.Keepalive.resolved(side)
	c.Enforcement.MinTime = orDefault(c.Enforcement.MinTime, 5*time.Minute, 0, longest)
	if c.Enforcement.MaxStrikes == 0 {
		c.Enforcement.MaxStrikes = 2
	}
	c.MaxIdle, c.MaxAge = min(c.MaxIdle, longest), min(c.MaxAge, longest)
	c.HandshakeTimeout = orDefault(c.HandshakeTimeout, 20*time.Second, -1, longest)
	c.HeaderTimeout = orDefault(c.HeaderTimeout, 20*time.Second, -1, longest)
	c.DrainTimeout = orDefault(c.DrainTimeout, 20*time.Second, 0, longest)
	c.BusyPoll = orDefault(c.BusyPoll, defaultBusyPoll, 0, maxBusyPoll)
	c.LingerTimeout = orDefault(c.LingerTimeout, time.Second, 0, longest)
	c.Budgets = c.Budgets.resolved()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	if c.FirstStreamID == 0 {
		c.FirstStreamID = 1
	}
	if c.restAfter == 0 {
		c.restAfter = restAfter
	}
	return c
}

func (k Keepalive) resolved(side Side) Keepalive {
	floor := time.Second
	if side == Client {
		floor = 10 * time.Second
	}
	switch {
	case k.Time == 0 && side == Server:
		k.Time = 2 * time.Hour
	case k.Time > 0:
		k.Time = max(k.Time, floor)
	}
	k.Timeout = orDefault(k.Timeout, 20*time.Second, 0, longest)
	return k
}

// orDefault returns def for zero, otherwise v held in [lo, hi].
func orDefault[T ~int | ~int64](v, def, lo, hi T) T {
	if v == 0 {
		return def
	}
	return min(max(v, lo), hi)
}

func (c *Config) reader() frame.ReaderConfig {
	return frame.ReaderConfig{
		MaxFrameSize:   uint32(c.MaxFrameSize),
		MaxHeaderList:  uint32(c.MaxHeaderList),
		MaxHeaderTable: uint32(c.HeaderTableSize),
	}
}
