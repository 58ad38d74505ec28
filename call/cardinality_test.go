package call

import (
	"testing"

	"github.com/cqrpc/cqrpc"
)

// unaryRig is a client's call of a method with one response, which was started in one batch, "all",
// and has got the response's headers.
type unaryRig struct {
	*rig
	status  cqrpc.Status
	message string
}

func newUnaryRig(t *testing.T) *unaryRig {
	u := &unaryRig{rig: newRig(t, func(cfg *Config, _ *fakeOpener) { cfg.OneMessage = true })}
	u.start("all", SendInitialMetadata(nil), SendClose(), RecvValue(&u.message, nil), RecvStatus(&u.status, nil))
	u.accept()
	u.response()
	return u
}

// A method that is not a stream on the peer's side has exactly one message from there.
func TestOneMessage(t *testing.T) {
	for _, tt := range []struct {
		name string
		data string
		want cqrpc.Code
	}{
		{"none", "", cqrpc.CodeUnimplemented},
		{"one", wire("a"), cqrpc.CodeOK},
		{"two", wire("a") + wire("b"), cqrpc.CodeUnimplemented},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := newUnaryRig(t)
			if tt.data != "" {
				u.data(tt.data, false)
			}
			if !u.stream().isReset() {
				u.trailers("grpc-status", "0")
			}
			u.want("over", "all")
			if u.status.Code != tt.want {
				t.Errorf("status %v", u.status)
			}
		})
	}
}
