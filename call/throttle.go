package call

import (
	"fmt"
	"sync/atomic"
)

// RetryThrottling keeps the calls of a channel from being repeated while many fail, so that
// an overloaded server does not get even more of them (gRFC A6, retryThrottling of a service
// config). The channel begins with MaxTokens tokens, and never has more. An attempt that fails
// with one of the codes of its call's policy, or whose server refuses another by
// grpc-retry-pushback-ms, takes one; a call that succeeds, with a policy or without, brings
// back TokenRatio. Calls are repeated while more than half of the tokens are left. The zero
// value is no throttling.
type RetryThrottling struct {
	// MaxTokens is 1 to 1000.
	MaxTokens int
	// TokenRatio is at least 0.001, and counts to three places.
	TokenRatio float64
}

// Validate reports what is wrong with t (gRFC A6, Validation of retryThrottling).
func (t RetryThrottling) Validate() error {
	switch {
	case t == RetryThrottling{}:
	case t.MaxTokens <= 0 || t.MaxTokens > 1000:
		return fmt.Errorf("retry throttling: MaxTokens is %d; want 1 to 1000", t.MaxTokens)
	case !(t.TokenRatio >= 0.001): // NaN is not either
		return fmt.Errorf("retry throttling: TokenRatio is %v; want at least 0.001", t.TokenRatio)
	}
	return nil
}

// tokens are those of one channel, in thousandths. There is no lock, because they are
// counted while the lock of a call is held. A nil pointer counts nothing.
type tokens struct {
	most, ratio int64
	count       atomic.Int64
}

func newTokens(t RetryThrottling) *tokens {
	if t == (RetryThrottling{}) {
		return nil
	}
	s := &tokens{most: int64(t.MaxTokens) * 1000}
	s.ratio = int64(min(t.TokenRatio, float64(t.MaxTokens))*1000 + 1e-6) // 1e-6, because 0.57*1000 is a bit less than 570
	s.count.Store(s.most)
	return s
}

// succeed counts a call that has ended with OK.
func (s *tokens) succeed() {
	if s == nil {
		return
	}
	for {
		n := s.count.Load()
		if n == s.most || s.count.CompareAndSwap(n, min(n+s.ratio, s.most)) {
			return
		}
	}
}

// fail counts an attempt that has failed, and reports whether it may be repeated.
func (s *tokens) fail() bool {
	if s == nil {
		return true
	}
	for {
		n := s.count.Load()
		left := max(n-1000, 0)
		if s.count.CompareAndSwap(n, left) {
			return left > s.most/2
		}
	}
}
