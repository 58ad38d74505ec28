package client

import (
	"container/list"

	"github.com/cqrpc/cqrpc/call"
)

// waitList is the calls that wait for a connection, first come first served.
type waitList struct {
	order *list.List // of waitingCall
	index map[*call.Call]*list.Element
}

// waitingCall is one of them. Whether it waits for ready is noted here because asking
// the call takes its lock, and locks do not nest.
type waitingCall struct {
	call     *call.Call
	forReady bool
}

func (w *waitList) init() {
	w.order = list.New()
	w.index = make(map[*call.Call]*list.Element)
}

func (w *waitList) len() int { return w.order.Len() }

func (w *waitList) add(c waitingCall) {
	if _, there := w.index[c.call]; !there {
		w.index[c.call] = w.order.PushBack(c)
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
	return w.take(func(waitingCall) bool { return true })
}

// takeFailFast takes the calls that do not wait for ready.
func (w *waitList) takeFailFast() []*call.Call {
	return w.take(func(c waitingCall) bool { return !c.forReady })
}

func (w *waitList) take(want func(waitingCall) bool) []*call.Call {
	var taken []*call.Call
	for e := w.order.Front(); e != nil; {
		next := e.Next()
		if c := e.Value.(waitingCall); want(c) {
			taken = append(taken, c.call)
			w.order.Remove(e)
			delete(w.index, c.call)
		}
		e = next
	}
	return taken
}
