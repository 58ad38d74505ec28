package call

import (
	"sync"
	"sync/atomic"

	"github.com/cqrpc/cqrpc/frame"
)

// sharedLists are the header lists that calls with the same Settings send again
// and again: made once, and encoded once for each connection. A call extends them by
// what is particular to it.
type sharedLists struct {
	mu    sync.Mutex                                    // of who adds one
	lists atomic.Pointer[map[listKey]*frame.HeaderList] // replaced when one is added
}

// listKey is what a shared list depends on. Codec and compressor are part of it, because
// a call's own Settings, a copy of the channel's, may differ from these in both.
type listKey struct {
	path, authority string // of a request
	subtype         string // content-subtype
	encoding        string // grpc-encoding, or none
}

// maxLists bounds the lists: peers may choose methods and content-types.
const maxLists = 256

// get returns the list of k, which fill fills if it is new.
func (s *sharedLists) get(k listKey, fill func(*frame.HeaderList)) *frame.HeaderList {
	if m := s.lists.Load(); m != nil {
		if l := (*m)[k]; l != nil {
			return l
		}
	}
	draft := frame.NewHeaderList()
	fill(draft)
	l := frame.ShareHeaderList(draft)
	draft.Free()
	s.add(k, l)
	return l
}

func (s *sharedLists) add(k listKey, l *frame.HeaderList) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var old map[listKey]*frame.HeaderList
	if m := s.lists.Load(); m != nil {
		old = *m
	}
	if len(old) >= maxLists {
		old = nil
	}
	next := make(map[listKey]*frame.HeaderList, len(old)+1)
	for k, l := range old {
		next[k] = l
	}
	next[k] = l
	s.lists.Store(&next)
}
