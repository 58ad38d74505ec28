package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/internal/ledger"
)

const (
	// roundLength is how long calls are made between two audits.
	roundLength = 5 * time.Second
	// perCaller is how many calls each caller makes at a time.
	perCaller = 4
	// hang is when a call counts as lost: much later than its deadline.
	hang = time.Minute
)

// run is one soak.
type run struct {
	seed  uint64
	logf  func(format string, args ...any)
	book  ledger.Book
	site  *site
	party []*guest

	ends [17]atomic.Int64 // calls, by code

	mu sync.Mutex
	// guarded by mu
	wrong []error
}

// soak makes rounds of calls until the time is over, and returns the first
// violations.
func soak(d time.Duration, seed uint64, logf func(format string, args ...any)) error {
	r := &run{seed: seed, logf: logf}
	rnd := rand.New(rand.NewPCG(seed, 0))
	var err error
	if r.site, err = newSite(&r.book, seed); err != nil {
		return err
	}
	if err := r.invite(); err != nil {
		return err
	}
	var first footprint
	until := time.Now().Add(d)
	for n := 1; time.Now().Before(until); n++ {
		length := min(roundLength, time.Until(until))
		if err := r.round(rnd.Uint64(), length); err != nil {
			return err
		}
		f := measure()
		logf("round %d: %v; %v; %v", n, r.tally(), &r.book, f)
		if n == 1 {
			first = f
		}
		if err := f.compare(first); err != nil {
			return err
		}
	}
	for _, g := range r.party {
		if err := g.caller.Close(); err != nil {
			return fmt.Errorf("close of the client %s: %w", g.style, err)
		}
	}
	return errors.Join(r.site.close(), r.book.Audit())
}

// round makes calls for a while, lets everything end, and audits.
func (r *run) round(seed uint64, length time.Duration) error {
	rnd := rand.New(rand.NewPCG(seed, 1))
	if err := r.site.openRoad(rnd.Uint64()); err != nil {
		return err
	}
	stop := make(chan struct{})
	var calls, others sync.WaitGroup
	for _, g := range r.party {
		for range perCaller {
			rnd := rand.New(rand.NewPCG(rnd.Uint64(), 2))
			calls.Go(func() {
				for !isClosed(stop) && !r.hasFailed() {
					r.call(g, rnd)
				}
			})
		}
	}
	restarts := rand.New(rand.NewPCG(rnd.Uint64(), 3))
	others.Go(func() {
		if err := r.site.restartAtTimes(restarts, stop); err != nil {
			r.violation(err)
		}
	})
	time.Sleep(length)
	close(stop)
	if !within(hang, calls.Wait) {
		return fmt.Errorf("calls hang:\n%s", stacks())
	}
	others.Wait()
	r.site.closeRoad()
	var failure error
	if !within(hang, func() { failure = r.site.settle() }) {
		return fmt.Errorf("the server does not come to rest: %v\n%s", r.site, stacks())
	}
	r.mu.Lock()
	wrong := errors.Join(r.wrong...)
	r.mu.Unlock()
	return errors.Join(wrong, failure, r.book.Audit())
}

// violation notes what must not be.
func (r *run) violation(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, err)
}

func (r *run) hasFailed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.wrong) > 0
}

// tally is how calls have ended so far.
func (r *run) tally() string {
	s := "calls"
	for c := range r.ends {
		if n := r.ends[c].Load(); n > 0 {
			s += fmt.Sprintf(" %v %d", cqrpc.Code(c), n)
		}
	}
	return s
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// within reports whether f returns in time.
func within(d time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
		return true
	case <-time.After(d):
		return false
	}
}
