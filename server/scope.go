package server

import (
	"sync/atomic"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/cq"
)

// scope is the context that the filters of a call begin with: that of the call,
// without the values that filters have put into it. In the queue style the
// application's Context comes later; the scope then is of one of its own.
type scope struct {
	*Context

	application atomic.Pointer[Context] // whom SetHeader and the like mean
}

// scopeKey is the key under which a context tells the scope it comes from.
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

// move makes c the application's, with what filters have set. It returns who is to be
// told when c has ended: ended, if that is not nil, after the context of the
// filters.
func (s *scope) move(c *Context, ended cq.Completer) cq.Completer {
	s.mu.Lock()
	s.isWatched = true // by c, on its behalf
	header, trailer := s.seeLocked().header, s.seeLocked().trailer
	s.mu.Unlock()
	c.mu.Lock()
	if len(header)+len(trailer) > 0 {
		more := c.moreLocked()
		more.header = append(header, more.header...)
		more.trailer = append(trailer, more.trailer...)
	}
	c.mu.Unlock()
	s.application.Store(c)
	return &relay{s.Context, ended}
}

// relay ends the context of filters with the application's.
type relay struct {
	ctx   *Context
	ended cq.Completer // may be nil
}

// Begin implements cq.Completer for Context.Bind, which does not call it.
func (r *relay) Begin() bool { return true }

// Complete implements cq.Completer for Context.Bind.
func (r *relay) Complete(c cq.Completion) {
	r.ctx.end()
	if r.ended != nil {
		r.ended.Complete(c)
	}
}
