package client

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/transport"
)

// ErrChannelClosed is why calls fail on a channel after Close.
var ErrChannelClosed = errors.New("channel is closed")

var errIdle = errors.New("channel is idle")

// Channel is a logical connection to a target, on which calls are made. It
// connects when the first call, or Connect, wants it, and again after a loss. One
// is enough for any number of goroutines and calls; Close it when they are done.
type Channel struct {
	// immutable
	cfg       config
	target    target
	authority string
	settings  *call.Settings // what its calls have in common
	balancer  balancer
	conns     connSet
	base      callConfig          // of calls without options
	bases     byName[*callConfig] // likewise, of methods that have options; nil: none has

	mu sync.Mutex
	// guarded by mu
	state   State
	picker  picker // Ready
	err     error  // TransientFailure: the last connect error
	seq     uint64 // of the latest update
	waiting waitList
	resting map[*call.Call]struct{} // calls that failed and will be sent again; nil: there never was one
	watch   watchList
	methods map[methodKey]*RegisteredMethod
	idle    *time.Timer

	calls atomic.Uint64 // made so far: the idle timer checks whether it moved
}

// NewChannel makes a channel to target: "host:port", "dns:///host:port",
// "ipv4:…", "ipv6:…", "passthrough:///…", "unix:path" or "unix-abstract:name"
// (gRPC naming.md); the port defaults to 443. It does not connect. One of
// WithInsecure and WithTLS must be among the options. The error says what is
// wrong with the options or the target. The server of "dns://server/host" is ignored: the
// system's DNS is asked.
//
// "ipv4:…" and "ipv6:…" take a list, "ipv4:192.0.2.1:80,192.0.2.2:80", whose first address
// is the authority. The addresses of a name are tried in the resolver's order, the families in
// turn, until one is ready: the next one is tried when the latest has failed, at whatever
// stage, or has taken 250 ms (gRFC A61). Only when all have failed is the channel in
// TransientFailure, with an error that tells of each, and the back-off begins. passthrough
// leaves names to the dialer. WithBalancing connects to all addresses instead. With
// WithResolver, target is whatever that resolver understands.
func NewChannel(target string, opts ...Option) (*Channel, error) {
	cfg := newConfig(opts)
	parse := parseTarget
	if cfg.resolver != nil {
		parse = foreignTarget
	}
	t, err := parse(target)
	if err != nil {
		return nil, err
	}
	ch := &Channel{cfg: cfg, authority: t.authority}
	ch.target = ch.cfg.throughProxy(t)
	if err := ch.cfg.check(); err != nil {
		return nil, fmt.Errorf("channel to %q: %w", target, err)
	}
	ch.settings = ch.cfg.settings()
	if ch.cfg.authority != "" {
		ch.authority = ch.cfg.authority
	}
	ch.waiting.init()
	ch.base = configured(
		callConfig{Config: call.Config{Authority: ch.authority, Settings: ch.settings}}, ch.cfg.defaults)
	ch.bases = ch.cfg.bases(ch.base)
	ch.balancer = newBalancer(ch.target, &ch.cfg, &ch.conns, ch.newHealthChecks(), ch.onUpdate)
	return ch, nil
}

// Target is the target as it was given.
func (ch *Channel) Target() string { return ch.target.text }

// Authority is what calls send as :authority, unless WithCallAuthority says otherwise.
func (ch *Channel) Authority() string { return ch.authority }

// IsSecure tells a channel of WithTLS from one of WithInsecure.
func (ch *Channel) IsSecure() bool { return ch.cfg.secure != nil }

// Connect leaves Idle, if the channel is idle, without waiting.
func (ch *Channel) Connect() {
	ch.mu.Lock()
	told := ch.connectLocked()
	ch.mu.Unlock()
	told.tell()
	ch.balancer.connect()
}

func (ch *Channel) connectLocked() watched {
	if ch.state != Idle {
		return nil
	}
	return ch.moveLocked(Connecting)
}

// ResetBackoff cuts back-offs short: the next connection attempts and lookups come
// without further delay.
func (ch *Channel) ResetBackoff() { ch.balancer.resetBackoff() }

// Close ends the channel and its connections. Calls in progress and calls that
// wait fail with UNAVAILABLE. Idempotent; the error is always nil.
func (ch *Channel) Close() error {
	ch.mu.Lock()
	if ch.state == Shutdown {
		ch.mu.Unlock()
		return nil
	}
	ch.picker, ch.err = nil, ErrChannelClosed
	waiting := append(ch.waiting.takeAll(), slices.Collect(maps.Keys(ch.resting))...)
	clear(ch.resting)
	told := ch.moveLocked(Shutdown)
	if ch.idle != nil {
		ch.idle.Stop()
	}
	ch.mu.Unlock()
	told.tell()
	ch.balancer.close()
	ch.conns.close(ErrChannelClosed)
	for _, c := range waiting {
		c.Fail(unavailable(ErrChannelClosed))
	}
	return nil
}

func unavailable(cause error) (cqrpc.Status, error) {
	return cqrpc.Status{Code: cqrpc.CodeUnavailable, Message: cause.Error()}, cause
}

