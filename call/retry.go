package call

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
)

// RetryPolicy says which failed calls are sent again, how often and when (gRFC A6,
// retryPolicy of a service config). All fields but Buffer must be set.
//
// Whether an attempt has failed is judged by its status, whether the server has sent that or it
// stands for a stream or connection that was lost or not to be had. The call is sent again only
// if nothing of a response has come: with the response's headers, which the application gets, the
// call is committed. So servers should send failures that may be repeated as Trailers-Only. The
// call's deadline covers all attempts and the time between. The application is told of the last
// attempt, trailing metadata included.
//
// A server may say how long to wait, by the trailing metadata grpc-retry-pushback-ms, or by a
// negative value of it that there is to be no other attempt. From the second attempt on, it is
// told by grpc-previous-rpc-attempts how many there were before.
//
// An attempt that the server provably did not act on is repeated at once and does not count,
// as for a call without a policy.
type RetryPolicy struct {
	// MaxAttempts is how often a call is sent, including the first time: 2 to 5; more is
	// taken for 5.
	MaxAttempts int
	// InitialBackoff is the time before the second attempt, MaxBackoff bounds the time before
	// any. Both must be more than zero. The time is up to 20 % longer or shorter at random.
	InitialBackoff, MaxBackoff time.Duration
	// BackoffMultiplier is applied for each further attempt; more than zero.
	BackoffMultiplier float64
	// Codes are the statuses after which a call may be sent again, at least one and none of
	// them OK. The server may have acted on such an attempt, even if it ended with
	// UNAVAILABLE: a method with a policy must be one that may be called twice.
	Codes []cqrpc.Code
	// Buffer bounds, in bytes, the messages that a call keeps to send them again, each
	// counted with 128 bytes more. A call that sends more has no other attempt. Default and
	// zero: 256 KiB; negative: unlimited.
	Buffer int
}

const (
	// maxAttempts is the most that MaxAttempts counts for (gRFC A6, Limits on Retries and
	// Hedges).
	maxAttempts = 5
	// defaultRetryBuffer is grpc.per_rpc_retry_buffer_size's default, in bytes.
	defaultRetryBuffer = 256 << 10
	// retryJitter is the part of a back-off by which it is longer or shorter, at most.
	retryJitter = 0.2
)

// Validate reports what is wrong with p (gRFC A6, Validation of retryPolicy).
func (p *RetryPolicy) Validate() error {
	switch {
	case p.MaxAttempts < 2:
		return fmt.Errorf("retry policy: MaxAttempts is %d; want at least 2", p.MaxAttempts)
	case p.InitialBackoff <= 0:
		return fmt.Errorf("retry policy: InitialBackoff is %v; want more than 0", p.InitialBackoff)
	case p.MaxBackoff <= 0:
		return fmt.Errorf("retry policy: MaxBackoff is %v; want more than 0", p.MaxBackoff)
	case !(p.BackoffMultiplier > 0): // NaN is not either
		return fmt.Errorf("retry policy: BackoffMultiplier is %v; want more than 0", p.BackoffMultiplier)
	case len(p.Codes) == 0:
		return fmt.Errorf("retry policy: no Codes")
	}
	for _, code := range p.Codes {
		if code == cqrpc.CodeOK || code > cqrpc.CodeUnauthenticated {
			return fmt.Errorf("retry policy: a call cannot fail with %v", code)
		}
	}
	return nil
}

// delay is how long to wait before an attempt, the n-th whose time the policy sets; the
// count begins anew after an attempt whose time the server has set. random is in [0,1).
func (p *RetryPolicy) delay(n int, random float64) time.Duration {
	d := min(float64(p.InitialBackoff)*math.Pow(p.BackoffMultiplier, float64(n-1)), float64(p.MaxBackoff))
	return time.Duration(min(d*(1+retryJitter*(2*random-1)), math.MaxInt64/2))
}

func (p *RetryPolicy) buffer() uint64 {
	switch {
	case p.Buffer == 0:
		return defaultRetryBuffer
	case p.Buffer < 0:
		return math.MaxUint64
	}
	return uint64(p.Buffer)
}

// retrying is what only a client call with a policy has. Guarded by Call.mu.
type retrying struct {
	policy   *RetryPolicy // immutable
	messages []packed     // kept to be sent again, after replay.message
	previous int          // attempts that failed and were followed by another
	backoffs int          // of those, since the server has set the time
	spent    bool         // there is no other attempt: too much was sent
	failure  *verdict     // of the latest
	timer    *time.Timer  // nil until the call rests
}

