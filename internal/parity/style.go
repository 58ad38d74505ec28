package parity

// Callers and Hosts are the styles of this library. Read only.
var (
	Callers = []CallerKind{
		{Name: "batch", Dial: dialBatch},
		{Name: "sync", Dial: dialSync},
		{Name: "queue", Dial: dialQueue},
		{Name: "reactor", Dial: dialReactor},
		{Name: "future", Dial: dialFuture},
	}
	Hosts = []HostKind{
		{Name: "batch", Serve: serveBatch},
		{Name: "sync", Serve: serveSync},
		{Name: "queue", Serve: serveQueue},
		{Name: "reactor", Serve: serveReactor},
		{Name: "future", Serve: serveFuture},
	}
)
