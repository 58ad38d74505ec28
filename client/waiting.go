package client

import (
	"container/list"

	"github.com/cqrpc/cqrpc/call"
)

// waitList is the calls that wait for a connection, first come first served.
type waitList struct {
	order *list.List // of *call.Call
	index map[*call.Call]*list.Element
}

func (w *waitList) init() {
	w.order = list.New()
	w.index = make(map[*call.Call]*list.Element)
}

func (w *waitList) len() int { return w.order.Len() }

func (w *waitList) add(c *call.Call) {
	if _, there := w.index[c]; !there {
		w.index[c] = w.order.PushBack(c)
	}
}

func (w *waitList) remove(c *call.Call) {
	if e, there := w.index[c]; there {
		w.order.Remove(e)
		delete(w.index, c)
	}
}

// takeAll empties the list.
func (w *waitList) takeAll() []*call.Call {
	return w.take(func(*call.Call) bool { return true })
}

// takeFailFast takes the calls that do not wait for ready.
func (w *waitList) takeFailFast() []*call.Call {
	return w.take(func(c *call.Call) bool { return !c.WaitsForReady() })
}

func (w *waitList) take(want func(*call.Call) bool) []*call.Call {
	var taken []*call.Call
	for e := w.order.Front(); e != nil; {
		next := e.Next()
		if c := e.Value.(*call.Call); want(c) {
			taken = append(taken, c)
			w.order.Remove(e)
			delete(w.index, c)
		}
		e = next
	}
	return taken
}
