package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"time"
)

// plan is what to compare and for how long.
type plan struct {
	rounds   int
	duration time.Duration
	streams  int
	conns    int
	only     string
}

// sample is one measurement of one implementation in one round.
type sample struct {
	rate      float64 // operations per second
	clientCPU float64 // microseconds per operation
	serverCPU float64
	allocs    float64 // per operation, both ends
}

// compare runs everything and prints the table.
func compare(p plan) error {
	fmt.Printf("cqrpc beside grpc-go: %s/%s, %d CPUs, %s, %d rounds of %v, medians\n\n",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), p.rounds, p.duration)
	fmt.Printf("%-15s %-12s %17s %9s %10s %10s %7s\n",
		"work", "with", "rate", "x grpc-go", "client µs", "server µs", "allocs")
	for _, m := range measurements {
		if m.wanted(p.only) {
			if err := compareRates(m, p); err != nil {
				return err
			}
		}
	}
	return compareIdle(p)
}

func compareRates(m measurement, p plan) error {
	samples := make(map[string][]sample)
	for range p.rounds {
		for _, impl := range implementations {
			s, err := sampleOf(impl, m, p.duration)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", m.name, impl.name, err)
			}
			samples[impl.name] = append(samples[impl.name], s)
		}
	}
	base := median(samples[baseline], func(s sample) float64 { return s.rate })
	for _, impl := range implementations {
		of := func(f func(sample) float64) float64 { return median(samples[impl.name], f) }
		rate := of(func(s sample) float64 { return s.rate })
		fmt.Printf("%-15s %-12s %9.0f %-7s %9.2f %10.1f %10.1f %7.1f\n", m.name, impl.name, rate, m.unit, rate/base,
			of(func(s sample) float64 { return s.clientCPU }), of(func(s sample) float64 { return s.serverCPU }),
			of(func(s sample) float64 { return s.allocs }))
	}
	return nil
}

func median(samples []sample, f func(sample) float64) float64 {
	values := make([]float64, len(samples))
	for i, s := range samples {
		values[i] = f(s)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// sampleOf measures one implementation once, in two processes.
func sampleOf(impl implementation, m measurement, d time.Duration) (sample, error) {
	server, addr, err := startServer(impl)
	if err != nil {
		return sample{}, err
	}
	defer server.stop()
	before, err := server.usage(false)
	if err != nil {
		return sample{}, err
	}
	client, err := start("-drive", impl.name, "-scenario", m.name, "-addr", addr, "-d", d.String())
	if err != nil {
		return sample{}, err
	}
	defer client.stop()
	text, err := client.line()
	if err != nil {
		return sample{}, err
	}
	after, err := server.usage(false)
	if err != nil {
		return sample{}, err
	}
	var r result
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return sample{}, err
	}
	// The server was watched during the warm-up too: scale to the measured time.
	share := d.Seconds() / (d + warmup).Seconds()
	ops := float64(max(r.Ops, 1))
	return sample{
		rate:      ops / r.Wall,
		clientCPU: r.CPU / ops * 1e6,
		serverCPU: (after.CPU - before.CPU) * share / ops * 1e6,
		allocs:    (float64(r.Allocs) + float64(after.Mallocs-before.Mallocs)*share) / ops,
	}, nil
}

func startServer(impl implementation) (*child, string, error) {
	server, err := start("-serve", impl.name)
	if err != nil {
		return nil, "", err
	}
	addr, err := server.line()
	return server, addr, err
}

// compareIdle prints what streams and connections cost a server that does
// nothing with them.
func compareIdle(p plan) error {
	fmt.Printf("\n%-26s %-12s %12s %9s %16s\n",
		"held idle, server's cost", "with", "bytes each", "x grpc-go", "goroutines each")
	for _, what := range []struct {
		name, scenario string
		n              int
	}{{"bidi stream", "idle", p.streams}, {"connection with one stream", "conns", p.conns}} {
		costs := make([]idleCost, len(implementations))
		for i, impl := range implementations {
			cost, err := idleCostOf(impl, what.scenario, what.n)
			if err != nil {
				return fmt.Errorf("idle %s, %s: %w", what.name, impl.name, err)
			}
			costs[i] = cost
		}
		base := costs[len(costs)-1].bytes
		for i, impl := range implementations {
			fmt.Printf("%-26s %-12s %12.0f %9.2f %16.2f\n",
				what.name, impl.name, costs[i].bytes, costs[i].bytes/base, costs[i].goroutines)
		}
	}
	return nil
}

// idleCost is what one held thing costs the server.
type idleCost struct{ bytes, goroutines float64 }

func idleCostOf(impl implementation, scenario string, n int) (idleCost, error) {
	server, addr, err := startServer(impl)
	if err != nil {
		return idleCost{}, err
	}
	defer server.stop()
	before, err := server.usage(true)
	if err != nil {
		return idleCost{}, err
	}
	client, err := start("-drive", impl.name, "-scenario", fmt.Sprintf("%s %d", scenario, n), "-addr", addr)
	if err != nil {
		return idleCost{}, err
	}
	defer client.stop()
	if _, err := client.line(); err != nil {
		return idleCost{}, err
	}
	after, err := server.usage(true)
	if err != nil {
		return idleCost{}, err
	}
	return idleCost{
		bytes:      float64(after.RSS-before.RSS) / float64(n),
		goroutines: float64(after.Goroutines-before.Goroutines) / float64(n),
	}, nil
}