// setRetry gives a new call its policy.
func (c *Call) setRetry(p *RetryPolicy) {
	if err := p.Validate(); err != nil {
		c.abandon(cqrpc.Status{Code: cqrpc.CodeInternal, Message: err.Error()}, err)
		return
	}
	c.caller.replay.retry = &retrying{policy: p}
}

// charge notes that a message was accepted: now there may be too many to keep.
func (r *retrying) charge(s *sendSide) {
	if r != nil && s.bytes+messageRoom*s.accepted > r.policy.buffer() {
		r.spent = true
	}
}

// failedLocked ends an attempt, and with it the call, unless there is to be another attempt.
func (c *Call) failedLocked(v *verdict, a *after, lane *cq.Lane) {
	if !c.retriesLocked(v, a) {
		c.concludeLocked(v, a, lane)
	}
}

// retriesLocked reports whether the policy of a client's call allows another attempt after one
// that has failed with v, and lets the call rest before it. Each attempt must be judged once.
func (c *Call) retriesLocked(v *verdict, a *after) bool {
	if c.caller == nil || c.caller.replay.retry == nil || c.phase != running {
		return false
	}
	pause, ok := c.caller.replay.next(v, c.shared().tokens)
	if !ok {
		return false
	}
	if v.how == byViolation {
		a.stream, a.reset, a.code = c.stream, true, resetCode(v.status.Code)
	}
	c.repeatLocked()
	c.open.to(resting)
	a.rest, a.pause = true, pause
	return true
}

// next is how long to wait for the next attempt after one that has failed with v, and
// whether there is to be one. A failure costs a token either way (gRFC A6, Throttling).
func (r *replay) next(v *verdict, t *tokens) (pause time.Duration, ok bool) {
	y := r.retry
	pause, isSet, isRefused := pushback(v.trailing)
	isRetryable := slices.Contains(y.policy.Codes, v.status.Code)
	if !isRetryable && !isRefused || !t.fail() {
		return 0, false
	}
	if !isRetryable || isRefused || !r.isOpen() || y.previous+1 >= min(y.policy.MaxAttempts, maxAttempts) {
		return 0, false
	}
	y.previous++
	y.failure = v.keep()
	if isSet {
		y.backoffs = 0
		return pause, true
	}
	y.backoffs++
	return y.policy.delay(y.backoffs, rand.Float64()), true
}

// isOpen reports whether the policy may have another attempt.
func (r *replay) isOpen() bool {
	return r.retry != nil && !r.retry.spent && !r.committed && r.headers != nil
}

// pushback reads grpc-retry-pushback-ms from the trailing metadata: how long the server wants
// the call to wait, if it says so, or that it refuses another attempt (gRFC A6, Pushback).
func pushback(md cqrpc.Metadata) (d time.Duration, isSet, isRefused bool) {
	values := md.Values("grpc-retry-pushback-ms")
	if len(values) == 0 {
		return 0, false, false
	}
	ms, err := strconv.ParseUint(values[0], 10, 31)
	if err != nil || len(values) > 1 {
		return 0, false, true
	}
	return time.Duration(ms) * time.Millisecond, true, false
}

// rest sets the timer of a call that rests, unless the call has ended.
func (c *Call) rest(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open != resting {
		return
	}
	r := c.caller.replay.retry
	if r.timer == nil {
		r.timer = time.AfterFunc(d, c.wake)
	} else {
		r.timer.Reset(d)
	}
}

// wake begins the next attempt. It is run by the timer.
func (c *Call) wake() {
	var a after
	c.mu.Lock()
	if c.open == resting {
		c.askLocked(&a)
	}
	c.mu.Unlock()
	a.perform(c)
}

// stop is for calls that end.
func (r *retrying) stop() {
	if r != nil && r.timer != nil {
		r.timer.Stop()
	}
}

// previousAttempts tells a server which attempt it has.
const previousAttempts = "grpc-previous-rpc-attempts"

// stampAttempts writes into l, the headers of an attempt, how many there were before.
func (r *retrying) stampAttempts(l *frame.HeaderList) {
	if r == nil || r.previous == 0 {
		return
	}
	if last := len(l.Fields) - 1; last >= 0 && l.Fields[last].Name == previousAttempts {
		l.Fields = l.Fields[:last]
	}
	l.Add(previousAttempts, strconv.Itoa(r.previous))
}
