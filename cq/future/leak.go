package future

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
