package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	"github.com/cqrpc/cqrpc/benchmark/internal/usage"
)

// sample is one measurement of one contender in one round. Costs are per
// operation, or per thing that is held. What was not measured is zero.
type sample struct {
	Rate             float64 `json:"rate"`
	MBPerS           float64 `json:"mb_per_s"`
	P50              float64 `json:"p50_us"`
	P99              float64 `json:"p99_us"`
	P999             float64 `json:"p999_us"`
	ClientCPU        float64 `json:"client_cpu_us"`
	ServerCPU        float64 `json:"server_cpu_us"`
	ClientAllocs     float64 `json:"client_allocs"`
	ServerAllocs     float64 `json:"server_allocs"`
	ClientBytes      float64 `json:"client_bytes"`      // resident, of what is held
	ServerBytes      float64 `json:"server_bytes"`      // likewise
	ClientGoroutines float64 `json:"client_goroutines"` // likewise
	ServerGoroutines float64 `json:"server_goroutines"` // likewise
	Special          facts   `json:"special,omitzero"`  // of special rows
}

// samples are those of one row, by contender.
type samples map[string][]sample

// compare measures row by row, and each row round by round with the contenders in turn.
func (b *bench) compare(ctx context.Context, p plan) (*results, error) {
	res := &results{plan: p, samples: make(map[string]samples)}
	for _, r := range p.rows {
		of := make(samples)
		for round := range p.rounds {
			for _, c := range p.contenders {
				if !c.takesPart(r) || !b.can(r, c) {
					continue
				}
				fmt.Fprintf(os.Stderr, "%s, round %d: %s\n", r.name, round+1, c.name)
				s, err := b.trial(ctx, r, c)
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", r.name, c.name, err)
				}
				of[c.name] = append(of[c.name], s)
			}
		}
		res.samples[r.name] = of
	}
	return res, nil
}

// can reports whether the programs that c needs in r are there.
func (b *bench) can(r row, c contender) bool {
	client := c.ends.client
	if r.neutral {
		client = h2load
	}
	return b.programs[c.ends.server] != "" && b.programs[client] != ""
}

func (b *bench) trial(ctx context.Context, r row, c contender) (sample, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if r.special != nil {
		return r.special.measure(ctx, b, c)
	}
	if c.static != nil {
		return b.measureStatic(ctx, r, c)
	}
	server, addr, err := b.startServer(ctx, c, r.serverArgs()...)
	if err != nil {
		return sample{}, err
	}
	defer server.stop()
	before, err := server.usage()
	if err != nil {
		return sample{}, err
	}
	var rep load.Report
	switch {
	case r.neutral:
		rep, err = b.driveNeutral(ctx, r, addr, true)
	case r.load.Held > 0:
		return b.measureBeside(ctx, r, c, addr, server)
	case r.far:
		rep, err = b.driveFar(ctx, r, c, addr)
	case r.load.Mode.Idle():
		return b.measureHeld(ctx, r, c, addr, server, before)
	default:
		rep, err = b.drive(ctx, r, c, addr)
	}
	if err != nil {
		return sample{}, err
	}
	after, err := server.usage()
	return sampleOf(rep, after.Since(before)), err
}

// drive runs a client that ends by itself and returns its report.
func (b *bench) drive(ctx context.Context, r row, c contender, addr string) (rep load.Report, err error) {
	client, err := b.startClient(ctx, r, c, addr)
	if err != nil {
		return rep, err
	}
	text, err := client.last()
	if err != nil {
		return rep, err
	}
	return rep, json.Unmarshal([]byte(text), &rep)
}

func (b *bench) startClient(ctx context.Context, r row, c contender, addr string) (*process, error) {
	return start(ctx, b.programs[c.ends.client], slices.Concat([]string{"-addr", addr}, c.args, r.args())...)
}

// measureHeld measures what a server and a client cost that hold something open.
func (b *bench) measureHeld(
	ctx context.Context, r row, c contender, addr string, server *process, before usage.Usage,
) (sample, error) {
	client, err := b.startClient(ctx, r, c, addr)
	if err != nil {
		return sample{}, err
	}
	defer client.stop()
	rep, err := client.report()
	if err != nil {
		return sample{}, err
	}
	after, err := server.usage()
	used, n := after.Since(before), float64(rep.Ops)
	s := sampleOf(rep, used)
	s.ClientBytes, s.ServerBytes = rep.Bytes, float64(used.Resident)/n
	s.ClientGoroutines, s.ServerGoroutines = float64(rep.Goroutines)/n, float64(used.Goroutines)/n
	return s, err
}

// sampleOf joins what the client reports with what its server has used.
func sampleOf(rep load.Report, server usage.Usage) sample {
	n := float64(max(rep.OpsTotal, 1))
	return sample{
		Rate: rep.OpsPerS, MBPerS: rep.MBPerS, P50: rep.P50, P99: rep.P99, P999: rep.P999,
		ClientCPU: rep.CPU, ServerCPU: float64(server.CPU.Microseconds()) / n,
		ClientAllocs: rep.Allocs, ServerAllocs: float64(server.Mallocs) / n,
	}
}
