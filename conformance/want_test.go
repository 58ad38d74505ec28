package conformance

import (
	"bytes"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/cqrpc/cqrpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// want ends the test unless err is nil. what is the step that failed.
func want(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// wantCode ends the test unless err has the code.
func wantCode(t *testing.T, what string, err error, code cqrpc.Code) {
	t.Helper()
	if got := cqrpc.CodeOf(err); got != code {
		t.Fatalf("%s: %v, want %v", what, err, code)
	}
}

// wantEnd ends the test unless err is io.EOF: all messages were read and the
// call ended OK.
func wantEnd(t *testing.T, what string, err error) {
	t.Helper()
	if err != io.EOF {
		t.Fatalf("%s: %v, want the end of messages and OK", what, err)
	}
}

// begin returns what opened a stream, or ends the test.
func begin[S any](t *testing.T) func(s S, err error) S {
	return func(s S, err error) S {
		t.Helper()
		want(t, "begin the call", err)
		return s
	}
}

// noise is n bytes that no compressor makes smaller and no two seeds share.
func noise(n int, seed uint64) []byte {
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(key).Read(b)
	return b
}

// wantBody ends the test unless p holds exactly body.
func wantBody(t *testing.T, what string, p *testpb.Payload, body []byte) {
	t.Helper()
	if !bytes.Equal(p.GetBody(), body) {
		t.Fatalf("%s: payload of %d bytes, want %d bytes as they were sent", what, len(p.GetBody()), len(body))
	}
}

// carrying is a request of duplex calls with a payload.
func carrying(body []byte) *outputRequest {
	return &outputRequest{Payload: &testpb.Payload{Body: body}}
}

// asking is a request for responses of the given sizes.
func asking(sizes ...int32) *outputRequest {
	req := new(outputRequest)
	for _, n := range sizes {
		req.ResponseParameters = append(req.ResponseParameters, &testpb.ResponseParameters{Size: n})
	}
	return req
}
