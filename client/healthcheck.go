package client

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/transport"
)

// healthStage is where a health check is (gRFC A17). Every attempt is one call of Watch.
//
//	             begin            message
//	healthResting ───► healthAsking ───► healthWatching ─┐ message
//	  ▲     ▲               │                  │ ▲───────┘
//	  │     └──── ended ────┘                  │
//	  └────────── ended ───────────────────────┘
//
//	asking, watching ── UNIMPLEMENTED ──► healthOff      any ── stop ──► healthStopped
type healthStage uint8

const (
	healthResting  healthStage = iota // until the back-off is over
	healthAsking                      // the call has brought no message yet
	healthWatching                    // it has
	healthOff                         // the peer has no health service, and counts as healthy
	healthStopped                     // the connection takes no more calls
)

var healthStageNames = [...]string{"resting", "asking", "watching", "off", "stopped"}

func (s healthStage) String() string { return healthStageNames[s] }

// healthSteps is the drawing: where each stage may lead.
var healthSteps = [...]uint8{
	healthResting:  1<<healthAsking | 1<<healthStopped,
	healthAsking:   1<<healthWatching | 1<<healthResting | 1<<healthOff | 1<<healthStopped,
	healthWatching: 1<<healthWatching | 1<<healthResting | 1<<healthOff | 1<<healthStopped,
	healthOff:      1 << healthStopped,
	healthStopped:  1 << healthStopped,
}

// to is the only place that changes a stage.
func (s *healthStage) to(next healthStage) {
	if healthSteps[*s]&(1<<next) == 0 {
		panic(fmt.Sprintf("BUG: client: health check %v -> %v", *s, next))
	}
	*s = next
}

// healthCheck watches the health of a subchannel's connection, which takes calls only while the peer
// says SERVING. Between two messages it is one stream and no goroutine.
type healthCheck struct {
	// immutable
	sub  *subchannel
	conn *transport.Conn
	ctx  context.Context //nolint:containedctx // of every watch; ends when the check is stopped
	end  context.CancelFunc

	// guarded by sub.mu
	stage    healthStage
	call     *call.Call  // asking, watching: whose events count
	pause    *time.Timer // resting, but not before the first attempt
	started  time.Time   // of the latest attempt
	failures int         // attempts in a row that brought no message
	status   uint64      // watching: what the peer has said last
	told     State       // to the subchannel's watcher: Ready or TransientFailure; Idle: nothing yet
}

func newHealthCheck(s *subchannel, conn *transport.Conn) *healthCheck {
	h := &healthCheck{sub: s, conn: conn}
	h.ctx, h.end = context.WithCancel(context.Background())
	return h
}

// stopLocked ends the check for good. The caller calls cancel after unlocking.
func (h *healthCheck) stopLocked() {
	h.stage.to(healthStopped)
	h.call = nil
	if h.pause != nil {
		h.pause.Stop()
	}
}

// cancel ends the call of a check that was stopped. There may be no check.
func (h *healthCheck) cancel() {
	if h != nil {
		h.end()
	}
}

var errFilterExited = errors.New("a filter has ended its goroutine")

// begin makes an attempt. Filters run inside, on the goroutine that has connected or on that of a timer.
func (h *healthCheck) begin() {
	s := h.sub
	s.mu.Lock()
	if h.stage == healthStopped {
		s.mu.Unlock()
		return
	}
	h.stage.to(healthAsking)
	h.started = time.Now()
	s.mu.Unlock()
	var w *healthCall
	defer func() {
		if w == nil {
			h.onEnd(nil, cqrpc.CodeUnknown, errFilterExited)
		}
	}()
	w = s.health.newCall(h)
	s.mu.Lock()
	isStopped := h.stage == healthStopped
	if !isStopped {
		h.call = w.call
	}
	s.mu.Unlock()
	if isStopped {
		w.call.Close() // its context has ended anyway
		return
	}
	w.start()
}

// onMessage takes what the peer says in call c: a ServingStatus.
func (h *healthCheck) onMessage(c *call.Call, status uint64) {
	s := h.sub
	s.mu.Lock()
	if h.call != c || h.stage == healthWatching && h.status == status {
		s.mu.Unlock()
		return
	}
	h.stage.to(healthWatching)
	h.failures, h.status = 0, status
	u := h.judgeLocked(status == healthServing, errors.New(servingStatus(status)), 1)
	s.mu.Unlock()
	h.tell(u)
}

// onEnd takes the end of call c, or of an attempt that came to no call. Another attempt follows, unless the
// peer does not know what it was asked. The back-off counts from the beginning of the attempt that has ended:
// one that lasted is followed at once, as A17 says, but not one after the other without a break.
func (h *healthCheck) onEnd(c *call.Call, code cqrpc.Code, err error) {
	s := h.sub
	s.mu.Lock()
	if h.call != c || h.stage == healthStopped {
		s.mu.Unlock()
		return
	}
	h.call = nil
	if isLoss(err) { // release follows, or has stopped the check
		h.stage.to(healthResting)
		s.mu.Unlock()
		return
	}
	isOff := code == cqrpc.CodeUnimplemented
	if isOff {
		h.stage.to(healthOff)
	} else {
		if h.stage == healthAsking {
			h.failures++
		}
		h.stage.to(healthResting)
		next := h.started.Add(s.cfg.backoff.delay(max(h.failures, 1), rand.Float64()))
		h.pause = time.AfterFunc(time.Until(next), h.begin)
	}
	u := h.judgeLocked(isOff, fmt.Errorf("not known: %w", err), 0)
	s.mu.Unlock()
	if isOff {
		s.cfg.log.Warn("channel: the server does not tell its health, and is taken to be healthy",
			"target", s.target.text, "peer", h.conn.RemoteAddr(), "error", err)
	}
	h.tell(u)
}

// isLoss reports whether a call has ended because its connection has, or takes no more calls. That says
// nothing of the server's health.
func isLoss(err error) bool {
	e, ok := errors.AsType[*frame.CloseError](err)
	return ok && (e.Kind == frame.ConnLost || e.Kind == frame.GoneAway)
}

// judgeLocked is what to tell the subchannel's watcher. streams is how many streams the check has.
func (h *healthCheck) judgeLocked(isHealthy bool, why error, streams int) update {
	if !isHealthy {
		h.told = TransientFailure
		err := fmt.Errorf("%s is connected, but the health of %q is %w", h.sub.at.Addr, h.sub.health.service, why)
		return h.sub.updateLocked(update{state: TransientFailure, err: err})
	}
	h.told = Ready
	p := newSingle(h.conn)
	p.aside = streams
	return h.sub.updateLocked(update{state: Ready, pick: p})
}

// tell passes an update on, with no lock held.
func (h *healthCheck) tell(u update) {
	s := h.sub
	if u.state == TransientFailure {
		s.cfg.log.Warn("channel: server is not healthy", "target", s.target.text, "error", u.err)
	}
	s.watcher(u)
}
