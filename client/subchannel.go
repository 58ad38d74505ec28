package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/cqrpc/cqrpc/client/resolver"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/transport"
)

// subchannelState is how a subchannel comes to its connection.
//
//	              connect                    adopt
//	subIdle ────────────────► subDialing ────────────► subReady     any ── end ──► subClosed
//	 ▲ ▲                         │                        │
//	 │ └────────── idle ─────────┘                        │
//	 └──────────────── release: lost, or idle ────────────┘
type subchannelState uint8

const (
	subIdle    subchannelState = iota
	subDialing                 // a task makes rounds
	subReady                   // there is a connection
	subClosed
)

var subchannelStateNames = [...]string{"idle", "dialing", "ready", "closed"}

func (s subchannelState) String() string { return subchannelStateNames[s] }

// subchannelSteps is the drawing: where each state may lead.
var subchannelSteps = [...]uint8{
	subIdle: 1<<subDialing | 1<<subClosed, subDialing: 1<<subIdle | 1<<subReady | 1<<subClosed,
	subReady: 1<<subIdle | 1<<subClosed, subClosed: 1 << subClosed,
}

// to is the only place that changes a state.
func (s *subchannelState) to(next subchannelState) {
	if subchannelSteps[*s]&(1<<next) == 0 {
		panic(fmt.Sprintf("BUG: client: subchannel %v -> %v", *s, next))
	}
	*s = next
}

// subchannel makes and keeps one connection, to the first address of its target that
// can be connected, with back-off. It is given the addresses, or finds them anew for
// every round. It knows nothing of calls. On its own it is the balancer of a channel
// with one connection.
type subchannel struct {
	// immutable
	sharedParts

	target  target
	watcher func(update)  // called with no lock held
	hurry   chan struct{} // capacity 1: cuts a back-off short

	mu sync.Mutex
	// guarded by mu
	state     subchannelState
	given     []resolver.Address // what to connect to; nil: what target says
	givenSeq  uint64             // of the finding that changed given last; 0: none has
	dialing   *task              // of subDialing: rounds, and the back-off between them
	conn      *transport.Conn    // of subReady
	check     *healthCheck       // of conn; nil: it is ready for calls
	at        resolver.Address   // of conn
	failures  int                // rounds in a row that brought no lasting connection
	wasYoung  bool               // the last connection was lost within Backoff.Initial, and of no use
	started   time.Time          // of the latest round
	keepalive time.Duration      // of the latest round's connection
	seq       uint64             // of the latest update
}

func newSubchannel(t target, given []resolver.Address, all sharedParts, watcher func(update)) *subchannel {
	return &subchannel{sharedParts: all, target: t, given: given, watcher: watcher, hurry: make(chan struct{}, 1)}
}

// updateLocked numbers an update; the caller passes it on after unlocking.
func (s *subchannel) updateLocked(u update) update {
	s.seq++
	u.seq = s.seq
	return u
}

// connect starts rounds unless one is in progress or a connection exists.
// A round that comes too soon after the last one waits for the back-off.
func (s *subchannel) connect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == subIdle {
		s.state.to(subDialing)
		s.dialing = startTask(s.run)
	}
}

// resetBackoff lets a waiting round start now.
func (s *subchannel) resetBackoff() {
	s.mu.Lock()
	s.failures = 0
	s.mu.Unlock()
	cutShort(s.hurry)
}

// run makes rounds until one succeeds or d is cancelled. It lives only while there is
// no connection, as do the goroutines of its attempts.
func (s *subchannel) run(ctx context.Context, d *task) {
	for pause(ctx, s.untilNext(), s.hurry) {
		err := s.try(ctx, d)
		if err == nil || !s.fail(d, err) {
			return
		}
	}
}

// fail reports a failed round. It returns whether there is to be another.
func (s *subchannel) fail(d *task, err error) bool {
	s.mu.Lock()
	if s.dialing != d {
		s.mu.Unlock()
		return false
	}
	u := s.updateLocked(update{state: TransientFailure, err: err})
	s.mu.Unlock()
	s.cfg.log.Warn("channel: connection attempt failed", "target", s.target.text, "error", err)
	s.watcher(u)
	return true
}

// untilNext is how long the back-off still lasts, measured from the start of
// the last round.
func (s *subchannel) untilNext() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Until(s.started.Add(s.cfg.backoff.delay(s.failures, rand.Float64())))
}

// try makes one round of attempts, at one address after the other until one works. On
// success a connection has been adopted.
func (s *subchannel) try(ctx context.Context, d *task) error {
	s.mu.Lock()
	s.started = time.Now()
	s.failures++
	tc := s.cfg.transport
	s.keepalive = s.pace.get()
	tc.Keepalive.Time = s.keepalive
	timeout := max(s.cfg.backoff.MinConnectTimeout, s.cfg.backoff.delay(s.failures, 0.5))
	s.mu.Unlock()

	addresses, err := s.resolve(ctx, timeout)
	if err != nil {
		return err
	}
	r := new(round)
	for _, address := range addresses {
		r.attempts = append(r.attempts, &attempt{sub: s, at: address, timeout: timeout, transport: tc})
	}
	h, err := r.run(ctx)
	if err != nil {
		return err
	}
	s.adopt(d, h)
	return nil
}

