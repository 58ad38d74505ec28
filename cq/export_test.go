package cq

// Ready returns the number of completions not harvested.
func (q *Queue) Ready() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ready.len()
}

// Awake returns the number of pollers woken that have not looked since.
func (q *Queue) Awake() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.awake
}

// CompleteAndOffer ends an operation and offers s before any poller can look at either.
func (q *Queue) CompleteAndOffer(c Completion, s Source) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ready.push(c)
	q.endLocked(1, false)
	return q.offerLocked(s)
}

// Pollers returns how many of the queue's pollers are blocked,
// and how many are not in use.
func (q *Queue) Pollers() (parked, free int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.parked), len(q.free)
}
