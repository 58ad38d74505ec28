// Package fatallog is for tests that run grpc-go's interop cases, which report what does not
// conform by Fatal of package grpclog, and so would end the process.
//
//	grpclog.SetLoggerV2(fatallog.Logger)   // in TestMain
//	defer fatallog.Report(t)                 // in a test, before it runs a case
//
// Logger implements the interfaces of package grpclog without importing it: the library's
// module does not depend on grpc-go. Report is for the goroutine that runs the case.
package fatallog

import (
	"fmt"
	"testing"
)

// Logger is a grpclog.LoggerV2 and grpclog.DepthLoggerV2 that is silent, and makes a panic
// of Fatal, for Report. It has no state.
var Logger logger

type logger struct{}

// finding is what a case of grpc-go has against its peer.
type finding string

// Report fails t with what a case has found. It is deferred.
func Report(t testing.TB) {
	switch v := recover().(type) {
	case nil:
	case finding:
		t.Error(string(v))
	default:
		panic(v)
	}
}

// Fatal panics with a finding, and so do the other methods of that name.
func (logger) Fatal(args ...any)                 { panic(finding(fmt.Sprint(args...))) }
func (logger) Fatalln(args ...any)               { panic(finding(fmt.Sprintln(args...))) }
func (logger) Fatalf(format string, args ...any) { panic(finding(fmt.Sprintf(format, args...))) }
func (logger) FatalDepth(_ int, args ...any)     { panic(finding(fmt.Sprintln(args...))) }

// Info does nothing, and so do the other methods but V.
func (logger) Info(...any)              {}
func (logger) Infoln(...any)            {}
func (logger) Infof(string, ...any)     {}
func (logger) InfoDepth(int, ...any)    {}
func (logger) Warning(...any)           {}
func (logger) Warningln(...any)         {}
func (logger) Warningf(string, ...any)  {}
func (logger) WarningDepth(int, ...any) {}
func (logger) Error(...any)             {}
func (logger) Errorln(...any)           {}
func (logger) Errorf(string, ...any)    {}
func (logger) ErrorDepth(int, ...any)   {}

// V reports that nothing is logged, at any level.
func (logger) V(int) bool { return false }
