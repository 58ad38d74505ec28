package call

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/frame"
)

// requestList returns the request headers: a shared list, extended by grpc-timeout
// if there is a deadline, whose value is filled in when they are sent, and by md.
func (c *Call) requestList(comp codec.Compressor, md cqrpc.Metadata) *frame.HeaderList {
	key := listKey{
		path: c.caller.method, authority: c.caller.authority, subtype: c.shared().Codec.Name(), encoding: nameOf(comp),
	}
	base := c.shared().lists.get(key, func(l *frame.HeaderList) { c.fillRequest(l, key.encoding) })
	if c.clock == nil && len(md) == 0 {
		return base
	}
	l := base.Extend()
	if c.clock != nil {
		l.Fields = append(l.Fields, frame.Field{Name: "grpc-timeout", Sensitive: true})
	}
	addMetadata(l, md)
	return l
}

func (c *Call) fillRequest(l *frame.HeaderList, encoding string) {
	l.Add(":method", "POST")
	l.Add(":scheme", c.shared().Scheme)
	l.Add(":path", c.caller.method)
	l.Add(":authority", c.caller.authority)
	l.Add("te", "trailers")
	l.Add("content-type", contentTypeOf(c.shared().Codec.Name()))
	if c.shared().UserAgent != "" {
		l.Add("user-agent", c.shared().UserAgent)
	}
	c.addEncodings(l, encoding)
}

// addEncodings says how messages are compressed, and how they may be.
func (c *Call) addEncodings(l *frame.HeaderList, encoding string) {
	if encoding != "" {
		l.Add("grpc-encoding", encoding)
	}
	l.Add("grpc-accept-encoding", c.shared().Compressors.AcceptEncoding())
}

// nameOf is the grpc-encoding to announce, none for messages as they are.
func nameOf(comp codec.Compressor) string {
	if comp == nil {
		return ""
	}
	return comp.Name()
}

// responseList returns the response headers.
func (c *Call) responseList(comp codec.Compressor, md cqrpc.Metadata) *frame.HeaderList {
	key := listKey{subtype: c.request.subtype, encoding: nameOf(comp)}
	base := c.shared().lists.get(key, func(l *frame.HeaderList) {
		c.addResponse(l)
		c.addEncodings(l, key.encoding)
	})
	if len(md) == 0 {
		return base
	}
	l := base.Extend()
	addMetadata(l, md)
	return l
}

// tooMuchMetadata is how a call ends whose header list the peer does not accept.
// The status is that with which the peer would refuse it.
func tooMuchMetadata(n int, limit uint32) cqrpc.Status {
	return cqrpc.Status{
		Code:    cqrpc.CodeResourceExhausted,
		Message: fmt.Sprintf("Sent metadata larger than the peer accepts (%d vs. %d)", n, limit),
	}
}

// maxShortMessage is what is kept, in bytes, of a status message that does not
// fit the peer's limit. Percent-encoded it may be three times as long.
const maxShortMessage = 512

// trailersFor builds trailers that the client accepts. It would refuse larger ones,
// and never learn the code: so the details and the end of the message are left out if
// that helps. If not, the metadata is too large, and the call ends because of that.
func (c *Call) trailersFor(s Stream, st *cqrpc.Status, md cqrpc.Metadata, trailersOnly bool) *frame.HeaderList {
	limit := s.MaxHeaderList()
	l := c.trailerList(st, md, trailersOnly)
	n := l.Size()
	if uint64(n) <= uint64(limit) {
		return l
	}
	l.Free()
	short := cqrpc.Status{Code: st.Code, Message: st.Message[:min(len(st.Message), maxShortMessage)]}
	short.Message = strings.ToValidUTF8(short.Message, "")
	if l = c.trailerList(&short, md, trailersOnly); uint64(l.Size()) <= uint64(limit) {
		return l
	}
	l.Free()
	excess := tooMuchMetadata(n, limit)
	return c.trailerList(&excess, nil, trailersOnly)
}

// trailerList builds the trailers; trailersOnly makes them the whole response (gRPC
// over HTTP/2, Trailers-Only).
func (c *Call) trailerList(st *cqrpc.Status, md cqrpc.Metadata, trailersOnly bool) *frame.HeaderList {
	if !trailersOnly && len(md) == 0 && st.Code == cqrpc.CodeOK && st.Message == "" && len(st.Details) == 0 {
		return trailersOK
	}
	l := frame.NewHeaderList()
	if trailersOnly {
		c.addResponse(l)
	}
	if err := addStatus(l, st); err != nil && c.shared().Logger != nil {
		c.shared().Logger.Warn("call: status sent without its details", "method", c.Method(), "error", err)
	}
	addMetadata(l, md)
	return l
}

// trailersOK are those of most calls: a status of OK and nothing more.
var trailersOK = func() *frame.HeaderList {
	l := frame.NewHeaderList()
	_ = addStatus(l, &cqrpc.Status{}) // has no details
	return frame.ShareHeaderList(l)
}()

func (c *Call) addResponse(l *frame.HeaderList) {
	l.Add(":status", "200")
	l.Add("content-type", contentTypeOf(c.request.subtype))
}

// contentTypeOf spells a content-type; protobuf is what goes without saying.
func contentTypeOf(subtype string) string {
	if subtype == "" || subtype == "proto" {
		return contentType
	}
	return contentType + "+" + subtype
}

// addStatus adds grpc-status and what belongs to it. An error is a detail that
// cannot be marshalled: it costs the details, not the status.
func addStatus(l *frame.HeaderList, st *cqrpc.Status) error {
	l.Add("grpc-status", strconv.FormatUint(uint64(st.Code), 10))
	if st.Message != "" {
		addOnce(l, "grpc-message", frame.EncodePercent(st.Message))
	}
	if len(st.Details) == 0 {
		return nil
	}
	raw, err := st.AppendDetails(nil)
	if err != nil {
		return err
	}
	addOnce(l, "grpc-status-details-bin", encodeBinary(string(raw)))
	return nil
}

// addOnce adds a field whose value hardly ever repeats: in the HPACK table it would
// only push others out.
func addOnce(l *frame.HeaderList, name, value string) {
	l.Fields = append(l.Fields, frame.Field{Name: name, Value: value, Sensitive: true})
}

// addMetadata adds custom metadata, which is valid. Fields that belong to the
// protocol are left out, as C-core does.
func addMetadata(l *frame.HeaderList, md cqrpc.Metadata) {
	for i := range md {
		switch p := &md[i]; {
		case isReserved(p.Key):
		case strings.HasSuffix(p.Key, "-bin"):
			addOnce(l, p.Key, encodeBinary(p.Value))
		default:
			// Spaces at the ends are against RFC 9113 section 8.2.1 and may be
			// lost in transit anyway.
			l.Add(p.Key, strings.Trim(p.Value, " "))
		}
	}
}

func encodeBinary(raw string) string {
	return string(frame.AppendBinary(make([]byte, 0, len(raw)*4/3+3), raw))
}

// isReserved reports fields that HTTP/2 (RFC 9113 section 8.2.2) or gRPC keeps
// for itself.
func isReserved(key string) bool {
	switch key {
	case "te", "content-length", "content-type", "user-agent", "host",
		"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade",
		"grpc-timeout", "grpc-encoding", "grpc-accept-encoding",
		"grpc-status", "grpc-message", "grpc-status-details-bin":
		return true
	}
	return false
}

// httpStatusText is an HTTP status as a field value, 0 meaning 200.
func httpStatusText(status int) string {
	if status == 0 {
		return "200"
	}
	return strconv.Itoa(status)
}
