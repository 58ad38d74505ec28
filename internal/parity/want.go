package parity

import (
	"bytes"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cqrpc/cqrpc"
)

// Want ends the test unless err is nil. what is the step that failed.
func Want(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// WantCode ends the test unless err has the code.
func WantCode(t *testing.T, what string, err error, code cqrpc.Code) {
	t.Helper()
	if got := cqrpc.CodeOf(err); got != code {
		t.Fatalf("%s: %v, want %v", what, err, code)
	}
}

// WantStatus ends the test unless err has the code and the message.
func WantStatus(t *testing.T, what string, err error, code cqrpc.Code, message string) {
	t.Helper()
	WantCode(t, what, err, code)
	if got := cqrpc.StatusOf(err).Message; got != message {
		t.Fatalf("%s: message %q, want %q", what, got, message)
	}
}

// WantEnd ends the test unless err is io.EOF: all messages were read and the
// call ended OK, or, of a Send, the call has ended.
func WantEnd(t *testing.T, what string, err error) {
	t.Helper()
	if err != io.EOF { //nolint:errorlint // it is promised unwrapped
		t.Fatalf("%s: %v, want the end of messages and OK", what, err)
	}
}

// WantMetadata fails unless got has the values of all keys of sent, in order.
func WantMetadata(t *testing.T, where string, got, sent cqrpc.Metadata) {
	t.Helper()
	for _, p := range sent {
		if g, s := got.Values(p.Key), sent.Values(p.Key); !slices.Equal(g, s) {
			t.Errorf("%s: %s is %q, want %q", where, p.Key, g, s)
		}
	}
}

// wantBody ends the test unless got is exactly body.
func wantBody(t *testing.T, what string, got, body []byte) {
	t.Helper()
	if !bytes.Equal(got, body) {
		t.Fatalf("%s: %d bytes, want %d bytes as they were sent", what, len(got), len(body))
	}
}

// wantNext receives one response and ends the test unless it is body.
func wantNext(t *testing.T, s Output, body []byte) {
	t.Helper()
	res, err := s.Recv()
	Want(t, "Recv", err)
	wantBody(t, "response", res, body)
}

// wantDone ends the test unless the call has no more responses and ended OK.
func wantDone(t *testing.T, s Output) {
	t.Helper()
	_, err := s.Recv()
	WantEnd(t, "after the last response", err)
}

// wantFailure ends the test unless the call has no more responses and ended
// with the code.
func wantFailure(t *testing.T, s Output, code cqrpc.Code) {
	t.Helper()
	_, err := s.Recv()
	WantCode(t, "after the last response", err, code)
}

// begin returns what opened a stream, or ends the test.
func begin[S any](t *testing.T) func(s S, err error) S {
	return func(s S, err error) S {
		t.Helper()
		Want(t, "begin the call", err)
		return s
	}
}

// Noise is n bytes that no compressor makes smaller and no two seeds share.
func Noise(n int, seed uint64) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}
