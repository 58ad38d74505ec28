package future

// Values returns a function that gives the elements of s one after the other,
// and then false: what SendFrom of a sink takes. It is for one goroutine at a
// time, and looks at s as it goes.
func Values[T any](s []T) func() (T, bool) {
	return func() (v T, ok bool) {
		if ok = len(s) > 0; ok {
			v, s = s[0], s[1:]
		}
		return v, ok
	}
}
