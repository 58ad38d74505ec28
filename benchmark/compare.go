package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
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
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "work\timplementation\trate\tx grpc-go\tclient µs\tserver µs\tallocs\t")
	for _, m := range measurements {
		if m.wanted(p.only) {
			if err := compareRates(out, m, p); err != nil {
				return err
			}
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return compareIdle(p)
}

func compareRates(out *tabwriter.Writer, m measurement, p plan) error {
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
		fmt.Fprintf(out, "%s\t%s\t%.0f %s\t%.2f\t%.1f\t%.1f\t%.1f\t\n", m.name, impl.name, rate, m.unit, rate/base,
			of(func(s sample) float64 { return s.clientCPU }), of(func(s sample) float64 { return s.serverCPU }),
			of(func(s sample) float64 { return s.allocs }))
	}
	return out.Flush()
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
	fmt.Println()
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(out, "held idle\timplementation\tserver bytes each\tx grpc-go\tserver goroutines each\t")
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
			fmt.Fprintf(out, "%s\t%s\t%.0f\t%.2f\t%.2f\t\n",
				what.name, impl.name, costs[i].bytes, costs[i].bytes/base, costs[i].goroutines)
		}
	}
	return out.Flush()
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
