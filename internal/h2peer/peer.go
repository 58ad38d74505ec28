package h2peer

import (
	"bytes"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Patience is how long a peer outside a bubble lives, on the wall clock. It is
// there to end a hung test with a message, not to be reached.
const Patience = 20 * time.Second

// Side is the part a Peer plays.
type Side uint8

const (
	// Client: the peer sends the preface and opens streams; the subject serves.
	Client Side = iota + 1
	// Server: the peer receives the preface and answers; the subject calls.
	Server
)

// Peer is a scripted HTTP/2 endpoint. Make one with New.
type Peer struct {
	// immutable
	t      testing.TB
	conn   net.Conn
	side   Side
	bubble bool

	in *inbox

	// test goroutine only
	framer   *http2.Framer
	block    bytes.Buffer
	encoder  *hpack.Encoder
	ignored  map[http2.FrameType]bool
	partial  map[uint32]*stretch // by stream, see WantMessage
	writeErr error               // of the first write that failed
}

// New returns a peer that plays side on conn, which it now owns: conn is closed
// when the test ends. A goroutine reads conn from now on; nothing is written
// until the script says so. In a bubble, t must be the one of the bubble.
func New(t testing.TB, conn net.Conn, side Side) *Peer {
	t.Helper()
	p := &Peer{
		t: t, conn: conn, side: side, bubble: inBubble(),
		in:      newInbox(),
		framer:  http2.NewFramer(conn, nil),
		ignored: make(map[http2.FrameType]bool),
		partial: make(map[uint32]*stretch),
	}
	p.framer.AllowIllegalWrites = true
	p.encoder = hpack.NewEncoder(&p.block)
	if !p.bubble {
		conn.SetDeadline(time.Now().Add(Patience))
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.in.read(conn, side)
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return p
}

// Close closes the connection; the subject sees the end of it.
func (p *Peer) Close() { p.conn.Close() }

// Ignore makes wants pass over frames of the given types, already received or
// to come: a test of headers need not spell out WINDOW_UPDATEs.
func (p *Peer) Ignore(types ...http2.FrameType) {
	for _, ft := range types {
		p.ignored[ft] = true
	}
}

// Advance moves the fake clock of the bubble by d and lets everybody act on it.
// It fails outside a bubble.
func (p *Peer) Advance(d time.Duration) {
	p.t.Helper()
	if !p.bubble {
		p.t.Fatal("Advance: there is no fake clock outside a synctest bubble")
	}
	time.Sleep(d)
	p.settle()
}

// settle waits, in a bubble, until all other goroutines wait for something.
func (p *Peer) settle() {
	if p.bubble {
		synctest.Wait()
	}
}

// inBubble reports whether the caller runs under synctest, by asking it to do
// what it refuses elsewhere.
func inBubble() (ok bool) {
	defer func() { ok = recover() == nil }()
	synctest.Wait()
	return
}
