package server

// lineup is where calls and requests for them wait for each other: requests in
// one line per queue, calls in one line for all. At most one of the two kinds
// waits at any time. It decides and does nothing else; the matcher acts.
type lineup struct {
	requests []requestLine // by index of the queue, grown on demand
	waiting  int           // requests in all lines
	pending  callLine
	turn     int // the queue whose turn it is
}

// takeRequest returns the oldest request of the first queue, cyclically from
// the one with index start, that has one; nil if there is none.
func (l *lineup) takeRequest(start int) *request {
	n := len(l.requests)
	if l.waiting == 0 {
		return nil
	}
	if start >= n { // of the queues that follow none has ever asked
		start = 0
	}
	for i := range n {
		at := (start + i) % n
		if r := l.requests[at].pop(); r != nil {
			l.waiting--
			l.turn = at + 1
			return r
		}
	}
	panic("BUG: server: requests were counted that are in no line")
}

// addRequest puts a request at the end of its queue's line.
func (l *lineup) addRequest(r *request) {
	for len(l.requests) <= r.queue {
		l.requests = append(l.requests, requestLine{})
	}
	l.requests[r.queue].push(r)
	l.waiting++
}

// takeAllRequests empties the lines, queue by queue.
func (l *lineup) takeAllRequests() []*request {
	all := make([]*request, 0, l.waiting)
	for i := range l.requests {
		for r := l.requests[i].pop(); r != nil; r = l.requests[i].pop() {
			all = append(all, r)
		}
	}
	l.waiting = 0
	return all
}

// requestLine is an intrusive FIFO.
type requestLine struct{ head, tail *request }

func (q *requestLine) push(r *request) {
	r.next = nil
	if q.tail == nil {
		q.head = r
	} else {
		q.tail.next = r
	}
	q.tail = r
}

func (q *requestLine) pop() *request {
	r := q.head
	if r == nil {
		return nil
	}
	q.head, r.next = r.next, nil
	if q.head == nil {
		q.tail = nil
	}
	return r
}

// callLine is an intrusive FIFO whose members can leave at any place: calls
// die while they wait.
type callLine struct{ head, tail *arrival }

func (q *callLine) push(a *arrival) {
	a.prev, a.next, a.isPending = q.tail, nil, true
	if q.tail == nil {
		q.head = a
	} else {
		q.tail.next = a
	}
	q.tail = a
}

// remove takes a out of the line it is in.
func (q *callLine) remove(a *arrival) {
	if a.prev == nil {
		q.head = a.next
	} else {
		a.prev.next = a.next
	}
	if a.next == nil {
		q.tail = a.prev
	} else {
		a.next.prev = a.prev
	}
	a.prev, a.next, a.isPending = nil, nil, false
}
