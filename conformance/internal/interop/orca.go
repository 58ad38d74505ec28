package interop

import (
	"context"
	"fmt"
	"time"

	orcaservicepb "github.com/cncf/xds/go/xds/service/orca/v3"
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/conformance/internal/testservice"
	"github.com/cqrpc/cqrpc/internal/parity"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// orcaPerRPC reads the report where it is, in the trailer: no balancer takes it.
func orcaPerRPC(ctx context.Context, c *Client) error {
	load := &testpb.TestOrcaReport{
		CpuUtilization: 0.8210, MemoryUtilization: 0.5847,
		RequestCost: map[string]float64{"cost": 3456.32}, Utilization: map[string]float64{"util": 0.30499},
	}
	var trailer cqrpc.Metadata
	_, err := c.simple(ctx, &testpb.SimpleRequest{OrcaPerQueryReport: load}, parity.Options{Trailer: &trailer})
	if err != nil {
		return err
	}
	got := new(testservice.LoadReport)
	if err := proto.Unmarshal([]byte(trailer.Get(testservice.ORCAKey)), got); err != nil {
		return fmt.Errorf("%s: %w", testservice.ORCAKey, err)
	}
	want := &testservice.LoadReport{
		CpuUtilization: 0.8210, MemUtilization: 0.5847,
		RequestCost: map[string]float64{"cost": 3456.32}, Utilization: map[string]float64{"util": 0.30499},
	}
	if !proto.Equal(got, want) {
		return fmt.Errorf("load report %v, want %v", got, want)
	}
	return nil
}

// orcaOutOfBand sets the server's load twice, by a call that lasts, and looks
// each time at what the server reports.
func orcaOutOfBand(ctx context.Context, c *Client) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := c.duplex(ctx, parity.Options{})
	if err != nil {
		return err
	}
	for _, load := range []*testpb.TestOrcaReport{
		{CpuUtilization: 0.8210, MemoryUtilization: 0.5847, Utilization: map[string]float64{"util": 0.30499}},
		{CpuUtilization: 0.29309, MemoryUtilization: 0.2, Utilization: map[string]float64{"util": 0.2039}},
	} {
		err := s.send(&testservice.OutputRequest{
			OrcaOobReport: load, ResponseParameters: []*testpb.ResponseParameters{{Size: 1}},
		})
		if err != nil {
			return err
		}
		if _, err := wantNext(s.responses, 1); err != nil {
			return err
		}
		if err := c.wantReport(ctx, &testservice.LoadReport{
			CpuUtilization: load.CpuUtilization, MemUtilization: load.MemoryUtilization, Utilization: load.Utilization,
		}); err != nil {
			return err
		}
	}
	return s.end()
}

// wantReport waits until the server reports want. It asks anew each time: the
// first report comes at once, while a server may think any interval too short.
func (c *Client) wantReport(ctx context.Context, want *testservice.LoadReport) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req, err := proto.Marshal(&orcaservicepb.OrcaLoadReportRequest{ReportInterval: durationpb.New(time.Second)})
	if err != nil {
		return err
	}
	stream, err := c.caller.ServerStream(ctx, req, c.options(testservice.LoadReports.Name, parity.Options{}))
	if err != nil {
		return err
	}
	s := reports{stream}
	for {
		got, err := s.recv()
		if err != nil {
			return fmt.Errorf("no report %v: %w", want, err)
		}
		if proto.Equal(got, want) {
			cancel()
			_, err := s.recv()
			for err == nil { // what was on its way
				_, err = s.recv()
			}
			return wantCode(err, cqrpc.CodeCanceled)
		}
	}
}
