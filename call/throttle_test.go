package call

import (
	"math"
	"sync"
	"testing"

	"github.com/cqrpc/cqrpc"
)

func TestTokens(t *testing.T) {
	s := newTokens(RetryThrottling{MaxTokens: 4, TokenRatio: 0.5466})
	want := func(why string, n int64) {
		t.Helper()
		if got := s.count.Load(); got != n {
			t.Errorf("%s: %d tokens, want %d", why, got, n)
		}
	}
	want("to begin with", 4000)
	s.succeed()
	want("at most", 4000)
	for _, may := range []bool{true, false, false, false, false} {
		if got := s.fail(); got != may {
			t.Errorf("with %d tokens left: %v", s.count.Load(), got)
		}
	}
	want("at least", 0)
	s.succeed()
	want("three places count", 546)
	for range 5 {
		s.succeed()
	}
	if !s.fail() {
		t.Errorf("%d tokens of 4000 are more than half", s.count.Load())
	}
	if got := newTokens(RetryThrottling{MaxTokens: 1, TokenRatio: 0.57}).ratio; got != 570 {
		t.Errorf("0.57 is %d thousandths", got)
	}
	var none *tokens
	none.succeed()
	if !none.fail() {
		t.Error("without tokens nothing is throttled")
	}
}

func TestTokensAreCountedOnce(t *testing.T) {
	s := newTokens(RetryThrottling{MaxTokens: 1000, TokenRatio: 1})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				s.fail()
			}
			for range 100 {
				s.succeed()
			}
		})
	}
	wg.Wait()
	if got := s.count.Load(); got != 600_000 {
		t.Errorf("%d thousandths are left, want 600000", got)
	}
}

func TestValidateRetryThrottling(t *testing.T) {
	for _, good := range []RetryThrottling{{}, {1, 0.001}, {1000, 1e9}} {
		if err := good.Validate(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for _, bad := range []RetryThrottling{{0, 1}, {-1, 1}, {1001, 1}, {1, 0}, {1, -1}, {1, 0.0001}, {1, math.NaN()}} {
		if bad.Validate() == nil {
			t.Errorf("%+v is valid", bad)
		}
	}
}

// retry_throttled: what counts, and that a call whose tokens are used up ends at once. Four
// tokens: the second failure in a row is not repeated.
func TestRetryThrottling(t *testing.T) {
	refusal := func(pairs ...string) func(r *rig) {
		return func(r *rig) { r.refuse("14", pairs...) }
	}
	for _, tt := range []struct {
		name   string
		policy *RetryPolicy
		end    func(r *rig)
		left   int64
	}{
		{"a failure", steady(), refusal(), 3000},
		{"a failure behind headers", steady(), func(r *rig) { r.response(); r.trailers("grpc-status", "14") }, 3000},
		{"a refusal of another attempt", steady(), func(r *rig) { r.refuse("5", "grpc-retry-pushback-ms", "-1") }, 3000},
		{"another failure", steady(), func(r *rig) { r.refuse("5") }, 4000},
		{"an unprocessed attempt", steady(), func(r *rig) { r.closed(refused) }, 4000},
		{"a cancel", steady(), func(r *rig) { r.c.Cancel() }, 4000},
		{"a failure without a policy", nil, refusal(), 4000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			retry(t, tt.policy, func(r *rig) {
				r.startAll()
				tt.end(r)
				if got := r.c.shared().tokens.count.Load(); got != tt.left {
					r.t.Errorf("%d thousandths are left, want %d", got, tt.left)
				}
				r.c.Cancel()
				r.want("over", "all")
			}, throttled)
		})
	}
	t.Run("too many", func(t *testing.T) {
		retry(t, steady(), func(r *rig) {
			st := r.startAll()
			r.refuse("14")
			wait(latest)
			r.wantStreams("more than half is left", 2)
			r.refuse("14", "grpc-retry-pushback-ms", "1")
			r.wantStatus("no more", st, cqrpc.CodeUnavailable, "")
		}, throttled)
	})
	t.Run("a success", func(t *testing.T) {
		retry(t, nil, func(r *rig) {
			r.c.shared().tokens.count.Store(0)
			r.startAll()
			finishOK(r)
			r.want("over", "all")
			if got := r.c.shared().tokens.count.Load(); got != 500 {
				r.t.Errorf("%d thousandths are left, want 500", got)
			}
		}, throttled)
	})
}

func throttled(cfg *Config, _ *fakeOpener) {
	cfg.Settings = NewSettings(Settings{Codec: textCodec{}, RetryThrottling: RetryThrottling{MaxTokens: 4, TokenRatio: 0.5}})
}
