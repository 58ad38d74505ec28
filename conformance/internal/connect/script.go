package connect

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/connectpb"
)

// Scene is what a server knows of a call before its first message. A
// server.Context is one.
type Scene interface {
	Deadline() (deadline time.Time, ok bool)
	Metadata() cqrpc.Metadata
}

// Script is what a server is to answer to one call, as the call's first request
// says. A style performs it:
//
//	Script.Saw for each request ─► Header and Trailer ─► while HasNext: Delay, Next ─► End
type Script struct {
	scene   Scene
	header  []*connectpb.Header
	trailer []*connectpb.Header
	data    [][]byte // of the responses that are left
	failure *connectpb.Error
	delay   time.Duration
	seen    []*anypb.Any // requests that no response has told of
	told    bool         // a response was made
	duplex  bool
}

// unaryRequest is a request for one response.
type unaryRequest interface {
	proto.Message
	GetResponseDefinition() *connectpb.UnaryResponseDefinition
}

// streamRequest is a request for a sequence of responses.
type streamRequest interface {
	proto.Message
	GetResponseDefinition() *connectpb.StreamResponseDefinition
}

// NewScript is the script of a call that has said nothing yet. Without a
// definition a method with one response gives an empty one, others none.
func NewScript(scene Scene, oneResponse bool) *Script {
	s := &Script{scene: scene}
	if oneResponse {
		s.data = [][]byte{nil}
	}
	return s
}

// Saw notes a request; of several the first says what to answer.
func (s *Script) Saw(m proto.Message) error {
	packed, err := anypb.New(m)
	if err != nil {
		return err
	}
	s.seen = append(s.seen, packed)
	if len(s.seen) > 1 || s.told {
		return nil
	}
	switch m := m.(type) {
	case unaryRequest:
		s.one(m.GetResponseDefinition())
	case streamRequest:
		s.many(m.GetResponseDefinition())
	}
	if m, ok := m.(*connectpb.BidiStreamRequest); ok {
		s.duplex = m.GetFullDuplex()
	}
	return nil
}

func (s *Script) one(d *connectpb.UnaryResponseDefinition) {
	s.header, s.trailer = d.GetResponseHeaders(), d.GetResponseTrailers()
	s.delay = time.Duration(d.GetResponseDelayMs()) * time.Millisecond
	s.data, s.failure = [][]byte{d.GetResponseData()}, d.GetError()
	if s.failure != nil {
		s.data = nil
	}
}

func (s *Script) many(d *connectpb.StreamResponseDefinition) {
	s.header, s.trailer = d.GetResponseHeaders(), d.GetResponseTrailers()
	s.delay = time.Duration(d.GetResponseDelayMs()) * time.Millisecond
	s.data, s.failure = d.GetResponseData(), d.GetError()
}

// Header is the initial metadata to send.
func (s *Script) Header() cqrpc.Metadata { return metadataOf(s.header) }

// Trailer is the trailing metadata to send.
func (s *Script) Trailer() cqrpc.Metadata { return metadataOf(s.trailer) }

// IsFullDuplex reports whether each request is answered before the next is
// read, as long as there are responses.
func (s *Script) IsFullDuplex() bool { return s.duplex }

// Delay is how long to wait before each response, and before the status of a
// method with one response.
func (s *Script) Delay() time.Duration { return s.delay }

// HasNext reports whether there is another response to send.
func (s *Script) HasNext() bool { return len(s.data) > 0 }

// Next makes the next response.
func (s *Script) Next() *connectpb.ConformancePayload {
	p := &connectpb.ConformancePayload{Data: s.data[0], RequestInfo: s.info()}
	s.data, s.seen, s.told = s.data[1:], nil, true
	return p
}

// info tells all about the call in the first response, and later only of the
// requests since.
func (s *Script) info() *connectpb.ConformancePayload_RequestInfo {
	if s.told {
		if len(s.seen) == 0 {
			return nil
		}
		return &connectpb.ConformancePayload_RequestInfo{Requests: s.seen}
	}
	info := &connectpb.ConformancePayload_RequestInfo{RequestHeaders: headersOf(s.scene.Metadata()), Requests: s.seen}
	if deadline, ok := s.scene.Deadline(); ok {
		left := max(time.Until(deadline), 0).Milliseconds()
		info.TimeoutMs = &left
	}
	return info
}

// End is how the call ends after the responses; nil is OK. What no response has
// told is in the details.
func (s *Script) End() error {
	if s.failure == nil {
		return nil
	}
	e := &connectpb.Error{
		Code: s.failure.GetCode(), Message: s.failure.Message, Details: slices.Clone(s.failure.GetDetails()),
	}
	if !s.told {
		info, err := anypb.New(s.info())
		if err != nil {
			return err
		}
		e.Details = append(e.Details, info)
	}
	return errorFrom(e)
}
