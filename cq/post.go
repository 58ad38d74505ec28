package cq

// Post adds an event of the application's own, with the given tag and OK, as
// if an operation had begun and ended. It returns ErrShutdown, and adds
// nothing, if the queue is finished. Any goroutine may call it.
func (q *Queue) Post(tag Tag, ok bool) error {
	if !q.Begin() {
		return ErrShutdown
	}
	q.Complete(Completion{Tag: tag, OK: ok})
	return nil
}
