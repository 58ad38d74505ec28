package future

// Watchers is how many functions wait for f.
func Watchers[T any](f *Future[T]) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first != nil {
		return 1 + len(f.watchers)
	}
	return len(f.watchers)
}
