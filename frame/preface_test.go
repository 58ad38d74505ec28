package frame

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"golang.org/x/net/http2"
)

func TestReadPreface(t *testing.T) {
	const preface = http2.ClientPreface
	tests := []struct {
		name, in, want string
	}{
		{"preface", preface, ""},
		{"preface and frames", preface + rawFrame(4, 0, 0, ""), ""},
		{"nothing", "", "EOF"},
		{"cut", preface[:23], "unexpected EOF"},
		{"http/1.1", "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", `the HTTP/1 request line "GET /health HTTP/1.1"`},
		{"http/1.1, first letter alike", "POST / HTTP/1.1\r\n", `the HTTP/1 request line "POST / HTTP/1.1"`},
		{"http/2 in name only", "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", `received "PRI * HTTP/2.0\r\n\r\nXX`},
		{"tls", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "a TLS handshake (is this a plaintext port?)"},
		{"noise", "\x00\x01\x02", `received "\x00\x01\x02"`},
		{"long noise", strings.Repeat("z", 1000), `z"...`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := NewReader(strings.NewReader(test.in), ReaderConfig{})
			err := r.ReadPreface()
			checkText(t, err, test.want)
			var ce *ConnError
			if errors.As(err, &ce) && ce.Code != ProtocolError {
				t.Errorf("code %v, want %v", ce.Code, ProtocolError)
			}
			if _, next := r.Next(); err != nil && next != err {
				t.Errorf("after %v, Next returns %v", err, next)
			}
		})
	}
}

// A client that waits for an answer must get one although it sent less than a
// preface.
func TestReadPrefaceDoesNotWaitForAll(t *testing.T) {
	server, client := net.Pipe()
	defer server.Close()
	defer client.Close()
	go client.Write([]byte("GET / HTTP"))
	checkText(t, NewReader(server, ReaderConfig{}).ReadPreface(), "expected the HTTP/2 client preface")
}

func TestReadPrefaceOctetByOctet(t *testing.T) {
	in := http2.ClientPreface + rawFrame(4, 0, 0, "")
	r := NewReader(iotest.OneByteReader(strings.NewReader(in)), ReaderConfig{})
	if err := r.ReadPreface(); err != nil {
		t.Fatal(err)
	}
	if got := transcript(r); !slices.Equal(got, []string{"SETTINGS stream=0 len=0"}) {
		t.Errorf("after the preface: %q", got)
	}
}

func TestReaderForeignProtocols(t *testing.T) {
	tests := []struct {
		in, want string
		code     ErrCode
	}{
		{"HTTP/1.1 400 Bad Request\r\n\r\n", "an HTTP/1 response", FrameSizeError},
		{"HTTP/1.1", "an HTTP/1 response", ProtocolError},
		{"\x15\x03\x01\x00\x02\x02\x46", "a TLS alert (is this a TLS port?)", ProtocolError},
		{"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03", "a TLS handshake", FrameSizeError},
	}
	for _, test := range tests {
		r := NewReader(strings.NewReader(test.in), ReaderConfig{})
		_, err := r.Next()
		checkText(t, err, test.want)
		checkConnError(t, r, err, test.code)
	}
}
