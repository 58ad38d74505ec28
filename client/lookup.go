package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/cqrpc/cqrpc/client/resolver"
)

// lookupInterval is the least time from one lookup to the next (C-core
// grpc.dns_min_time_between_resolutions_ms): servers that come and go must not make
// every client ask for names all the time.
const lookupInterval = 30 * time.Second

// lookup makes a resolver find the addresses of a target, from the first ask until it is
// stopped. A resolver that returns is called again: with back-off while there are no
// addresses, else when somebody asks, and until then there is no goroutine.
//
//	resting --ask, due--> searching: wait, Watch --returned, and there are addresses--> resting
//	                          ^         | failed
//	                          +---------+                   any --stop--> stopped
type lookup struct {
	// immutable
	resolver resolver.Resolver
	target   target
	cfg      *config
	tell     func(finding) // called with no lock held
	hurry    chan struct{} // capacity 1: cuts a wait short

	mu sync.Mutex
	// guarded by mu
	search    *task           // calls of the resolver, and the waits between them; nil: none
	watch     *resolver.Watch // the call in progress; nil: none
	hint      *time.Timer     // tells the watch later that somebody has asked; nil: nobody has
	due       *time.Timer     // asks although nobody else does, a while after a call; nil without WithLookupEvery
	isGood    bool            // the call in progress has found addresses
	failures  int             // in a row
	asked     time.Time       // when the resolver was last called or given a hint; zero: never
	latest    finding
	isStopped bool
}

// finding is what a resolver has reported. Those of one lookup may overtake each other;
// one with a lower seq than seen before is out of date.
type finding struct {
	seq       uint64
	addresses []resolver.Address // each once
	err       error              // why there are none; the addresses before hold unless isNone
	isNone    bool               // it is known that there are none
}

func newLookup(t target, cfg *config, tell func(*lookup, finding)) *lookup {
	l := &lookup{resolver: cfg.resolver, target: t, cfg: cfg, hurry: make(chan struct{}, 1)}
	if l.resolver == nil {
		l.resolver = named{t, cfg}
	}
	l.tell = func(f finding) { tell(l, f) }
	return l
}

// named is the resolver of a channel that was given none: it looks up its target with DNS.
type named struct {
	target target
	cfg    *config
}

func (n named) Watch(ctx context.Context, w *resolver.Watch) error {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.backoff.MinConnectTimeout)
	defer cancel()
	found, err := n.target.resolved(ctx, n.cfg.resolve)
	if err != nil {
		return err
	}
	w.Report(found, nil)
	return nil
}

// interval is lookupInterval, or less if the application wants to look up more often.
func (l *lookup) interval() time.Duration {
	if every := l.cfg.lookupEvery; every > 0 {
		return min(every, lookupInterval)
	}
	return lookupInterval
}

// ask asks for the addresses, or whether they are still the same, as soon as
// the interval and the back-off allow.
func (l *lookup) ask() {
	l.mu.Lock()
	var now *resolver.Watch
	switch w := l.watch; {
	case l.isStopped || l.hint != nil:
	case l.search == nil:
		l.search = startTask(l.run)
	case w != nil:
		if wait := time.Until(l.asked.Add(l.interval())); wait > 0 {
			l.hint = time.AfterFunc(wait, func() { l.giveHint(w) })
		} else {
			l.asked, now = time.Now(), w
		}
	}
	l.mu.Unlock()
	if now != nil {
		now.Hint()
	}
}

// giveHint gives the hint that w has waited for, if its call is still in progress.
func (l *lookup) giveHint(w *resolver.Watch) {
	l.mu.Lock()
	isOver := l.watch != w
	if !isOver {
		l.hint, l.asked = nil, time.Now()
	}
	l.mu.Unlock()
	if !isOver {
		w.Hint()
	}
}

// resetBackoff cuts the wait for the next lookup short.
func (l *lookup) resetBackoff() {
	l.mu.Lock()
	l.failures = 0
	l.mu.Unlock()
	cutShort(l.hurry)
}

// stop ends what is in progress, for good.
func (l *lookup) stop() {
	l.mu.Lock()
	search := l.search
	l.isStopped = true
	l.setWatchLocked(nil)
	l.setDueLocked(0)
	l.mu.Unlock()
	if search != nil {
		search.cancel()
	}
}

// setWatchLocked begins a call of the resolver, or with nil ends it.
func (l *lookup) setWatchLocked(w *resolver.Watch) {
	l.watch, l.isGood = w, false
	if l.hint != nil {
		l.hint.Stop()
		l.hint = nil
	}
}

