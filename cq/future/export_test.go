package future

// Watchers is how many functions wait for f.
func Watchers[T any](f *Future[T]) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.watchers)
}