// onUpdate follows the balancer. It runs on its goroutines.
func (ch *Channel) onUpdate(u update) {
	ch.mu.Lock()
	if u.seq <= ch.seq || ch.state == Shutdown {
		ch.mu.Unlock()
		return
	}
	ch.seq = u.seq
	ch.picker = u.pick
	var ready, failed []*call.Call
	next := u.state
	again := next == Idle && ch.waiting.len() > 0
	switch {
	case again:
		next = Connecting
	case next == Ready:
		ch.err = nil
		ready = ch.waiting.takeAll()
		if ch.state != Ready { // else it is armed
			ch.armIdleLocked()
		}
	case next == TransientFailure:
		ch.err = u.err
		failed = ch.waiting.takeFailFast()
	}
	told := ch.moveLocked(next)
	ch.mu.Unlock()

	told.tell()
	if again {
		ch.balancer.connect()
	}
	for _, c := range ready {
		(*opener)(ch).Open(c)
	}
	for _, c := range failed {
		c.Fail(unavailable(u.err))
	}
}

// pick returns the picker, or the reason why the call must fail. If it returns neither, the
// call waits.
func (ch *Channel) pick(w waitingCall) (picker, error) {
	ch.mu.Lock()
	delete(ch.resting, w.call)
	if ch.picker != nil {
		defer ch.mu.Unlock()
		return ch.picker, nil
	}
	if ch.state == Shutdown || ch.state == TransientFailure && !w.forReady {
		defer ch.mu.Unlock()
		return nil, ch.err
	}
	ch.waiting.add(w)
	told := ch.connectLocked()
	ch.mu.Unlock()
	told.tell()
	ch.balancer.connect()
	return nil, nil
}

// drop stops using conn, which p has picked and which takes no more streams. The balancer
// may have released it already, and the update that says so be on its way.
func (ch *Channel) drop(p picker, conn *transport.Conn) {
	ch.mu.Lock()
	if ch.picker != p {
		ch.mu.Unlock()
		return
	}
	ch.picker = p.without(conn)
	var told watched
	if ch.picker == nil {
		told = ch.moveLocked(Idle)
	}
	ch.mu.Unlock()
	told.tell()
}

// armIdleLocked makes checkIdle run an idle timeout from now.
func (ch *Channel) armIdleLocked() {
	if ch.cfg.idleTimeout <= 0 {
		return
	}
	if ch.idle != nil {
		ch.idle.Stop()
	}
	seen := ch.calls.Load()
	ch.idle = time.AfterFunc(ch.cfg.idleTimeout, func() { ch.checkIdle(seen) })
}

func (ch *Channel) checkIdle(seen uint64) {
	ch.mu.Lock()
	p, isUsed, isAwake := ch.picker, ch.waiting.len() > 0, ch.isAwakeLocked()
	ch.mu.Unlock()
	if !isAwake {
		return
	}
	if !isUsed && ch.calls.Load() == seen && (p == nil || p.streams() == 0) {
		ch.balancer.idle()
		return
	}
	ch.mu.Lock()
	if ch.isAwakeLocked() {
		ch.armIdleLocked()
	}
	ch.mu.Unlock()
}

// isAwakeLocked reports whether there is a connection, or one is wanted.
func (ch *Channel) isAwakeLocked() bool { return ch.state != Idle && ch.state != Shutdown }

// Ping measures one HTTP/2 round trip on a connection of the channel. It does not connect:
// it fails at once if there is no connection, or if 16 pings of it are unanswered. It fails
// with ctx's error if ctx ends first, and when the connection ends.
func (ch *Channel) Ping(ctx context.Context) (time.Duration, error) {
	type answer struct {
		rtt time.Duration
		err error
	}
	got := make(chan answer, 1)
	if err := ch.ping(func(rtt time.Duration, err error) { got <- answer{rtt, err} }); err != nil {
		return 0, err
	}
	select {
	case a := <-got:
		return a.rtt, a.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// PingTo is Ping for a queue: tag comes back with OK=true when the answer
// arrives, false where Ping fails (C-core grpc_channel_ping). The error is
// cq.ErrShutdown if q is shut down.
func (ch *Channel) PingTo(q cq.Completer, tag cq.Tag) error {
	if !q.Begin() {
		return cq.ErrShutdown
	}
	done := func(_ time.Duration, err error) { q.Complete(cq.Completion{Tag: tag, OK: err == nil}) }
	if err := ch.ping(done); err != nil {
		done(0, err)
	}
	return nil
}

func (ch *Channel) ping(done func(time.Duration, error)) error {
	ch.mu.Lock()
	p, state := ch.picker, ch.state
	ch.mu.Unlock()
	if p == nil {
		return fmt.Errorf("ping: channel to %s is %v", ch.target.text, state)
	}
	conn, _ := p.pick(pickInfo{})
	conn.Ping(done)
	return nil
}

// String is one line for humans.
func (ch *Channel) String() string {
	ch.mu.Lock()
	state, err, waiting, p := ch.state, ch.err, ch.waiting.len(), ch.picker
	ch.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "channel{%s %v waiting=%d calls=%d", ch.target.text, state, waiting, ch.calls.Load())
	if err != nil {
		fmt.Fprintf(&b, " err=%v", err)
	}
	if p != nil {
		fmt.Fprintf(&b, " %v", p)
	}
	b.WriteByte('}')
	return b.String()
}
