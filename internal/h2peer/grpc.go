package h2peer

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"

	"golang.org/x/net/http2"
)

// prefixLen is the length of a gRPC message prefix: one flag byte and four of
// length. It is spelled out here, not imported: a peer that shares the code of
// its subject shares its mistakes.
const prefixLen = 5

// Message returns payload as one uncompressed gRPC message, prefix included.
func Message(payload []byte) []byte {
	m := make([]byte, prefixLen, prefixLen+len(payload))
	binary.BigEndian.PutUint32(m[1:], uint32(len(payload)))
	return append(m, payload...)
}

// Request opens stream id with the headers of a gRPC call of path
// ("/service/method") and further fields as name, value, name, value, ….
func (p *Peer) Request(id uint32, path string, fields ...string) {
	p.t.Helper()
	p.WriteHeaders(id, false, append([]string{
		":method", "POST", ":scheme", "http", ":path", path, ":authority", "h2peer.test",
		"te", "trailers", "content-type", "application/grpc",
	}, fields...)...)
}

// Response answers stream id with the initial headers of a gRPC response and
// further fields.
func (p *Peer) Response(id uint32, fields ...string) {
	p.t.Helper()
	p.WriteHeaders(id, false, append([]string{":status", "200", "content-type", "application/grpc"}, fields...)...)
}

// Trailers ends stream id with a gRPC status and further fields.
func (p *Peer) Trailers(id uint32, status int, fields ...string) {
	p.t.Helper()
	p.WriteHeaders(id, true, append([]string{"grpc-status", strconv.Itoa(status)}, fields...)...)
}

// TrailersOnly answers and ends stream id in one block: headers and status.
func (p *Peer) TrailersOnly(id uint32, status int, fields ...string) {
	p.t.Helper()
	p.WriteHeaders(id, true, append([]string{
		":status", "200", "content-type", "application/grpc", "grpc-status", strconv.Itoa(status),
	}, fields...)...)
}

// WriteMessage writes payload as one gRPC message, in DATA frames of at most
// 16384 bytes, whatever the subject's windows.
func (p *Peer) WriteMessage(id uint32, end bool, payload []byte) {
	m := Message(payload)
	for len(m) > maxFramePayload {
		p.WriteData(id, false, m[:maxFramePayload])
		m = m[maxFramePayload:]
	}
	p.WriteData(id, end, m)
}

// WantRequest wants the headers of a gRPC call of path on stream id (gRPC over
// HTTP/2, Requests) with at least these further fields.
func (p *Peer) WantRequest(why string, id uint32, path string, fields ...string) Frame {
	p.t.Helper()
	return p.WantHeaders(why, id, false, append([]string{
		":method", "POST", ":scheme", "*", ":path", path, "te", "trailers", "content-type", "*",
	}, fields...)...)
}

// WantResponse wants the initial headers of a gRPC response on stream id (gRPC
// over HTTP/2, Responses) with at least these further fields.
func (p *Peer) WantResponse(why string, id uint32, fields ...string) Frame {
	p.t.Helper()
	return p.WantHeaders(why, id, false, append([]string{":status", "200", "content-type", "*"}, fields...)...)
}

// WantTrailers wants a block that ends stream id with this grpc-status, be it
// after messages or Trailers-Only, and at least these further fields.
func (p *Peer) WantTrailers(why string, id uint32, status int, fields ...string) Frame {
	p.t.Helper()
	return p.WantHeaders(why, id, true, append([]string{"grpc-status", strconv.Itoa(status)}, fields...)...)
}

// stretch is what DATA frames of one stream brought beyond the last message.
type stretch struct {
	data []byte
	end  bool
}

// WantMessage wants one uncompressed gRPC message on stream id, however it is
// spread over DATA frames; the rest of a frame counts for the next want of a
// message. With end the stream must end right after the message, on its frame
// or an empty one; without, it must not end on the message's frame.
func (p *Peer) WantMessage(why string, id uint32, end bool, payload []byte) {
	p.t.Helper()
	s := p.partial[id]
	if s == nil {
		s = new(stretch)
		p.partial[id] = s
	}
	want := Message(payload)
	p.fill(why, id, s, len(want))
	if !bytes.Equal(s.data[:len(want)], want) {
		p.fatalf(why, "got message bytes %s; want %s", quote(s.data[:len(want)]), quote(want))
	}
	s.data = s.data[len(want):]
	if end && !s.end && len(s.data) == 0 {
		f := p.want(why, fmt.Sprintf("the end of stream %d", id), http2.FrameData, id, nil)
		s.data, s.end = f.Payload, f.End()
	}
	if ended := s.end && len(s.data) == 0; ended != end {
		p.fatalf(why, "stream %d ended after the message: %v; want %v", id, ended, end)
	}
}

// fill takes DATA frames until s holds n bytes.
func (p *Peer) fill(why string, id uint32, s *stretch, n int) {
	p.t.Helper()
	for len(s.data) < n {
		if s.end {
			p.fatalf(why, "stream %d ended after %s; want %d bytes", id, quote(s.data), n)
		}
		what := fmt.Sprintf("DATA stream=%d with %d more bytes of a message", id, n-len(s.data))
		f := p.want(why, what, http2.FrameData, id, nil)
		s.data, s.end = append(s.data, f.Payload...), f.End()
	}
}