// resolve finds the addresses: they may have changed since the last round.
func (s *subchannel) resolve(ctx context.Context, timeout time.Duration) ([]resolver.Address, error) {
	s.mu.Lock()
	given := s.given
	s.mu.Unlock()
	if given != nil {
		return given, nil
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return s.target.resolved(ctx, s.cfg.resolve)
}

// serverName is the name that a server proves by TLS, unless the TLS configuration
// has another one.
func (s *subchannel) serverName() string {
	name := s.target.authority
	if s.cfg.authority != "" {
		name = s.cfg.authority
	}
	if host, _, err := net.SplitHostPort(name); err == nil {
		return host
	}
	return name
}

// adopt takes over a connection that is ready, or was a moment ago.
func (s *subchannel) adopt(d *task, h *connHandler) {
	conn := h.conn
	s.mu.Lock()
	if s.dialing != d {
		s.mu.Unlock()
		conn.Close()
		return
	}
	s.state.to(subReady)
	s.conn, s.at, s.dialing = conn, h.at, nil
	var u update
	var check *healthCheck
	if s.health != nil {
		check = newHealthCheck(s, conn)
		s.check = check
	} else {
		u = s.updateLocked(update{state: Ready, pick: newSingle(conn)})
	}
	s.mu.Unlock()
	s.cfg.log.Info("channel: connected", "target", s.target.text, "peer", conn.RemoteAddr())
	if check == nil {
		s.watcher(u)
	}
	if cause := h.gone.Load(); cause != nil {
		s.release(conn, *cause)
	}
	if check != nil {
		check.begin()
	}
}

// release forgets a connection that takes no more streams. If it outlived the
// initial back-off, or was of use, the address is good, and failures are counted anew:
// proxies end connections after so many calls, be it ten times a second. The first
// that is lost sooner is bad luck, such as a server that restarts. A second in a
// row is a failure: a server that accepts and hangs up must not be called in a
// loop, nor make calls wait for ever.
func (s *subchannel) release(conn *transport.Conn, cause error) {
	isUseful := wasOfUse(conn, cause) // takes the connection's lock
	s.mu.Lock()
	if s.conn != conn {
		s.mu.Unlock()
		return
	}
	check, isUnwell := s.check, s.check != nil && s.check.told == TransientFailure
	s.forgetLocked()
	isOurs := errors.Is(cause, errIdle) || errors.Is(cause, errMoved)
	isUseful = isUseful && check == nil // what was answered may be the check
	isYoung := time.Since(s.started) < s.cfg.backoff.Initial && !isUseful && !isOurs
	if !isYoung || !s.wasYoung {
		s.failures, s.wasYoung = 0, isYoung
	}
	if isTooManyPings(cause) {
		s.pace.slowDown(s.keepalive)
	}
	u := update{state: Idle, err: cause}
	if (s.failures > 0 || isUnwell) && !isOurs {
		u.state = TransientFailure
	}
	u = s.updateLocked(u)
	s.mu.Unlock()
	check.cancel()
	s.cfg.log.Info("channel: connection gone", "target", s.target.text, "cause", cause)
	s.watcher(u)
	if u.state == TransientFailure {
		s.connect()
	}
}

// forgetLocked leaves the connection with its check, or the task that makes one, to the caller.
func (s *subchannel) forgetLocked() {
	s.state.to(subIdle)
	s.clearLocked()
}

func (s *subchannel) clearLocked() {
	if s.check != nil {
		s.check.stopLocked()
	}
	s.conn, s.check, s.dialing = nil, nil, nil
}

// wasOfUse reports whether calls were answered on a connection, or the peer's GOAWAY leaves it
// some to answer, and its end is not the peer's complaint about us.
func wasOfUse(conn *transport.Conn, cause error) bool {
	g, isSaid := errors.AsType[*transport.GoAwayError](cause)
	return (conn.HasResponded() || conn.NumStreams() > 0) && (!isSaid || g.Code == frame.NoError)
}

func isTooManyPings(err error) bool {
	var g *transport.GoAwayError
	return errors.As(err, &g) && g.Code == frame.EnhanceYourCalm && g.Debug == "too_many_pings"
}

// errMoved is why a connection is given up when its address is no longer the target's.
var errMoved = errors.New("the address is no longer one of the target's")

// move changes what to connect to, by the finding seq, unless a later one has. A connection
// to one of the addresses stays, another drains; a round begins anew, without back-off.
func (s *subchannel) move(seq uint64, addresses []resolver.Address) {
	s.mu.Lock()
	if seq <= s.givenSeq {
		s.mu.Unlock()
		return
	}
	s.given, s.givenSeq = addresses, seq
	conn, d := s.conn, s.dialing
	if d != nil {
		s.failures = 0
		s.dialing = startTask(s.run)
	}
	if slices.Contains(addresses, s.at) {
		conn = nil
	}
	s.mu.Unlock()
	if d != nil {
		d.cancel()
	}
	if conn != nil {
		s.release(conn, errMoved)
		conn.Drain()
	}
}

// idle drains the connection, or ends the attempts to make one; the next call makes it.
func (s *subchannel) idle() {
	s.mu.Lock()
	conn, d := s.conn, s.dialing
	if s.state != subDialing {
		s.mu.Unlock()
		if conn != nil {
			s.release(conn, errIdle)
			conn.Drain()
		}
		return
	}
	s.forgetLocked()
	u := s.updateLocked(update{state: Idle, err: errIdle})
	s.mu.Unlock()
	d.cancel()
	s.watcher(u)
}

// close ends all attempts.
func (s *subchannel) close() { s.end() }

// retire drains the connection and ends all attempts.
func (s *subchannel) retire() {
	if conn := s.end(); conn != nil {
		conn.Drain()
	}
}

// end ends all attempts, for good, and returns the connection, if there is one.
func (s *subchannel) end() *transport.Conn {
	s.mu.Lock()
	s.state.to(subClosed)
	conn, check, d := s.conn, s.check, s.dialing
	s.clearLocked()
	s.mu.Unlock()
	if d != nil {
		d.cancel()
	}
	check.cancel()
	return conn
}
