package grpccompat_test

import (
	"testing"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/grpclog"

	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/tattle"
)

// A process has one such logger, which also keeps the connections of grpc-go from being
// told about.
var (
	_ grpclog.LoggerV2      = tattle.Logger
	_ grpclog.DepthLoggerV2 = tattle.Logger
)

// TestMain also fills grpc-go's registry of codecs, which has no lock: it must not be written while a server of
// another test looks something up.
func TestMain(m *testing.M) {
	grpclog.SetLoggerV2(tattle.Logger)
	encoding.RegisterCodecV2(angledV2{angled{"registered"}})
	leak.Main(m)
}
