package client

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cqrpc/cqrpc/client/resolver"
	"github.com/cqrpc/cqrpc/transport"
)

// rotation keeps several connections, among which a picker chooses for each call: to each address
// of its target with round_robin (gRPC load-balancing.md) and least_request (gRFC A48), else to the
// target as a whole. It also keeps the one connection of a channel that has a resolver to follow.
//
//	lookup --addresses--> rotation
//	                       |  |  |
//	                    members, each with a
//	            subchannel to one address, or to any
//
// While the rotation is awake, a lost connection is made anew at once, or after the
// back-off of its subchannel.
type rotation struct {
	// immutable
	sharedParts

	target  target
	watcher func(update)   // called with no lock held
	turn    *atomic.Uint64 // shared by all its pickers

	mu sync.Mutex
	// guarded by mu
	state     rotationState
	lookup    *lookup            // awake only; nil: subchannels find their addresses themselves
	addresses []resolver.Address // by the lookup
	found     uint64             // the latest finding
	obstacle  error              // the latest finding's, if it has no addresses
	members   []*member          // awake only; the first of each address, the second of each, …
	seq       uint64             // of the latest update
}

// rotationState says whether there are members.
//
//	asleep --connect--> awake --idle--> asleep      any --close--> ended
type rotationState uint8

const (
	asleep rotationState = iota
	awake
	ended
)

// to reports whether it has changed the state.
func (s *rotationState) to(next rotationState) bool {
	if *s == ended || *s == next {
		return false
	}
	*s = next
	return true
}

// member is one place in a rotation.
type member struct {
	// immutable
	sub *subchannel

	// guarded by rotation.mu
	addresses []resolver.Address // one, or with pick_first all; nil: sub finds them
	latest    update             // of sub, with Connecting for Idle; Connecting before the first one
	isGone    bool
}

func newRotation(t target, all sharedParts, watcher func(update)) *rotation {
	r := &rotation{sharedParts: all, target: t, watcher: watcher, turn: new(atomic.Uint64)}
	r.turn.Store(uint64(rand.Uint32())) // clients that start together must not all begin with the same server
	return r
}

// connect wakes the rotation up.
func (r *rotation) connect() {
	r.mu.Lock()
	if !r.state.to(awake) {
		r.mu.Unlock()
		return
	}
	if r.cfg.balancing.isToEach() || r.cfg.resolver != nil {
		r.lookup = newLookup(r.target, r.cfg, r.onFinding)
		r.mu.Unlock()
		r.ask()
		return
	}
	c := r.settleLocked([][]resolver.Address{nil})
	r.mu.Unlock()
	c.carryOut()
}

// ask starts a lookup of the addresses: the first, and when they may have changed. Without
// a lookup each subchannel finds its addresses itself.
func (r *rotation) ask() {
	r.mu.Lock()
	l := r.lookup
	r.mu.Unlock()
	if l != nil {
		l.ask()
	}
}

// onFinding changes to the addresses that l has found. If the latest lookup has failed, the
// addresses before stay.
func (r *rotation) onFinding(l *lookup, f finding) {
	r.mu.Lock()
	if r.lookup != l || f.seq <= r.found {
		r.mu.Unlock()
		return
	}
	r.found = f.seq
	if f.err == nil && r.obstacle == nil && slices.Equal(f.addresses, r.addresses) {
		r.mu.Unlock()
		return
	}
	var c changes
	if r.obstacle = f.err; f.err == nil || f.isNone {
		r.addresses = f.addresses
		c = r.settleLocked(r.placesLocked())
	}
	u := r.aggregateLocked()
	r.mu.Unlock()
	r.watcher(u)
	c.carryOut()
}

// placesLocked are what members are for: one address each, or with pick_first all.
func (r *rotation) placesLocked() [][]resolver.Address {
	switch {
	case len(r.addresses) == 0:
		return nil
	case !r.cfg.balancing.isToEach():
		return [][]resolver.Address{r.addresses}
	}
	return slices.Collect(slices.Chunk(r.addresses, 1))
}

// changes are the members that are to connect, to move or to leave, because of a finding.
type changes struct {
	fresh, moved, gone []*member
	places             []resolver.Address // where to move
	found              uint64
}

// carryOut is to be called with no lock held.
func (c *changes) carryOut() {
	for _, m := range c.fresh {
		m.sub.connect()
	}
	for _, m := range c.moved {
		m.sub.move(c.found, c.places)
	}
	for _, m := range c.gone {
		m.sub.retire()
	}
}

// settleLocked makes the members those of places. It returns what that changes.
func (r *rotation) settleLocked(places [][]resolver.Address) changes {
	c := changes{places: r.addresses, found: r.found}
	var members []*member
	for i := range r.cfg.connections {
		for _, place := range places {
			m := r.memberLocked(place, i)
			switch {
			case m == nil:
				m = r.newMember(place)
				c.fresh = append(c.fresh, m)
			case !slices.Equal(m.addresses, place):
				m.addresses = place
				c.moved = append(c.moved, m)
			}
			members = append(members, m)
		}
	}
	for _, m := range r.members {
		if m.isGone = !slices.Contains(members, m); m.isGone {
			c.gone = append(c.gone, m)
		}
	}
	r.members = members
	return c
}

