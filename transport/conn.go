package transport

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

// ErrClosed is why streams end when this side closes their connection.
var ErrClosed = errors.New("connection closed locally")

// ErrPeerClosed is why streams end when the peer closes their connection. It
// stands in for io.EOF, which must not be among the causes of a stream's error:
// to whoever receives messages io.EOF is their regular end.
var ErrPeerClosed = errors.New("closed by the peer")

// ErrDraining refuses a new stream on a connection that takes no more: the
// request was not sent and may go to another connection.
var ErrDraining = errors.New("connection is draining")

// Conn is one HTTP/2 connection, of either side. All methods are safe for
// concurrent use and none blocks on the network.
type Conn struct {
	// immutable
	side    Side
	isPlain bool    // a socket without TLS: reading it can be interrupted
	cfg     *Config // resolved, perhaps shared
	nc      net.Conn
	handler Handler
	tls     *tls.ConnectionState
	try     trySocket  // nil: every write may wait
	late    lateSocket // try, if it is one
	sink    io.Writer  // where to write, waiting
	alloc   Allocator  // the handler, if it is one

	mu sync.Mutex
	// guarded by mu
	state     connState
	flusher   flusherState
	inBatch   bool  // the reader is at work: it will flush
	isOrderly bool  // it is closing, by no fault of anyone
	holders   int32 // goroutines with something to tell: see leave
	cause     error // why it is closing; before, the peer's GOAWAY, nil: none
	writeErr  error // why nothing can be written any more
	streams   streamTableState
	out       outgoingState
	control   controlState
	peer      peerSettings
	pings     pingState
	goaway    goawayState
	timers    timerState

	stopped atomic.Bool // closing: the reader drops what comes
	broken  atomic.Bool // writeErr is set

	peerHeaderList atomic.Uint32 // the peer's MAX_HEADER_LIST_SIZE
	responded      atomic.Bool   // client: a request was answered; written by the reader

	// reader only, but for the windows, which are atomic
	r        *frame.Reader
	lane     cq.Lane
	in       incomingState
	abuse    abuseState
	bdp      *bdpState
	rest     restState
	deadline readDeadline
	loan     atomic.Pointer[loan] // written by the reader; nil: there was none
	poll     *busyPoll            // nil: there was nothing to answer yet
	batching bool                 // inBatch, as the reader knows it without the lock
	fruitful bool                 // several streams had answers when the last batch ended
	isBulk   bool                 // reading is inside a large frame, and can be interrupted
	excused  bool                 // the reset that is being handled, see Stream.Excuse
	asked    int32                // DATA frames in the batch, to which answers may come

	// flusher only
	w *frame.Writer
}

// New takes over nc, a connected (and, for TLS, handshaken) socket, and starts
// its reader. The handshake of HTTP/2 goes on in the background; Handler.OnReady
// tells when it is done. HandshakeTimeout bounds it. Many connections are better
// made from one [Setup].
func New(side Side, nc net.Conn, cfg Config, h Handler) *Conn {
	return NewSetup(side, cfg).Start(nc, h)
}

func start(side Side, nc net.Conn, cfg *Config, h Handler) *Conn {
	c := &Conn{side: side, cfg: cfg, nc: nc, handler: h, w: frame.NewWriter()}
	if t, ok := nc.(*tls.Conn); ok {
		st := t.ConnectionState()
		c.tls = &st
	}
	rc := c.cfg.reader()
	if c.cfg.HeaderTimeout > 0 {
		rc.OnBlock = c.boundBlock
	}
	rc.Place = c.place
	c.r = frame.NewReader(c.openSocket(), rc)
	c.alloc, _ = h.(Allocator)
	c.streams.init(side, c.cfg.FirstStreamID)
	c.in.init(cfg, c.streams.nextID)
	c.out.window = defaultWindow
	c.peer = defaultPeerSettings()
	c.peerHeaderList.Store(math.MaxUint32)
	c.control.greet(side, cfg)

	if c.cfg.HandshakeTimeout > 0 {
		c.readBy(now() + instant(c.cfg.HandshakeTimeout))
	}
	c.mu.Lock()
	c.holders++ // the reader
	c.kickLocked()
	c.mu.Unlock()
	go c.read()
	return c
}

// LocalAddr is this end's address.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr is the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// TLS is the state of the TLS handshake, nil on a plaintext connection.
func (c *Conn) TLS() *tls.ConnectionState { return c.tls }

// NumStreams is how many streams are open, not counting those that wait for
// the peer's MAX_CONCURRENT_STREAMS.
func (c *Conn) NumStreams() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.streams.table)
}

// Load is how many streams are open or wait for the peer's MAX_CONCURRENT_STREAMS: what a new one
// has beside it.
func (c *Conn) Load() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.streams.table) + int(c.streams.waiting)
}

// HasResponded reports whether the peer has answered a request: on a client, a response
// has begun on one of its streams. It tells a peer that was of use from one that only accepts.
func (c *Conn) HasResponded() bool { return c.responded.Load() }

// NewStream makes a client stream that reports to r. It is opened, and takes an
// identifier, when its headers are sent; past the peer's MAX_CONCURRENT_STREAMS
// it waits its turn, first come first served (RFC 9113 section 5.1.2).
// The error is ErrDraining, with the reason if the peer gave one or a write has failed, or
// the reason the connection ended.
func (c *Conn) NewStream(r Receiver) (*Stream, error) {
	s := new(Stream)
	return s, c.InitStream(s, r)
}

// InitStream is NewStream in s, which is zero, for callers that have memory for it.
func (c *Conn) InitStream(s *Stream, r Receiver) error {
	c.mu.Lock()
	isRefused := c.state >= draining
	if !isRefused {
		s.conn, s.recv, s.contentLength = c, r, headersDue
	}
	c.mu.Unlock()
	if isRefused {
		return c.refusal()
	}
	return nil
}

// refusal is why no stream can be made on a connection that drains or has ended. Whoever asks
// may get here before Handler.OnDrain has been told the reason.
func (c *Conn) refusal() error {
	c.mu.Lock()
	isOver, cause, reason := c.state >= closing, c.causeLocked(), c.cause
	if reason == nil {
		reason = c.writeErr
	}
	c.mu.Unlock()
	switch {
	case isOver:
		return cause
	case reason == nil:
		return ErrDraining
	}
	return fmt.Errorf("%w: %w", ErrDraining, c.blame(reason))
}

// leave is the last act of a goroutine that works for the connection: reader,
// flusher, whoever shuts. The last of them closes the socket, so that the final
// GOAWAY is not cut off, and tells the handler, so that nothing comes after.
func (c *Conn) leave() {
	c.mu.Lock()
	isLast := c.leaveLocked()
	c.mu.Unlock()
	if isLast {
		c.finish()
	}
}

func (c *Conn) leaveLocked() bool {
	c.holders--
	if c.holders > 0 {
		return false
	}
	c.state.to(closed)
	return true
}

func (c *Conn) finish() {
	_ = c.nc.Close()
	if c.timers.drain != nil { // without mu: no goroutine is left that changes what is read here
		c.timers.drain.Stop()
	}
	if c.isOrderly {
		c.handler.OnClosed(nil)
		return
	}
	c.handler.OnClosed(c.cause)
}

// String is one line for humans: side, peer, state, streams, windows.
func (c *Conn) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("conn{%v %v->%v %v streams=%d waiting=%d sendWindow=%d lastID=%d cause=%v}",
		c.side, c.nc.LocalAddr(), c.nc.RemoteAddr(), c.state, len(c.streams.table), c.streams.waiting,
		c.out.window, c.streams.lastPeerID, c.cause)
}
