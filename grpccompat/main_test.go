package grpccompat_test

import (
	"fmt"
	"io"
	"testing"

	"google.golang.org/grpc/grpclog"

	"github.com/cqrpc/cqrpc/internal/leak"
)

func TestMain(m *testing.M) {
	grpclog.SetLoggerV2(tattler{grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard)})
	leak.Main(m)
}

// tattler makes a panic of what ends the process: the interop cases of grpc-go
// report what does not conform with Fatal.
type tattler struct{ grpclog.LoggerV2 }

// finding is what a case of grpc-go has against its peer.
type finding string

func (tattler) Fatal(args ...any)                 { panic(finding(fmt.Sprint(args...))) }
func (tattler) Fatalln(args ...any)               { panic(finding(fmt.Sprintln(args...))) }
func (tattler) Fatalf(format string, args ...any) { panic(finding(fmt.Sprintf(format, args...))) }

// FatalDepth implements grpclog.DepthLoggerV2, which the components of grpc-go
// prefer.
func (tattler) FatalDepth(_ int, args ...any) { panic(finding(fmt.Sprintln(args...))) }
func (tattler) InfoDepth(int, ...any)         {}
func (tattler) WarningDepth(int, ...any)      {}
func (tattler) ErrorDepth(int, ...any)        {}

// report fails t with what a case has found.
func report(t *testing.T) {
	switch v := recover().(type) {
	case nil:
	case finding:
		t.Error(string(v))
	default:
		panic(v)
	}
}