// setDueLocked has the resolver asked again after d, or with zero not before somebody asks.
func (l *lookup) setDueLocked(d time.Duration) {
	if l.due != nil {
		l.due.Stop()
		l.due = nil
	}
	if d > 0 && !l.isStopped { // stop may come while the resolver's answer is handled
		l.due = time.AfterFunc(d, l.ask)
	}
}

// run calls the resolver until there are addresses, or ctx ends.
func (l *lookup) run(ctx context.Context, _ *task) {
	hasExited := true
	defer func() {
		if hasExited && !l.conclude(ctx, errResolverExited) {
			l.mu.Lock()
			defer l.mu.Unlock()
			if !l.isStopped {
				l.search = startTask(l.run) // this goroutine ends: runtime.Goexit in the resolver
			}
		}
	}()
	for pause(ctx, l.untilNext(), l.hurry) {
		err := l.call(ctx)
		if l.conclude(ctx, err) {
			break
		}
	}
	hasExited = false
}

// untilNext is how long to wait before the next call of the resolver.
func (l *lookup) untilNext() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	wait := l.interval()
	if l.failures > 0 {
		wait = l.cfg.backoff.delay(l.failures, rand.Float64())
	}
	return time.Until(l.asked.Add(wait))
}

var (
	errResolverPanicked = errors.New("panic in resolver")
	errResolverExited   = errors.New("resolver has ended its goroutine")
	errNothingReported  = errors.New("the resolver has reported nothing")
	errNoAddresses      = errors.New("the name has no addresses")
)

// call calls the resolver once.
func (l *lookup) call(ctx context.Context) (err error) {
	var w *resolver.Watch
	w = resolver.NewWatch(l.target.text, func(found []resolver.Address, err error) { l.report(w, found, err) })
	l.mu.Lock()
	if !l.isStopped {
		l.setWatchLocked(w)
	}
	l.asked = time.Now()
	l.mu.Unlock()
	hasReturned := false
	defer func() {
		if hasReturned {
			return
		}
		if v := recover(); v != nil { // else runtime.Goexit: nobody gets what is returned
			l.cfg.alarm().Error("channel: panic in resolver",
				"target", l.target.text, "panic", v, "stack", string(debug.Stack()))
			err = errResolverPanicked // the value may hold secrets
		}
	}()
	err = l.resolver.Watch(ctx, w)
	hasReturned = true
	return err
}

// report takes what the resolver says while w is its watch.
func (l *lookup) report(w *resolver.Watch, found []resolver.Address, err error) {
	f := finding{err: err}
	if err == nil {
		f.addresses = distinct(found)
		if f.isNone = len(found) == 0; f.isNone {
			f.err = errNoAddresses
		}
	}
	if f.err != nil {
		f.err = naming(l.target.address, "resolve "+l.target.address, f.err)
	}
	l.mu.Lock()
	if l.watch != w {
		l.mu.Unlock()
		return
	}
	f.seq = l.latest.seq + 1
	l.latest, l.isGood = f, l.isGood || f.err == nil
	l.mu.Unlock()
	if f.err != nil {
		l.cfg.log.Warn("channel: no addresses", "target", l.target.text, "error", f.err)
	}
	l.tell(f)
}

// distinct returns each address once, with its network filled in.
func distinct(found []resolver.Address) []resolver.Address {
	all := make([]resolver.Address, 0, len(found))
	for _, a := range found {
		if a.Network == "" {
			a.Network = "tcp"
		}
		if !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

// conclude handles the end, with err, of a call of the resolver. It reports whether that is
// all until somebody asks; somebody may have asked during the call.
func (l *lookup) conclude(ctx context.Context, err error) (isAll bool) {
	if ctx.Err() != nil {
		return true
	}
	l.mu.Lock()
	w, hasReported, isStopped := l.watch, l.latest.seq > 0, l.isStopped
	l.mu.Unlock()
	switch {
	case isStopped:
		return true
	case err != nil:
		l.report(w, nil, err)
	case !hasReported:
		l.report(w, nil, errNothingReported)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isGood && time.Since(l.asked) > lookupInterval { // it worked, for a while
		l.failures = 0
	}
	isAsked := l.hint != nil
	l.setWatchLocked(nil)
	if l.latest.err != nil {
		l.failures++
		return false
	}
	l.failures = 0
	if !isAsked {
		l.search = nil
		l.setDueLocked(l.cfg.lookupEvery)
	}
	return !isAsked
}
