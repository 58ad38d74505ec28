package server

import (
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
)

// This file is the seam on which styles of programming stand: the packages
// below server, and anybody's own. Applications do not need it.

// Accepted is a call that has arrived for the handler of a style, which now owns
// it: it must start SendStatus once, whatever happens, let the filters see it, and leave
// in two steps.
//
//	accept ──► Release: the stream's slot ──► SEND_STATUS ──► Done: Shutdown need not wait
type Accepted struct {
	Call *call.Call

	conn *conn
}

// What a style answers of itself, which is the same in all of them. Not to be changed.
var (
	// StatusNoMessage is for the end of a client's stream where the method has one
	// request. The wrong number of messages is UNIMPLEMENTED on both sides (gRPC, Status
	// codes and their use); the call itself ends with it if there is more than one.
	StatusNoMessage = cqrpc.Status{
		Code: cqrpc.CodeUnimplemented, Message: "no request message where the method has one",
	}
	// StatusPanicked is all that a client gets to know of a panic: its value may hold
	// secrets, and the stack does not help.
	StatusPanicked = cqrpc.Status{Code: cqrpc.CodeInternal, Message: "panic in handler"}
)

// NewHandler serves a method in a style: accept gets its calls as they arrive,
// on the goroutine of the connection, so it must not block. name is the full
// name; "" serves all methods that are not registered, messages being bytes.
func NewHandler(name string, shape call.Shape, accept func(Accepted)) Handler {
	if name == "" {
		shape = call.BidiStream
	}
	return Handler{name: name, shape: shape, accept: accept}
}

// Admit runs the server's filters, once, on the goroutine that is to run the
// handler: before that, and before the request is decoded, which [call.Call.Decode]
// does. c is the call's context, bound. The error is a refusal: the call is to be
// ended with its status, and no handler runs.
func (a Accepted) Admit(c *Context) *cqrpc.Error { return c.admit(a.conn.server) }

// IsFiltered reports whether the server has filters, which may keep the call's context
// for longer than the application has it.
func (a Accepted) IsFiltered() bool { return len(a.conn.server.cfg.filters) > 0 }

// Release counts the call as served, exactly once: what of the application still
// runs for it is about to end. A client that has read the status may open its
// next stream at once, so release a call before its status goes out: only then
// is the client within MAX_CONCURRENT_STREAMS (RFC 9113 section 5.1.2).
func (a Accepted) Release() {
	a.conn.leaving.Add(1)
	a.conn.unreserve()
}

// Done says, exactly once and after Release, that nothing of the application
// runs for the call any more: its last reaction or callback has returned.
// Shutdown waits for that.
func (a Accepted) Done() {
	if a.conn.leaving.Add(-1) == 0 {
		a.conn.settle()
	}
}

// Panicked reports that the application panicked with v: to the function of
// WithPanicHandler, or else to the log. Ending the call is the style's part, with
// INTERNAL and nothing of v, which may hold secrets.
func (a Accepted) Panicked(v any, stack []byte) { a.conn.server.panicked(a.Call, v, stack) }

// Bind makes c the context of k, once; styles call it. If ended is not nil, it is told when the call
// has ended: Complete is called once, without Begin, on a goroutine of the
// engine, OK meaning that the call was not cancelled. Else nothing is
// outstanding on k until somebody asks for Done.
func (c *Context) Bind(k *call.Call, ended cq.Completer) {
	s, isMoving := k.Value(scopeKey{}).(*scope)
	isMoving = isMoving && s.Context != c
	if isMoving {
		ended = &relay{s.Context, ended}
	}
	c.mu.Lock()
	c.call, c.ended = k, ended
	c.isWatched = ended != nil || c.more != nil && (c.more.done != nil || len(c.more.funcs) > 0)
	isWatched := c.isWatched
	c.mu.Unlock()
	if isMoving {
		s.move(c)
	}
	if isWatched {
		k.OnEnd((*closing)(c))
	}
}

// BeginResponse adds the initial metadata to a batch of a style, if it is not out.
func (c *Context) BeginResponse(ops []call.Op) []call.Op {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.beginLocked(ops)
}

func (c *Context) beginLocked(ops []call.Op) []call.Op {
	if c.begun {
		return ops
	}
	c.begun = true
	return append(ops, call.SendInitialMetadata(c.seeLocked().header))
}

// EndResponse makes the batch of a style that ends a response, in ops, which is empty: message,
// if it is not nil, and st with the trailing metadata. Before them goes the initial metadata if
// it is not out, hasBegun saying so; not before a status alone if the application has set none:
// that status is the whole response (gRPC over HTTP/2, Trailers-Only).
func (c *Context) EndResponse(
	ops []call.Op, message *call.Op, st cqrpc.Status,
) (batch []call.Op, hasBegun bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	more := c.seeLocked()
	if message != nil || len(more.header) > 0 {
		ops = c.beginLocked(ops)
		hasBegun = len(ops) > 0
	}
	if message != nil {
		ops = append(ops, *message)
	}
	return append(ops, call.SendStatus(st, more.trailer)), hasBegun
}

// RevertBegin takes back that BeginResponse or EndResponse has begun: the style's batch was
// rejected.
func (c *Context) RevertBegin() {
	c.mu.Lock()
	c.begun = false
	c.mu.Unlock()
}

// HasHeader reports whether the application has set initial metadata, so that
// a response that is a status only cannot be Trailers-Only.
func (c *Context) HasHeader() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seeLocked().header) > 0
}

// Trailer returns the trailing metadata, for a style to send with the status.
func (c *Context) Trailer() cqrpc.Metadata {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seeLocked().trailer
}
