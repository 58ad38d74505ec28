package health

import (
	"github.com/cqrpc/cqrpc"
	pb "github.com/cqrpc/cqrpc/internal/gen/healthpb"
	"github.com/cqrpc/cqrpc/internal/lasting"
	"github.com/cqrpc/cqrpc/server/reactor"
)

// maxName bounds, in bytes, what a client makes us remember: the name of a service
// that it watches and nobody has set.
const maxName = 1024

// watcher is a client's Watch: it writes what it has not told yet, one message at a
// time, and what is set meanwhile is told by the next.
//
//	       join, beginLocked               written, it has changed
//	silent ──────────────────► writing ──────────────────────────► writing
//	   ▲                          │
//	   └─── written, and told ────┘
type watcher struct {
	reactor.WriteBase[pb.HealthCheckResponse]

	// immutable
	server  *Server
	among   *lasting.Calls // of the server.Server that it is a call of
	name    string
	service *service // nil: it was refused

	// guarded by Server.mu
	told      Status
	isWriting bool
}

// watch serves a Watch.
func (s *Server) watch(among *lasting.Calls, req *pb.HealthCheckRequest) *watcher {
	w := &watcher{server: s, among: among, name: req.GetService()}
	req.Reset() // it lives as long as the call does, with all that the client has put into it
	if status, ok := s.join(w); ok {
		w.StartWrite(response(status))
		among.Add(w)
	} else {
		w.Finish(cqrpc.Status{Code: cqrpc.CodeInvalidArgument, Message: "the name of the service is too long"})
	}
	return w
}

// join adds a watcher and returns what to tell it at once, or reports false.
func (s *Server) join(w *watcher) (Status, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.services[w.name] == nil && len(w.name) > maxName {
		return 0, false
	}
	v := s.serviceLocked(w.name)
	if v.watchers == nil {
		v.watchers = make(map[*watcher]struct{})
	}
	v.watchers[w] = struct{}{}
	w.service, w.told, w.isWriting = v, v.status, true
	return v.status, true
}

// beginLocked reports whether to write the status now, which the caller does when it
// has unlocked.
func (w *watcher) beginLocked() bool {
	if w.isWriting || w.told == w.service.status {
		return false
	}
	w.told, w.isWriting = w.service.status, true
	return true
}

// tell writes a status to watchers that have begun to write it. The message is one for
// all: it is only read.
func tell(due []*watcher, status Status) {
	if len(due) == 0 {
		return
	}
	m := response(status)
	for _, w := range due {
		w.StartWrite(m)
	}
}

// OnWriteDone implements reactor.WriteReactor.
func (w *watcher) OnWriteDone(ok bool) {
	if !ok {
		return // nothing can be written any more, and isWriting, which stays, keeps others from trying
	}
	w.server.mu.Lock()
	w.isWriting = false
	isDue, status := w.beginLocked(), w.told
	w.server.mu.Unlock()
	if isDue {
		w.StartWrite(response(status))
	}
}

// OnDone implements reactor.Reactions: it comes last, however the call ended.
func (w *watcher) OnDone() {
	if w.service == nil {
		return
	}
	w.among.Remove(w)
	w.server.mu.Lock()
	defer w.server.mu.Unlock()
	delete(w.service.watchers, w)
	w.server.tidyLocked(w.name, w.service)
}
