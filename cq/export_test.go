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

// Pollers returns how many of the queue's pollers are blocked,
// and how many are not in use.
func (q *Queue) Pollers() (parked, free int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.parked), len(q.free)
}
