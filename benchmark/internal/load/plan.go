package load

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Mode is a kind of work.
type Mode string

// The modes.
const (
	Unary       Mode = "unary"
	PingPong    Mode = "pingpong"
	Down        Mode = "down"
	Up          Mode = "up"
	Send        Mode = "send"  // unary, the payload in the request, each on a connection of its own
	Fetch       Mode = "fetch" // likewise, the payload in the response
	IdleStreams Mode = "idle-streams"
	IdleConns   Mode = "idle-conns"
)

var modes = []Mode{Unary, PingPong, Down, Up, Send, Fetch, IdleStreams, IdleConns}

// Idle reports whether the mode opens something and holds it.
func (m Mode) Idle() bool { return m == IdleStreams || m == IdleConns }

// Afresh reports whether each operation has a new connection.
func (m Mode) Afresh() bool { return m == Send || m == Fetch }

// Plan is what a client shall do.
type Plan struct {
	Mode             Mode
	Conns            int     // connections
	Streams          int     // calls or streams in flight, or held, per connection
	Held             int     // idle streams held open beside them, per connection
	Size             int     // payload of a message, in bytes
	Rate             float64 // operations per second in all; 0: as many as can be
	Warmup, Duration time.Duration
	Deadline         time.Duration // of a unary call; 0: none
	TLS              bool          // encrypt
	Crowd            Crowd         // busy streams beside them
	// Opened, if not nil, is called when all of Held are open, and the mode begins
	// when it has returned.
	Opened func(context.Context) error
}

// Crowd is streams on which messages come down, on the same connections as the mode's work.
type Crowd struct {
	Streams int     // per connection
	Size    int     // payload of a message, in bytes
	Rate    float64 // messages that are taken per second in all, of more that wait; 0: as many as can be
}

// Check reports what makes no sense.
func (p Plan) Check() error {
	switch {
	case !slices.Contains(modes, p.Mode):
		return fmt.Errorf("no mode %q, only %q", p.Mode, modes)
	case p.Conns < 1 || p.Streams < 1 || p.Size < 0 || p.Held < 0 || p.Rate < 0 || p.Warmup < 0:
		return fmt.Errorf("%+v: counts are at least 1, the rest not negative", p)
	case p.Rate > 0 && (p.Mode == Down || p.Mode.Idle() || p.Mode.Afresh()):
		return fmt.Errorf("mode %s has no rate", p.Mode)
	case p.Held > 0 && (p.Mode.Idle() || p.Mode.Afresh()):
		return fmt.Errorf("mode %s holds nothing beside", p.Mode)
	case p.Deadline < 0 || p.Deadline > 0 && p.Mode != Unary:
		return fmt.Errorf("mode %s has no deadline of %v", p.Mode, p.Deadline)
	case p.Crowd.Streams < 0 || p.Crowd.Size < 0 || p.Crowd.Rate < 0 || p.Crowd.Rate > 0 && p.Crowd.Streams == 0:
		return fmt.Errorf("a crowd of %+v: nothing is negative, and a rate is that of streams", p.Crowd)
	case p.Crowd.Streams > 0 && p.Mode != Unary:
		return fmt.Errorf("mode %s has no crowd beside", p.Mode)
	case (p.Conns > 1 || p.Streams > 1) && p.Mode.Afresh():
		return fmt.Errorf("mode %s has one connection and one call at a time", p.Mode)
	case p.Duration <= 0 && !p.Mode.Idle():
		return fmt.Errorf("a duration of %v measures nothing", p.Duration)
	}
	return nil
}

// Payloads are the bytes that a unary call brings and asks for.
func (p Plan) Payloads() (up, down int) {
	switch p.Mode {
	case Send:
		return p.Size, 1 // a request that asks for nothing gets its own payload back
	case Fetch:
		return 0, p.Size
	default:
		return p.Size, p.Size
	}
}

// crowd is what the streams beside the calls do.
func (p Plan) crowd() Plan {
	return Plan{Mode: Down, Conns: p.Conns, Streams: p.Crowd.Streams, Size: p.Crowd.Size, Rate: p.Crowd.Rate}
}

// stride is how many messages are measured together. Reading the clock costs about a
// tenth of what the cheapest message does, in every implementation, which would blur
// the comparison.
func (p Plan) stride() uint32 {
	if p.Rate == 0 && (p.Mode == Down || p.Mode == Up) && p.Size <= 16<<10 {
		return 16
	}
	return 1
}

// Report is the client's last line. Operations are calls, messages, or what is
// held.
type Report struct {
	Mode     Mode    `json:"mode"`
	Ops      int64   `json:"ops"` // in the measured time; or held
	OpsPerS  float64 `json:"ops_per_s"`
	OpsTotal int64   `json:"ops_total"` // with warm-up
	MBPerS   float64 `json:"mb_per_s"`  // 10^6 bytes of payload, counted one way, with that of a crowd
	P50      float64 `json:"p50_us"`    // from when the operation began or, with a rate, was due
	P99      float64 `json:"p99_us"`
	P999     float64 `json:"p999_us"`
	CPU      float64 `json:"cpu_us_per_op"` // of this process, user and system
	Allocs   float64 `json:"allocs_per_op"` // of this process
	Bytes    float64 `json:"bytes_per_op"`  // allocated; of what is held, resident
	// Goroutines of this process, at the end of the measured time.
	Goroutines int `json:"goroutines"`
}
