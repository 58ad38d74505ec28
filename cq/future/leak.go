package future

import "runtime"

// Leak is a sink or stream that was dropped without being closed, while its
// call was in flight. The call is cancelled.
type Leak struct {
	Method string // "/pkg.Service/Method"
	Side   string // "client" or "server"
	End    string // "sink" or "stream"
}

// String is one line for logs.
func (l Leak) String() string {
	return l.Side + " " + l.End + " of " + l.Method + " was dropped without Close; its call is cancelled"
}

// Abandonable is what a handle of the application's stands for.
type Abandonable interface {
	// Abandon cancels the call and reports what was left, or reports false if
	// the handle had been closed or the call had ended.
	Abandon() (Leak, bool)
}

// Guard abandons a when the garbage collector finds that the application has
// dropped handle. a must not lead to handle. Without WithLeakHandler it does
// nothing.
func Guard[H any](s *Station, handle *H, a Abandonable) {
	leaked := s.env.cfg.leaked
	if leaked == nil {
		return
	}
	runtime.AddCleanup(handle, func(a Abandonable) {
		if l, ok := a.Abandon(); ok {
			leaked(l)
		}
	}, a)
}
