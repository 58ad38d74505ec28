package reaction

import (
	"sync"

	"github.com/cqrpc/cqrpc/cq"
)

// Harvest finalizes a batch that completed on a view, and returns its OK.
func Harvest(f cq.Finalizer, ok bool) bool {
	ev := events.Get().(*cq.Event)
	ev.OK = ok
	f.Finalize(ev)
	ok = ev.OK
	*ev = cq.Event{}
	events.Put(ev)
	return ok
}

// events are for Harvest: one on the stack would not stay there.
var events = sync.Pool{New: func() any { return new(cq.Event) }}
