package call

import (
	"fmt"
	"strings"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/frame"
)

// contentType is the beginning of every gRPC content-type.
const contentType = "application/grpc"

// fields is a header block sorted into gRPC's own fields and the custom metadata.
// Of a repeated field the first counts.
type fields struct {
	method, scheme, path, authority, host string // request
	te, timeout, accept, userAgent        string
	hosts                                 int

	httpStatus string // response
	status     string
	message    string
	details    string
	hasStatus  bool

	contentType, encoding string
	contentLength         string // HTTP's, not the application's
	md                    cqrpc.Metadata
	joined                int   // values of md that followed a comma
	err                   error // a -bin value that is not base64, or too many in one
}

// maxJoined is how many values of -bin fields may follow a comma in one block. The
// limit of a header list counts fields, but each comma makes another metadata value: a
// block of nothing but commas would take thirty times its octets in memory, and with
// HPACK's table a peer can send it again and again in a few octets.
const maxJoined = 64

// readResponse sorts the fields of a response's headers or trailers. The result is
// remembered with blocks that repeat, unless it has metadata, which becomes the
// application's.
func readResponse(h *frame.Headers) *fields {
	if h.Known != nil {
		if f, ok := h.Known.Note.(*fields); ok {
			return f
		}
	}
	f := new(fields)
	f.parse(h)
	if h.Known != nil && f.md == nil {
		h.Known.Note = f
	}
	return f
}

// parse sorts the fields of h, which is not malformed.
func (f *fields) parse(h *frame.Headers) {
	for i := range h.Fields {
		name, value := h.Fields[i].Name, h.Fields[i].Value
		switch p := f.known(name); {
		case name == "grpc-status":
			if f.hasStatus && value != f.status { // a list, which is no status (RFC 9110 section 5.3)
				value = f.status + ", " + value
			}
			f.status, f.hasStatus = value, true
		case name == "host":
			f.hosts++
			f.host = value
			f.publish(name, value, len(h.Fields)-i)
		case p == nil:
			f.publish(name, value, len(h.Fields)-i)
		case *p == "":
			*p = value
		}
		if name == "user-agent" {
			f.publish(name, value, len(h.Fields)-i)
		}
	}
}

// known is where a field of the protocol is stored, nil for custom metadata.
func (f *fields) known(name string) *string {
	switch name {
	case ":method":
		return &f.method
	case ":scheme":
		return &f.scheme
	case ":path":
		return &f.path
	case ":authority":
		return &f.authority
	case ":status":
		return &f.httpStatus
	case "te":
		return &f.te
	case "content-type":
		return &f.contentType
	case "content-length":
		return &f.contentLength
	case "user-agent":
		return &f.userAgent
	case "grpc-timeout":
		return &f.timeout
	case "grpc-encoding":
		return &f.encoding
	case "grpc-accept-encoding":
		return &f.accept
	case "grpc-message":
		return &f.message
	case "grpc-status-details-bin":
		return &f.details
	}
	return nil
}

// publish adds one field to the custom metadata; room is how many may follow.
func (f *fields) publish(key, value string, room int) {
	if f.md == nil {
		f.md = make(cqrpc.Metadata, 0, room)
	}
	if !strings.HasSuffix(key, "-bin") {
		f.md = append(f.md, cqrpc.Pair{Key: key, Value: value})
		return
	}
	first := len(f.md)
	for part := range frame.SplitBinary(value) {
		if f.err != nil {
			return
		}
		if len(f.md) > first {
			f.joined++
		}
		raw, err := frame.DecodeBinary(part)
		switch {
		case err != nil:
			f.err = fmt.Errorf("metadata %.64q: %w", key, err)
		case f.joined > maxJoined:
			f.err = fmt.Errorf("metadata %.64q: more than %d values are joined by commas", key, maxJoined)
		}
		f.md = append(f.md, cqrpc.Pair{Key: key, Value: raw})
	}
}

