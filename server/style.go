package server

import (
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
)

// This file is the seam on which styles of programming stand: the packages
// below server, and anybody's own. Applications do not need it.

// Accepted is a call that has arrived for the handler of a style, which now owns it. The
// style must let the filters see it (Admit), start SendStatus once, whatever happens, and
// leave in two steps.
//
//	accept ──► Release: the stream's slot ──► SEND_STATUS ──► Done: Shutdown need not wait
type Accepted struct {
	Call *call.Call

	conn *conn
}

// What every style answers by itself. Not to be changed.
var (
	// StatusNoMessage is for a client that half-closes without the one request that the
	// method has. The wrong number of messages is UNIMPLEMENTED on both sides (gRPC, Status
	// codes and their use); if there is more than one message, package call ends the call.
	StatusNoMessage = cqrpc.Status{
		Code: cqrpc.CodeUnimplemented, Message: "no request message where the method has one",
	}
	// StatusPanicked is all that a client is told of a panic: the value may hold secrets,
	// and the stack does not help.
	StatusPanicked = cqrpc.Status{Code: cqrpc.CodeInternal, Message: "panic in handler"}
)

// NewHandler serves a method in a style: accept gets its calls as they arrive,
// on the goroutine of the connection, so it must not block. name is the full
// name; "", with call.BidiStream, serves all methods that are not registered, with
// messages as bytes.
func NewHandler(name string, shape call.Shape, accept func(Accepted)) Handler {
	return Handler{name: name, shape: shape, accept: accept}
}

// Admit runs the server's filters. Call it once, on the goroutine that is about to run
// the handler, before the request is decoded by [call.Call.Decode]. c is the call's
// context, bound. The error is a refusal: end the call with its status, and run no
// handler.
func (a Accepted) Admit(c *Context) *cqrpc.Error { return c.admit(a.conn.server) }

// IsFiltered reports whether the server has filters, which may keep the call's context
// for longer than the application has it.
func (a Accepted) IsFiltered() bool { return len(a.conn.server.cfg.filters) > 0 }

// Release counts the call as served. Call it exactly once, before the status goes out:
// a client that has read the status may open its next stream at once, and only then is it
// within MAX_CONCURRENT_STREAMS (RFC 9113 section 5.1.2). Application code may still run
// for the call, see Done.
func (a Accepted) Release() {
	a.conn.leaving.Add(1)
	a.conn.unreserve()
}

// Done says, exactly once and after Release, that nothing of the application
// runs for the call any more: its last reaction or callback has returned.
// Shutdown waits for that.
func (a Accepted) Done() {
	if a.conn.leaving.Add(-1) == 0 {
		a.conn.forgetIfDone()
	}
}

// Panicked reports that the application panicked with v: to the function of
// WithPanicHandler, or else to the log. Ending the call is the style's part, with
// INTERNAL and nothing of v, which may hold secrets.
func (a Accepted) Panicked(v any, stack []byte) { a.conn.server.panicked(a.Call, v, stack) }

// StyleContext is the view that styles have of a [Context]: what is theirs to do with it, and not
// the application's.
type StyleContext Context

// ForStyle is c as a style sees it; applications do not need it.
func (c *Context) ForStyle() *StyleContext { return (*StyleContext)(c) }

// Bind makes the context that of k, once. If ended is not nil, its Complete is
// called once when the call has ended, without Begin, on a goroutine of the engine; OK means
// that the call was not cancelled. If ended is nil, k is not watched until somebody asks for
// Done.
func (v *StyleContext) Bind(k *call.Call, ended cq.Completer) {
	c := (*Context)(v)
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

// BeginResponse adds the initial metadata to a batch, if it is not out.
func (v *StyleContext) BeginResponse(ops []call.Op) []call.Op {
	c := (*Context)(v)
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

// EndResponse makes, in ops, which is empty, the batch that ends a response: message, if
// it is not nil, and st with the trailing metadata. If the initial metadata is not out it goes first,
// and hasBegun is true; but a status alone, with no initial metadata set by the application, is the
// whole response (gRPC over HTTP/2, Trailers-Only).
func (v *StyleContext) EndResponse(
	ops []call.Op, message *call.Op, st cqrpc.Status,
) (batch []call.Op, hasBegun bool) {
	c := (*Context)(v)
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

// RevertBegin undoes what BeginResponse or EndResponse has noted, because the batch
// was rejected: the initial metadata is not out.
func (v *StyleContext) RevertBegin() {
	c := (*Context)(v)
	c.mu.Lock()
	c.begun = false
	c.mu.Unlock()
}

// HasHeader reports whether the application has set initial metadata, so that
// a response that is a status only cannot be Trailers-Only.
func (v *StyleContext) HasHeader() bool {
	c := (*Context)(v)
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.seeLocked().header) > 0
}

// Trailer returns the trailing metadata, to be sent with the status.
func (v *StyleContext) Trailer() cqrpc.Metadata {
	c := (*Context)(v)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seeLocked().trailer
}
