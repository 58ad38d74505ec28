package faultproxy

import (
	"fmt"
	"time"
)

// Fault is what ends, or interrupts, one direction of a connection.
type Fault uint8

// The faults.
const (
	// None passes everything.
	None Fault = iota
	// Truncate ends the direction in order, as FIN does. What the sender goes on
	// to send is dropped.
	Truncate
	// Stall passes nothing more, not even the end, while it lasts.
	Stall
	// Cut breaks the connection in both directions. What was passed and not read
	// yet may be lost.
	Cut
)

var faultNames = [...]string{"none", "truncate", "stall", "cut"}

func (f Fault) String() string {
	if int(f) < len(faultNames) {
		return faultNames[f]
	}
	return fmt.Sprintf("Fault(%d)", uint8(f))
}

// Way is how bytes travel in one direction. The zero Way passes them as they
// come.
type Way struct {
	// Delay is how much later bytes arrive than they were sent, and Jitter adds
	// to it for each piece, nil: nothing. A piece never overtakes another.
	Delay  time.Duration
	Jitter func() time.Duration
	// Chunk is how many bytes at most are written at a time. Default: as many as
	// were read.
	Chunk int

	// Fault strikes when At bytes were passed and Pause has gone by, 0: at once.
	Fault Fault
	At    int64
	Pause time.Duration
	// For is how long Stall lasts; 0: until the connection is closed at both
	// ends, or the Proxy is.
	For time.Duration
}

// String is one line for a test's failure: what strikes where.
func (w Way) String() string {
	if w.Fault == None {
		return fmt.Sprintf("no fault, delay %v, chunk %d", w.Delay, w.Chunk)
	}
	return fmt.Sprintf("%v at byte %d", w.Fault, w.At)
}

// Plan is what happens to one connection: Up is from client to server.
type Plan struct{ Up, Down Way }

// isLate reports whether pieces must be kept until they are due.
func (w *Way) isLate() bool { return w.Delay > 0 || w.Jitter != nil }
