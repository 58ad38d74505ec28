package frame

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"

	"golang.org/x/net/http2"
)

// maxQuoted is how much of something unexpected is quoted in an error.
const maxQuoted = 64

// ReadPreface reads the client connection preface, the 24 octets a server
// expects before the first frame (RFC 9113 section 3.4). The first octet that
// differs ends it with a *[ConnError] that says what arrived instead; io.EOF
// means that nothing arrived at all.
func (r *Reader) ReadPreface() error {
	if r.err == nil {
		r.err = r.readPreface()
	}
	return r.err
}

func (r *Reader) readPreface() error {
	for n := 1; ; n = r.src.buffered() + 1 {
		p, err := r.src.peek(min(n, len(http2.ClientPreface)))
		if w := r.src.window(); !isPreface(w) {
			return connErrorf(ProtocolError, "expected the HTTP/2 client preface, received %s", describe(w))
		}
		switch {
		case errors.Is(err, io.EOF) && len(p) > 0:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		case r.src.buffered() >= len(http2.ClientPreface):
			r.src.skip(len(http2.ClientPreface))
			return nil
		}
	}
}

// isPreface reports whether p may be the beginning of a preface and what
// follows it.
func isPreface(p []byte) bool {
	n := min(len(p), len(http2.ClientPreface))
	return string(p[:n]) == http2.ClientPreface[:n]
}

// describe says in words what p, which is no preface, seems to be.
func describe(p []byte) string {
	if words := foreign(p); words != "" {
		return words
	}
	line, _, whole := bytes.Cut(p, []byte("\r\n"))
	if whole && bytes.Contains(line, []byte(" HTTP/1.")) {
		return "the HTTP/1 request line " + quoted(line)
	}
	return quoted(p)
}

// foreign names the well-known protocols that are mistaken for ours: p is
// what came in the place of a preface or frame header.
func foreign(p []byte) string {
	switch {
	case len(p) >= 2 && p[0] == 0x16 && p[1] == 0x03:
		return "a TLS handshake (is this a plaintext port?)"
	case len(p) >= 2 && p[0] == 0x15 && p[1] == 0x03:
		return "a TLS alert (is this a TLS port?)"
	case bytes.HasPrefix(p, []byte("HTTP/1.")):
		return "an HTTP/1 response"
	}
	return ""
}

// quoted quotes p, shortened.
func quoted(p []byte) string {
	if len(p) > maxQuoted {
		return fmt.Sprintf("%q...", p[:maxQuoted])
	}
	return strconv.Quote(string(p))
}
