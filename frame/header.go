package frame

import "strings"

// CheckRequest checks a decoded block against the rules for request headers
// (RFC 9113 sections 8.2.2 and 8.3.1): one :method, :scheme and non-empty
// :path, at most one :authority, no :status, no connection-specific field.
// It returns nil or a *[StreamError]; h.Err if that is set.
func CheckRequest(h *Headers) error {
	if h.hasPassed(asRequest) {
		return nil
	}
	seen, err := checkFields(h)
	if err != nil {
		return err
	}
	const required = pseudoMethod | pseudoScheme | pseudoPath
	switch {
	case seen&required != required:
		return malformed(h, "request without %s", firstOf(required&^seen))
	case seen&pseudoStatus != 0:
		return malformed(h, "request with :status")
	case h.Value(":path") == "":
		return malformed(h, "request with an empty :path")
	}
	h.pass(asRequest)
	return nil
}

// hasPassed reports whether a known block has passed a check before.
func (h *Headers) hasPassed(r rules) bool {
	return h.Known != nil && h.Known.passed&r != 0 && h.Err == nil
}

func (h *Headers) pass(r rules) {
	if h.Known != nil {
		h.Known.passed |= r
	}
}

// CheckResponse checks a decoded block against the rules for response headers,
// final or informational (RFC 9113 sections 8.1, 8.2.2, 8.3.2 and 8.6): one
// :status of three digits, no other pseudo-header field, no
// connection-specific field; neither 101 nor END_STREAM on another 1xx.
// It returns nil or a *[StreamError]; h.Err if that is set.
func CheckResponse(h *Headers) error {
	if h.hasPassed(asResponse) {
		return nil
	}
	seen, err := checkFields(h)
	if err != nil {
		return err
	}
	switch status := h.Value(":status"); {
	case seen&^pseudoStatus != 0:
		return malformed(h, "response with %s", firstOf(seen&^pseudoStatus))
	case seen == 0:
		return malformed(h, "response without :status")
	case !validStatus(status):
		return malformed(h, "response with :status %s", quoted([]byte(status)))
	case status == "101":
		return malformed(h, "response with :status 101, which HTTP/2 does not have")
	case status[0] == '1' && h.End:
		return malformed(h, "informational response with END_STREAM")
	case status[0] != '1': // else it depends on more than the fields
		h.pass(asResponse)
	}
	return nil
}

// CheckTrailers checks a decoded block against the rules for trailers
// (RFC 9113 sections 8.1 and 8.2.2): END_STREAM, no pseudo-header field, no
// connection-specific field. It returns nil or a *[StreamError]; h.Err if
// that is set.
func CheckTrailers(h *Headers) error {
	if h.End && h.hasPassed(asTrailers) {
		return nil
	}
	seen, err := checkFields(h)
	switch {
	case err != nil:
		return err
	case seen != 0:
		return malformed(h, "trailers with %s", firstOf(seen))
	case !h.End:
		return malformed(h, "trailers without END_STREAM")
	}
	h.pass(asTrailers)
	return nil
}

// checkFields applies what all blocks have in common and returns the
// pseudo-header fields that are present.
func checkFields(h *Headers) (seen pseudo, err error) {
	if h.Err != nil {
		return 0, h.Err
	}
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.IsPseudo() {
			p := pseudoOf(f.Name)
			if p == 0 || seen&p != 0 {
				return 0, malformed(h, "unknown or duplicate pseudo-header field %s", quoted([]byte(f.Name)))
			}
			seen |= p
			continue
		}
		if isConnectionSpecific(f) {
			return 0, malformed(h, "connection-specific header field %s", f.Name)
		}
	}
	return seen, nil
}

// isConnectionSpecific reports whether f belongs to HTTP/1.1 connections
// (RFC 9113 section 8.2.2). TE may only say that trailers are welcome.
func isConnectionSpecific(f *Field) bool {
	switch f.Name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		return true
	case "te":
		return !strings.EqualFold(f.Value, "trailers")
	}
	return false
}

// validStatus reports whether s is a status code: three digits, the first not
// zero (RFC 9110 section 15).
func validStatus(s string) bool {
	return len(s) == 3 && '1' <= s[0] && s[0] <= '9' && isDigit(s[1]) && isDigit(s[2])
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// firstOf names one field of a non-empty set.
func firstOf(set pseudo) string {
	for _, name := range [...]string{":method", ":scheme", ":path", ":authority", ":status"} {
		if pseudoOf(name)&set != 0 {
			return name
		}
	}
	return "no pseudo-header field"
}

func malformed(h *Headers, format string, args ...any) error {
	return streamErrorf(h.StreamID, ProtocolError, format, args...)
}
