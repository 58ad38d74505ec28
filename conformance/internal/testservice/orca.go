package testservice

import (
	"context"
	"sync"
	"time"

	orcapb "github.com/cncf/xds/go/xds/data/orca/v3"
	orcaservicepb "github.com/cncf/xds/go/xds/service/orca/v3"
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/internal/parity"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
)

// ORCAKey is the trailing metadata that has a call's load report (gRFC A51).
const ORCAKey = "endpoint-load-metrics-bin"

// shortestReport keeps a client from making the server spin.
const shortestReport = 10 * time.Millisecond

// LoadReport is what a backend says of itself, LoadReports the method of
// OpenRcaService that streams it.
type LoadReport = orcapb.OrcaLoadReport

// LoadReports is read only.
var LoadReports = call.Method[orcaservicepb.OrcaLoadReportRequest, LoadReport]{
	Name: "/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics", Shape: call.ServerStream,
}

// reportOf is what the tests want to see reported.
func reportOf(r *testpb.TestOrcaReport) *LoadReport {
	return &LoadReport{
		CpuUtilization: r.GetCpuUtilization(), MemUtilization: r.GetMemoryUtilization(),
		RequestCost: r.GetRequestCost(), Utilization: r.GetUtilization(),
	}
}

// perCall reports the load of one call in its trailer (orca_per_rpc).
func perCall(c parity.Call, r *testpb.TestOrcaReport) error {
	if r == nil {
		return nil
	}
	b, err := proto.Marshal(reportOf(r))
	if err != nil {
		return err
	}
	return c.SetTrailer(cqrpc.Pairs(ORCAKey, string(b)))
}

// load is the load of the server (orca_oob). One call at a time may set it, as
// the test descriptions want it, so that two clients do not see each other's.
type load struct {
	turn chan struct{} // holds one, the permission to set

	mu sync.Mutex
	// guarded by mu
	report *LoadReport
}

func newLoad() *load {
	l := &load{turn: make(chan struct{}, 1), report: new(LoadReport)}
	l.turn <- struct{}{}
	return l
}

// acquire waits for the turn of a call.
func (l *load) acquire(ctx context.Context) error {
	select {
	case <-l.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *load) release() { l.turn <- struct{}{} }

func (l *load) set(r *LoadReport) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.report = r
}

func (l *load) current() *LoadReport {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.report
}

// stream sends the load now and every so often, until the client is content.
func (l *load) stream(
	c parity.Call, req *orcaservicepb.OrcaLoadReportRequest, out parity.Sender[LoadReport],
) error {
	every := max(req.GetReportInterval().AsDuration(), shortestReport)
	for c.Context().Err() == nil {
		if err := out.Send(proto.CloneOf(l.current())); err != nil {
			return err
		}
		pause(c.Context(), every)
	}
	return c.Context().Err()
}
