package grpccompat_test

import (
	"testing"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/grpclog"

	"github.com/cqrpc/cqrpc/internal/fatallog"
	"github.com/cqrpc/cqrpc/internal/leak"
)

// A process has one such logger, which also keeps the connections of grpc-go from being
// told about.
var (
	_ grpclog.LoggerV2      = fatallog.Logger
	_ grpclog.DepthLoggerV2 = fatallog.Logger
)

// TestMain also fills grpc-go's registry of codecs, which has no lock: it must not be written while a server of
// another test looks something up.
func TestMain(m *testing.M) {
	grpclog.SetLoggerV2(fatallog.Logger)
	encoding.RegisterCodecV2(angledV2{angled{"registered"}})
	leak.Main(m)
}
