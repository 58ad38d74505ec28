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
		host("batch"), host("sync"), host("queue"), host("reactor"), host("future"),
	}
)