// isGRPC reports whether the content-type is gRPC's, and its subtype, which is
// what follows a "+" (gRPC over HTTP/2, Content-Type).
func (f *fields) isGRPC() (subtype string, ok bool) {
	rest, ok := strings.CutPrefix(f.contentType, contentType)
	if !ok {
		return "", false
	}
	rest, _, _ = strings.Cut(rest, ";")
	rest = strings.TrimRight(rest, " \t")
	if rest == "" {
		return "", true
	}
	subtype, ok = strings.CutPrefix(rest, "+")
	return subtype, ok && subtype != ""
}

// isInformational reports a 1xx response, which precedes the real one.
func (f *fields) isInformational() bool { return len(f.httpStatus) == 3 && f.httpStatus[0] == '1' }

// compressor looks up the encoding of the messages that follow, nil for none.
func (f *fields) compressor(set *codec.Compressors) (codec.Compressor, bool) {
	if f.encoding == "" || f.encoding == "identity" {
		return nil, true
	}
	return set.Lookup(f.encoding)
}

// checkResponse judges response headers of gRPC that messages or trailers follow; a
// grpc-status among them does not count.
func (f *fields) checkResponse(set *codec.Compressors) (comp codec.Compressor, v verdict, ok bool) {
	comp, ok = f.compressor(set)
	switch {
	case f.err != nil:
		return nil, brokenRule(cqrpc.CodeInternal, f.err.Error()), false
	case !ok:
		what := fmt.Sprintf("grpc-encoding %.64q is not supported", f.encoding)
		return nil, brokenRule(cqrpc.CodeInternal, what), false
	}
	return comp, verdict{}, true
}

// checkHTTP judges whether this is a gRPC response at all.
func (f *fields) checkHTTP() (v verdict, ok bool) {
	if f.httpStatus != "200" {
		what := "Received http2 header with status: " + f.httpStatus
		return brokenRule(codeOfHTTP(f.httpStatus), what), false
	}
	if _, ok := f.isGRPC(); !ok {
		what := fmt.Sprintf("response has content-type %.64q, not %s", f.contentType, contentType)
		return brokenRule(cqrpc.CodeUnknown, what), false
	}
	return verdict{}, true
}

func brokenRule(code cqrpc.Code, what string) verdict {
	return verdict{how: byViolation, origin: cqrpc.OriginLocal, status: cqrpc.Status{Code: code, Message: what}}
}

// verdict reads the status off trailers; alone means that they are the whole
// response. The stream has ended, so that nothing remains to be reset.
func (f *fields) verdict(alone bool) verdict {
	v := f.judge(alone)
	v.how, v.trailing = byStatus, f.md
	return v
}

func (f *fields) judge(alone bool) verdict {
	switch {
	case f.err != nil:
		return brokenRule(cqrpc.CodeInternal, f.err.Error())
	case f.hasStatus:
		return verdict{origin: cqrpc.OriginRemote, status: f.grpcStatus()}
	case alone:
		if v, ok := f.checkHTTP(); !ok {
			return v
		}
	}
	return brokenRule(cqrpc.CodeUnknown, noStatus)
}

// grpcStatus is the status as the server gave it. Details that do not parse
// are dropped: the rest still says what happened.
func (f *fields) grpcStatus() cqrpc.Status {
	code, ok := cqrpc.ParseCode(f.status)
	st := cqrpc.Status{Code: code, Message: frame.DecodePercent(f.message)}
	if !ok {
		st.Message = strings.TrimSuffix(fmt.Sprintf("grpc-status is %.64q: %s", f.status, st.Message), ": ")
	}
	if f.details != "" && st.Code != cqrpc.CodeOK {
		if raw, err := frame.DecodeBinary(f.details); err == nil {
			if d, err := cqrpc.ParseDetails([]byte(raw)); err == nil {
				st.Details = d.Details
			}
		}
	}
	return st
}