// memberLocked is the i-th member for a place, or nil. With pick_first there is only one
// place, whatever its addresses are.
func (r *rotation) memberLocked(place []resolver.Address, i int) *member {
	for _, m := range r.members {
		if !r.cfg.balancing.isToEach() || slices.Equal(m.addresses, place) {
			if i == 0 {
				return m
			}
			i--
		}
	}
	return nil
}

func (r *rotation) newMember(place []resolver.Address) *member {
	m := &member{addresses: place, latest: update{state: Connecting}}
	m.sub = newSubchannel(r.target, place, r.sharedParts, func(u update) { r.onUpdate(m, u) })
	return m
}

// onUpdate follows a subchannel. It runs on its goroutines.
func (r *rotation) onUpdate(m *member, u update) {
	r.mu.Lock()
	if m.isGone || u.seq <= m.latest.seq {
		r.mu.Unlock()
		return
	}
	isLost := u.state == Idle
	if isLost {
		u.state = Connecting
	}
	m.latest = u
	all := r.aggregateLocked()
	r.mu.Unlock()

	r.watcher(all)
	if isLost {
		m.sub.connect()
	}
	if u.state != Ready && !errors.Is(u.err, errMoved) {
		r.ask()
	}
}

// aggregateLocked is the state of the whole: READY if any member is, else CONNECTING if
// any is, else TRANSIENT_FAILURE (gRPC load-balancing.md, round_robin). A member stays in
// TRANSIENT_FAILURE until it is READY, as subchannels do.
func (r *rotation) aggregateLocked() update {
	r.seq++
	u := update{seq: r.seq, state: TransientFailure}
	if len(r.members) == 0 && r.obstacle == nil {
		u.state = Connecting // the first lookup
	}
	var ready several
	for _, m := range r.members {
		switch m.latest.state {
		case Ready:
			ready = append(ready, m.latest.pick.(single))
		case Connecting:
			u.state = Connecting
		}
	}
	switch {
	case len(ready) > 0:
		u.state, u.pick = Ready, r.picker(ready)
	case u.state == TransientFailure:
		u.err = r.failureLocked()
	}
	return u
}

// picker chooses among connections as the channel's policy says.
func (r *rotation) picker(conns several) picker {
	if r.cfg.balancing == LeastRequest {
		return &leastRequest{conns}
	}
	return &roundRobin{conns, r.turn}
}

// failureLocked tells of each address. All connections to one fail alike: the first is enough.
func (r *rotation) failureLocked() error {
	if len(r.members) == 0 {
		return r.obstacle
	}
	first := r.members[:len(r.members)/r.cfg.connections]
	if len(first) == 1 {
		return first[0].latest.err
	}
	addresses, errs := make([]string, len(first)), make([]error, len(first))
	for i, m := range first {
		addresses[i], errs[i] = m.addresses[0].Addr, m.latest.err
	}
	return r.target.failure(addresses, errs)
}

// resetBackoff cuts the back-offs of the lookup and all members short.
func (r *rotation) resetBackoff() {
	r.mu.Lock()
	l, members := r.lookup, slices.Clone(r.members)
	r.mu.Unlock()
	if l != nil {
		l.resetBackoff()
	}
	for _, m := range members {
		m.sub.resetBackoff()
	}
}

// release passes on to the subchannel that the connection belongs to.
func (r *rotation) release(conn *transport.Conn, cause error) {
	r.mu.Lock()
	var sub *subchannel
	for _, m := range r.members {
		if m.latest.pick != nil && m.latest.pick.without(conn) == nil {
			sub = m.sub
		}
	}
	r.mu.Unlock()
	if sub != nil {
		sub.release(conn, cause)
	}
}

// idle drains all connections and ends all attempts; the next connect begins anew.
func (r *rotation) idle() {
	gone, u := r.leave(asleep)
	if u.seq == 0 {
		return
	}
	r.watcher(u)
	for _, m := range gone {
		m.sub.retire()
	}
}

// close ends all attempts.
func (r *rotation) close() {
	gone, _ := r.leave(ended)
	for _, m := range gone {
		m.sub.close()
	}
}

// leave ends what there is only while awake: the lookup, and the members, which the caller has
// to end. u is what to tell the channel; its seq is 0 if nothing has changed.
func (r *rotation) leave(next rotationState) (gone []*member, u update) {
	r.mu.Lock()
	if !r.state.to(next) {
		r.mu.Unlock()
		return nil, u
	}
	l := r.lookup
	gone = r.members
	for _, m := range gone {
		m.isGone = true
	}
	r.lookup, r.members, r.addresses, r.found, r.obstacle = nil, nil, nil, 0, nil
	r.seq++
	u = update{seq: r.seq, state: Idle, err: errIdle}
	r.mu.Unlock()
	if l != nil {
		l.stop()
	}
	return gone, u
}
