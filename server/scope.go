package server

import (
	"slices"
	"sync/atomic"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
)

// scope is the context that the filters of a call begin with: the call's Context,
// without the values that filters add. In the queue style the application's Context
// comes later, so the scope has a Context of its own until then.
type scope struct {
	*Context

	application atomic.Pointer[Context] // what SetHeader and the like act on
}

// scopeKey is the key under which a derived context finds its scope.
type scopeKey struct{}

// admit runs the server's filters.
func (c *Context) admit(s *Server) *cqrpc.Error {
	if len(s.cfg.filters) == 0 {
		return nil
	}
	sc := &scope{Context: c}
	sc.application.Store(c)
	return c.call.Admit(sc)
}

// Value implements context.Context.
func (s *scope) Value(key any) any {
	switch key {
	case contextKey{}:
		return s.application.Load()
	case scopeKey{}:
		return s
	}
	return nil
}

// move makes c, which is bound, the Context of the application, with what filters have
// set. What goroutines of filters set later goes there, too.
func (s *scope) move(c *Context) {
	s.application.Store(c)
	s.mu.Lock()
	hasBegun, header, trailer := s.begun, s.seeLocked().header, s.seeLocked().trailer
	s.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.begun = c.begun || hasBegun
	if len(header)+len(trailer) > 0 {
		more := c.moreLocked()
		more.header = append(slices.Clip(header), more.header...)
		more.trailer = append(slices.Clip(trailer), more.trailer...)
	}
}

// relay ends the context of filters with the call, or with the application's.
type relay struct {
	ctx   *Context
	ended cq.Completer // may be nil
}

// Begin implements cq.Completer for OnEnd and StyleContext.Bind, which do not call it.
func (r *relay) Begin() bool { return true }

// Complete implements cq.Completer.
func (r *relay) Complete(c cq.Completion) {
	r.ctx.end()
	if r.ended != nil {
		r.ended.Complete(c)
	}
}
