package conformance

import (
	"testing"

	"google.golang.org/grpc/grpclog"

	"github.com/cqrpc/cqrpc/internal/fatallog"
	"github.com/cqrpc/cqrpc/internal/leak"
)

func TestMain(m *testing.M) {
	grpclog.SetLoggerV2(fatallog.Logger)
	leak.Main(m)
}
