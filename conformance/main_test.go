package conformance

import (
	"os"
	"testing"

	"google.golang.org/grpc/grpclog"

	"github.com/cqrpc/cqrpc/internal/fatallog"
	"github.com/cqrpc/cqrpc/internal/leak"
)

func TestMain(m *testing.M) {
	if caller := os.Getenv("CQRPC_PROXIED"); caller != "" {
		proxied(caller)
		return
	}
	grpclog.SetLoggerV2(fatallog.Logger)
	leak.Main(m)
}
