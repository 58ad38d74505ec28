package server

import (
	"sync/atomic"
	"time"

	"github.com/cqrpc/cqrpc"
)

const (
	defaultPendingCalls = 1000
	defaultPendingBytes = 64 << 20
	defaultPendingAge   = 30 * time.Second
)

// PendingLimits bounds the calls that wait for somebody to ask for them. In
// every field zero means the default and a negative value no limit. A call of a method
// with payload does not wait yet while its first message is on its way:
// MaxConcurrentStreams bounds how many of those there are, and their deadlines how old
// they get.
type PendingLimits struct {
	// Calls is how many may wait, default 1000. One more is refused with
	// RESOURCE_EXHAUSTED.
	Calls int
	// Bytes is how much they may have sent in all, default 64 MiB. The call that
	// goes beyond ends with RESOURCE_EXHAUSTED.
	Bytes int64
	// Age is how long one may wait, default 30 s; then it ends with UNAVAILABLE.
	Age time.Duration
}

func (l PendingLimits) resolved() PendingLimits {
	if l.Calls == 0 {
		l.Calls = defaultPendingCalls
	}
	if l.Bytes == 0 {
		l.Bytes = defaultPendingBytes
	}
	if l.Age == 0 {
		l.Age = defaultPendingAge
	}
	return l
}

// pendingBudget counts the calls that wait for a request, over all methods.
type pendingBudget struct {
	// immutable
	limits PendingLimits

	// atomic
	calls atomic.Int64
	bytes atomic.Int64
}

var (
	statusTooManyCalls = cqrpc.Status{
		Code: cqrpc.CodeResourceExhausted, Message: "Too many pending requests for this server",
	}
	statusTooManyBytes = cqrpc.Status{
		Code: cqrpc.CodeResourceExhausted, Message: "Too many bytes in pending requests for this server",
	}
	statusShutDown = cqrpc.Status{Code: cqrpc.CodeUnavailable, Message: "Server is shutting down"}
)

// isFull reports whether one more call would be refused.
func (b *pendingBudget) isFull() bool {
	return b.limits.Calls >= 0 && b.calls.Load() >= int64(b.limits.Calls)
}

// enter counts a call that has sent n bytes. It reports false, with the status
// to refuse the call with, and counts nothing if that is too much.
func (b *pendingBudget) enter(n int64) (*cqrpc.Status, bool) {
	if total := b.calls.Add(1); b.limits.Calls >= 0 && total > int64(b.limits.Calls) {
		b.calls.Add(-1)
		return &statusTooManyCalls, false
	}
	if !b.grow(n) {
		b.calls.Add(-1)
		return &statusTooManyBytes, false
	}
	return nil, true
}

// grow counts n more bytes, unless they are too many.
func (b *pendingBudget) grow(n int64) bool {
	if total := b.bytes.Add(n); b.limits.Bytes >= 0 && total > b.limits.Bytes {
		b.bytes.Add(-n)
		return false
	}
	return true
}

// leave undoes enter and what has grown since.
func (b *pendingBudget) leave(n int64) {
	b.calls.Add(-1)
	b.bytes.Add(-n)
}
