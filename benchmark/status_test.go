package benchmark

import (
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cqrpc/cqrpc"
)

var sink error

// BenchmarkStatusError makes the error of a failed RPC from its status and
// reads the code back, in each of the two libraries.
func BenchmarkStatusError(b *testing.B) {
	b.Run("cqrpc", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sink = cqrpc.Status{Code: cqrpc.CodeNotFound, Message: "no such user"}.Err()
			if cqrpc.CodeOf(sink) != cqrpc.CodeNotFound {
				b.Fatal(sink)
			}
		}
	})
	b.Run("grpc-go", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sink = status.Error(codes.NotFound, "no such user")
			if status.Code(sink) != codes.NotFound {
				b.Fatal(sink)
			}
		}
	})
}

// Both libraries find the status of an error that has been wrapped.
func TestStatusSurvivesWrapping(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		code func(error) uint32
	}{
		"cqrpc": {
			cqrpc.Status{Code: cqrpc.CodeAborted}.Err(),
			func(err error) uint32 { return uint32(cqrpc.CodeOf(err)) },
		},
		"grpc-go": {
			status.Error(codes.Aborted, ""),
			func(err error) uint32 { return uint32(status.Code(err)) },
		},
	} {
		if got := tc.code(errors.Join(errors.New("while saving"), tc.err)); got != uint32(codes.Aborted) {
			t.Errorf("%s: code %d", name, got)
		}
	}
}
