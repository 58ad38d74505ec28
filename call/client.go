package call

import (
	"fmt"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

// clientSide is what only a client call has.
type clientSide struct {
	// immutable
	settings          *Settings
	room              any // see Config
	opener            Opener
	method, authority string

	// guarded by Call.mu
	attempt *Attempt
	peer    *Peer // nil while no stream was bound
	replay  replay
	watch   watching
	initial cqrpc.Metadata // of the response's headers
}

// ClientCall is the memory of a client call, for an Opener that allocates it together
// with more; see NewClient. It must not be copied.
type ClientCall struct {
	call Call
	side clientSide
}

// NewClient returns a client call, for a channel. Its deadline runs from now on. Creation
// never fails: what is wrong, a deadline in the past or a finished parent
// included, ends the call and is its status. o is asked for a stream when
// SendInitialMetadata is started. cc is memory for the call, which is zero; nil: it is allocated.
func NewClient(cc *ClientCall, cfg Config, o Opener) *Call {
	if cc == nil {
		cc = new(ClientCall)
	}
	if cfg.Settings == nil {
		cfg.Settings = defaultSettings()
	}
	c := &cc.call
	cc.side = clientSide{
		settings: cfg.Settings, opener: o, method: cfg.Method, authority: cfg.Authority, room: cfg.Room, attempt: &c.first,
	}
	c.caller = &cc.side
	c.init(&cfg)
	if p := cfg.passage; p != nil {
		c.passage = p
		if p.refusal != nil {
			c.abandon(p.refusal.Status, p.refusal.Cause)
		}
	}
	if name := c.shared().Compressor; name != "" && name != "identity" {
		comp, ok := c.shared().Compressors.Lookup(name)
		if !ok {
			c.abandon(cqrpc.Status{
				Code: cqrpc.CodeInternal,
				Message: fmt.Sprintf("compressor %q is not among those of the channel, %s",
					name, c.shared().Compressors.AcceptEncoding()),
			}, nil)
		}
		c.setCodingLocked(comp, nil)
	}
	if cfg.Retry != nil {
		c.setRetry(cfg.Retry)
	}
	if cfg.Parent != nil {
		c.inherit(cfg.Parent, cfg.Propagate)
	}
	if c.hasExpired() {
		c.expire()
	}
	c.mu.Lock()
	c.armLocked()
	c.mu.Unlock()
	return c
}

// init sets what calls of both sides begin with.
func (c *Call) init(cfg *Config) {
	c.completer = cfg.Completer
	c.recv.oneMessage, c.waitForReady = cfg.OneMessage, cfg.WaitForReady
	c.setDeadline(cfg.Deadline)
	c.first.call = c
	c.end = &undecided
}

// Bind answers Open: s is the stream, which is open or is opened by the first Send. It reports to
// what c.Receiver returned when Open was called. p is kept and must not change. If the call has more
// metadata than the peer accepts, the call ends instead: the peer might end the connection over it.
func (c *Call) Bind(s Stream, p *Peer) {
	var a after
	var lane cq.Lane
	limit := s.MaxHeaderList()
	c.mu.Lock()
	if c.phase != running || c.open != asking {
		c.mu.Unlock()
		s.Reset(frame.Cancel) // Forget and the answer crossed
		return
	}
	c.stampTimeoutLocked()
	if n := c.send.outbox.next.Headers.Size(); uint64(n) > uint64(limit) {
		c.open.to(noStream)
		c.concludeLocked(&verdict{how: byAbandon, status: tooMuchMetadata(n, limit), origin: cqrpc.OriginLocal}, &a, &lane)
		c.mu.Unlock()
		s.Reset(frame.Cancel)
		a.perform(c)
		lane.Flush()
		return
	}
	c.open.to(bound)
	c.hadStream = true
	c.stream, c.caller.peer = s, p
	c.handOverLocked(&a)
	c.mu.Unlock()
	a.perform(c)
}

// Fail answers Open, or Rest: there is no stream, and st says why. Sends that wait fail
// and the call ends with st, unless it answers Open and the call's policy allows another
// attempt.
func (c *Call) Fail(st cqrpc.Status, cause error) {
	if st.Code == cqrpc.CodeOK {
		st = cqrpc.Status{Code: cqrpc.CodeUnknown, Message: "no stream, and no reason given"}
	}
	v := verdict{how: byStream, status: st, origin: cqrpc.OriginTransport, cause: cause}
	var lane cq.Lane
	var a after
	c.mu.Lock()
	if c.open == resting || !c.retriesLocked(&v, &a) {
		if c.open == asking || c.open == resting {
			c.open.to(noStream)
		}
		c.concludeLocked(&v, &a, &lane)
	}
	c.mu.Unlock()
	a.perform(c)
	lane.Flush()
}

// stampTimeoutLocked writes what is left of the deadline into the headers that
// are about to be sent.
func (c *Call) stampTimeoutLocked() {
	if c.caller.replay.isTimed && c.send.outbox.next.Headers != nil {
		var b [16]byte
		left := time.Until(c.clock.deadline)
		c.send.outbox.next.Headers.Fields[0].Value = string(frame.AppendTimeout(b[:0], left))
	}
}
