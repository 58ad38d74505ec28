package reflection

import (
	"testing"

	"google.golang.org/protobuf/proto"

	pb "github.com/cqrpc/cqrpc/internal/gen/reflectionpb"
)

// A stream that rests holds nothing of what its client has asked.
func TestRequestIsForgotten(t *testing.T) {
	x := &session{req: pb.ServerReflectionRequest{Host: "x"}}
	if x.OnWriteDone(true); proto.Size(&x.req) != 0 {
		t.Errorf("%d octets are kept", proto.Size(&x.req))
	}
}
