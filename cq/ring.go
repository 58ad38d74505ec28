package cq

// maxIdleRing is the capacity, in entries, above which an emptied ring gives
// its memory back: one burst must not pin memory for the life of the queue.
const maxIdleRing = 4096

// ring is a growing first-in first-out buffer. The zero value is empty and
// holds no memory, so creating a queue costs nothing but its struct. Slots
// that hold no entry are zero, so nothing taken stays reachable.
type ring[T any] struct {
	slots []T // length is zero or a power of two
	head  int
	n     int
}

func (r *ring[T]) len() int { return r.n }

// at returns entry i, counted from the oldest.
func (r *ring[T]) at(i int) *T { return &r.slots[(r.head+i)&(len(r.slots)-1)] }

func (r *ring[T]) push(v T) {
	if r.n == len(r.slots) {
		r.grow()
	}
	*r.at(r.n) = v
	r.n++
}

// pushFront adds v as the oldest entry.
func (r *ring[T]) pushFront(v T) {
	if r.n == len(r.slots) {
		r.grow()
	}
	r.head = (r.head - 1) & (len(r.slots) - 1)
	r.n++
	*r.at(0) = v
}

// pop removes the oldest entry; the ring must not be empty.
func (r *ring[T]) pop() T {
	p := r.at(0)
	v := *p
	var zero T
	*p = zero
	r.dropHead()
	return v
}

// remove takes out entry i, moving the older ones up: Pluck mostly finds its
// tag near the old end.
func (r *ring[T]) remove(i int) T {
	v := *r.at(i)
	for ; i > 0; i-- {
		*r.at(i) = *r.at(i - 1)
	}
	var zero T
	*r.at(0) = zero
	r.dropHead()
	return v
}

func (r *ring[T]) dropHead() {
	r.head = (r.head + 1) & (len(r.slots) - 1)
	r.n--
	if r.n == 0 && len(r.slots) > maxIdleRing {
		*r = ring[T]{}
	}
}

func (r *ring[T]) grow() {
	slots := make([]T, max(8, 2*len(r.slots)))
	k := copy(slots, r.slots[r.head:])
	copy(slots[k:], r.slots[:r.head])
	r.slots, r.head = slots, 0
}
