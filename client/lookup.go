package client

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// lookupInterval is the least time from one lookup to the next (C-core
// grpc.dns_min_time_between_resolutions_ms): servers that come and go must not make
// every client ask for names all the time.
const lookupInterval = 30 * time.Second

// lookup finds the addresses of a target when somebody asks, with back-off until there
// are some. It has no goroutine while nobody asks.
type lookup struct {
	// immutable
	target target
	cfg    *config
	hurry  chan struct{} // capacity 1: cuts a wait short

	mu sync.Mutex
	// guarded by mu
	search    *effort   // lookups, and the waits between them; nil: none
	failures  int       // in a row
	started   time.Time // the latest; zero: never
	isStopped bool
}

func newLookup(t target, cfg *config) *lookup {
	return &lookup{target: t, cfg: cfg, hurry: make(chan struct{}, 1)}
}

// ask begins a search for addresses, unless one is in progress: it looks up as soon as
// lookupInterval and the back-off allow. tell is called with what was found, with no lock
// held, and decides whether that is enough.
func (l *lookup) ask(tell func(addresses []string, err error) (isEnough bool)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.search != nil || l.isStopped {
		return
	}
	l.search = newEffort(func(ctx context.Context, _ *effort) { l.run(ctx, tell) })
}

// resetBackoff lets what waits look up now.
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
	l.mu.Unlock()
	if search != nil {
		search.giveUp()
	}
}

// run looks up until tell has heard enough, or ctx ends.
func (l *lookup) run(ctx context.Context, tell func([]string, error) bool) {
	for pause(ctx, l.untilNext(), l.hurry) {
		addresses, err := l.try(ctx)
		if ctx.Err() != nil {
			return
		}
		if tell(addresses, err) {
			l.mu.Lock()
			l.search = nil
			l.mu.Unlock()
			return
		}
	}
}

// untilNext is how long to wait, from the start of the latest.
func (l *lookup) untilNext() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	wait := lookupInterval
	if l.failures > 0 {
		wait = l.cfg.backoff.delay(l.failures, rand.Float64())
	}
	return time.Until(l.started.Add(wait))
}

// try looks up once, and gives each address once.
func (l *lookup) try(ctx context.Context) ([]string, error) {
	l.mu.Lock()
	l.started = time.Now()
	l.failures++
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, l.cfg.backoff.MinConnectTimeout)
	defer cancel()
	found, err := l.target.addresses(ctx, l.cfg.resolve)
	if err != nil {
		l.cfg.logger.Warn("channel: no addresses", "target", l.target.text, "error", err)
		return nil, err
	}
	l.mu.Lock()
	l.failures = 0
	l.mu.Unlock()
	var once []string
	for _, address := range found {
		if !slices.Contains(once, address) {
			once = append(once, address)
		}
	}
	return once, nil
}
