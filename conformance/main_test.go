package conformance

import (
	"testing"

	"google.golang.org/grpc/grpclog"

	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/tattle"
)

func TestMain(m *testing.M) {
	grpclog.SetLoggerV2(tattle.Logger)
	leak.Main(m)
}
