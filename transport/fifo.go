package transport

// fifo is an intrusive queue of streams. A stream is in one queue at a time and
// leaves it when it ends: a queue that a peer keeps from moving must not fill up
// with dead streams.
type fifo struct{ head, tail *Stream }

func (q *fifo) push(s *Stream) {
	s.queue, s.prev, s.next = q, q.tail, nil
	if q.tail == nil {
		q.head = s
	} else {
		q.tail.next = s
	}
	q.tail = s
}

func (q *fifo) pop() *Stream {
	s := q.head
	if s != nil {
		s.unqueue()
	}
	return s
}

// unqueue takes s out of the queue it is in, if any.
func (s *Stream) unqueue() {
	q := s.queue
	if q == nil {
		return
	}
	if s.prev == nil {
		q.head = s.next
	} else {
		s.prev.next = s.next
	}
	if s.next == nil {
		q.tail = s.prev
	} else {
		s.next.prev = s.prev
	}
	s.queue, s.prev, s.next = nil, nil, nil
}
