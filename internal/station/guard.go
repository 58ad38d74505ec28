package station

import "runtime"

// Leak is future.Leak.
type Leak struct{ Method, Side, End string }

// Abandonable is what a handle of the application's stands for.
type Abandonable interface {
	// Abandon cancels the call and reports what was left, or reports false if
	// the handle had been closed or the call had ended.
	Abandon() (Leak, bool)
}

// Guard abandons a when the garbage collector finds that the application has
// dropped handle. a must not lead to handle. Without Hooks.Leaked it does
// nothing.
func Guard[H any](s *Station, handle *H, a Abandonable) {
	leaked := s.hooks.Leaked
	if leaked == nil {
		return
	}
	runtime.AddCleanup(handle, func(a Abandonable) {
		if l, ok := a.Abandon(); ok {
			leaked(l)
		}
	}, a)
}
