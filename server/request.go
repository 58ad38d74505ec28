package server

import (
	"fmt"
	"sync"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
)

// PayloadHandling says what must have arrived before a call is given out
// (C-core grpc_server_register_method_payload_handling).
type PayloadHandling uint8

const (
	// PayloadNone gives a call out when its headers have arrived.
	PayloadNone PayloadHandling = iota
	// PayloadFirst reads the first message before: the tag means that it is there.
	PayloadFirst
	// PayloadOnly is PayloadFirst for methods with one request message: a call is
	// given out when the client has half-closed after it. A client that sends
	// none, or another, gets UNIMPLEMENTED, and the application sees nothing.
	PayloadOnly
)

// String returns "no payload", "first message" or "only message".
func (p PayloadHandling) String() string {
	names := [...]string{"no payload", "first message", "only message"}
	if int(p) < len(names) {
		return names[p]
	}
	return fmt.Sprintf("PayloadHandling(%d)", uint8(p))
}

// Method is a method registered with a server for RequestRegisteredCall.
type Method struct {
	// immutable
	name    string // "" for all that are not registered
	payload PayloadHandling
	matcher *matcher
}

// Name returns the full name, "/package.Service/Method".
func (m *Method) Name() string { return m.name }

// IncomingCall is the answer to a request for a call. The server writes it while
// the request's tag is being harvested; until then it must not be touched.
type IncomingCall struct {
	// Value, if set by the application and the method has a payload, is what the
	// first message is unmarshalled into. A call whose first message does not
	// unmarshal into Value is refused with INTERNAL, and the request goes on waiting.
	// While it waits, Value may be empty, see [codec.Reclaimer].
	Value any
	// Then, if set, is run with the event of the tag, true or false, after the rest
	// was filled in, still on the goroutine that harvests it: so a style wraps the
	// call before the application sees it. It may change or swallow the event.
	Then cq.Finalizer

	// Call is bound to the queue of the request, nil if the tag is false. It may
	// have ended already; its first batch tells.
	Call *call.Call
	// Method is the full name.
	Method string
	// Metadata of the request, to be read only: see [Context.Metadata].
	Metadata cqrpc.Metadata
	// Deadline is when the call ends by itself; zero: never.
	Deadline time.Time
	// Payload is the first message of a method with payload, nil if Value took
	// it or the client half-closed without one. The application frees it.
	Payload *call.Buffer
}

// RequestCall asks for one call of a method that is not registered. When one
// has come, *slot is filled and tag comes out of notify, true; if the server
// ends first, tag is false, with ErrServerClosed. The call's batches complete on
// bound, any queue; nil means notify. Once RequestCall was used, calls of unknown
// methods wait for it instead of being answered UNIMPLEMENTED, so make the first
// request before Serve.
//
// Filters of the server see a call where the tag is harvested, see [call.Filter]. A
// call that they refuse is answered, and the request goes on waiting. What they put
// into the context is found by the call's Value.
//
// An error, ErrUnknownQueue or cq.ErrShutdown, means that no tag will come.
func (s *Server) RequestCall(slot *IncomingCall, bound, notify *cq.Queue, tag cq.Tag) error {
	s.asked.Store(true)
	return s.request(s.unregistered, slot, bound, notify, tag)
}

// RequestRegisteredCall is RequestCall for a call of m, given out when the
// payload that m was registered with has arrived. More errors: ErrUnknownMethod,
// and ErrPayloadMismatch if slot.Value is set and m has no payload.
func (s *Server) RequestRegisteredCall(m *Method, slot *IncomingCall, bound, notify *cq.Queue, tag cq.Tag) error {
	switch {
	case m == nil || m.matcher.server != s:
		return ErrUnknownMethod
	case slot.Value != nil && m.payload == PayloadNone:
		return ErrPayloadMismatch
	}
	return s.request(m, slot, bound, notify, tag)
}

func (s *Server) request(m *Method, slot *IncomingCall, bound, notify *cq.Queue, tag cq.Tag) error {
	i, ok := s.queueIndex(notify)
	if !ok {
		return ErrUnknownQueue
	}
	s.reclaim(slot.Value) // before Begin: a codec may panic
	if !notify.Begin() {
		return cq.ErrShutdown
	}
	if bound == nil {
		bound = notify
	}
	r := requests.Get().(*request)
	*r = request{slot: slot, matcher: m.matcher, bound: bound, notify: notify, tag: tag, queue: i}
	m.matcher.ask(r)
	return nil
}

// reclaim lets the codec take memory out of a value that now waits for the message of a call.
func (s *Server) reclaim(v any) {
	if v == nil {
		return
	}
	for _, k := range s.cfg.codecs {
		if k, ok := k.(codec.Reclaimer); ok {
			k.Reclaim(v)
		}
	}
}

// request is one wish for a call. It lives from RequestCall to the harvest of
// its tag.
type request struct {
	// immutable
	slot    *IncomingCall
	matcher *matcher
	bound   *cq.Queue
	notify  *cq.Queue
	tag     cq.Tag
	queue   int // index of notify in the server

	// guarded by matcher.mu until matched, the harvester's then
	next    *request
	arrival *arrival // nil: the server ended
}

var requests = sync.Pool{New: func() any { return new(request) }}

// completion is the end of the request, with a call or without.
func (r *request) completion() cq.Completion {
	return cq.Completion{Tag: r.tag, OK: r.arrival != nil, Finalizer: r}
}

// Finalize is run by the goroutine that harvests the tag: it takes the payload
// and fills the slot. A call whose payload is unusable has been answered; the
// request then waits for another one, and the application sees nothing of it.
func (r *request) Finalize(ev *cq.Event) bool {
	a := r.arrival
	if a == nil {
		ev.OK, ev.Err = false, ErrServerClosed
		return r.answer(IncomingCall{}, ev)
	}
	payload, ok := r.judge(a)
	if !ok {
		return !r.again() && r.Finalize(ev)
	}
	k := a.call
	a.recycle()
	deadline, _ := k.Deadline()
	return r.answer(IncomingCall{
		Call: k, Method: k.Method(), Metadata: k.RequestMetadata(), Deadline: deadline, Payload: payload,
	}, ev)
}

// judge lets the filters see the call, and takes its payload. It reports false if the
// call is not for the application; then it has been answered.
func (r *request) judge(a *arrival) (payload *call.Buffer, ok bool) {
	hasReturned := false
	defer func() {
		if hasReturned {
			return
		}
		a.crashed()
		if !r.again() {
			r.Finalize(new(cq.Event)) // nobody gets the event
		}
	}()
	if ok = a.admit(r.matcher.server); ok {
		payload, ok = a.takePayload(r.slot.Value)
	}
	hasReturned = true
	return payload, ok
}

// again makes the request wait for another call. It reports false if the queue has
// finished meanwhile: then the request ends as if the server had ended.
func (r *request) again() bool {
	r.arrival = nil
	if !r.notify.Begin() {
		return false
	}
	r.matcher.ask(r)
	return true
}

// answer fills the slot and ends the request.
func (r *request) answer(in IncomingCall, ev *cq.Event) bool {
	in.Value, in.Then = r.slot.Value, r.slot.Then
	*r.slot = in
	r.recycle()
	return in.Then == nil || in.Then.Finalize(ev)
}

func (r *request) recycle() {
	*r = request{}
	requests.Put(r)
}
