package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// results is what one run has found.
type results struct {
	plan    plan
	samples map[string]samples // by row
}

// write writes the report to standard output and to the directory out, and its
// short form into readme.
func (r *results) write(out, readme string) error {
	text := r.markdown()
	if _, err := io.WriteString(os.Stdout, text); err != nil {
		return err
	}
	if out != "-" {
		if err := r.save(out, text); err != nil {
			return err
		}
	}
	if readme != "" {
		return replaceMarked(readme, r.frontPage())
	}
	return nil
}

// save writes latest.md, latest.svg and latest.json.
func (r *results) save(out, text string) error {
	if out == "" {
		dir, err := moduleDir(context.Background())
		if err != nil {
			return err
		}
		out = filepath.Join(dir, "results")
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	data, err := json.Marshal(record{r.plan.rounds, r.plan.duration, r.plan.warmup, r.samples})
	if err != nil {
		return err
	}
	for name, content := range map[string]string{
		"latest.md": text, "latest.svg": r.chart(), "latest.json": string(data) + "\n",
	} {
		if err := os.WriteFile(filepath.Join(out, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// record is latest.json.
type record struct {
	Rounds   int                `json:"rounds"`
	Duration time.Duration      `json:"duration_ns"`
	Warmup   time.Duration      `json:"warmup_ns"`
	Samples  map[string]samples `json:"samples"` // by row
}

// recorded is what an earlier run has found, as far as p wants it.
func recorded(name string, p plan) (*results, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var rec record
	if err := json.Unmarshal(data, &rec); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p.rounds, p.duration, p.warmup = rec.Rounds, rec.Duration, rec.Warmup
	return &results{plan: p, samples: rec.Samples}, nil
}

// markdown is the whole report.
func (r *results) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# cqrpc beside other implementations\n\n"+
		"%s/%s, %d processors, %s; %d rounds of %v after %v of warm-up, medians.\n"+
		"Client and server are processes of their own, on loopback. Only ratios of one run\n"+
		"mean anything. Columns and marks: docs/performance.md.\n\n",
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version(), r.plan.rounds, r.plan.duration, r.plan.warmup)
	r.rates(&b)
	r.idle(&b)
	r.styles(&b)
	r.specials(&b)
	r.marks(&b)
	return b.String()
}

func (r *results) rates(b *strings.Builder) {
	t := table{head: []string{
		"work", "with", "per second", "× grpc-go", "MB/s", "p50 µs", "p99 µs", "client CPU µs", "server CPU µs",
		"client allocs", "server allocs",
	}}
	r.each(false, func(row row, c contender, of samples) {
		m := func(f func(sample) float64) float64 { return median(of[c.name], f) }
		t.add(row.name, c.name, short(m(rate.of)), short(m(rate.of)/median(of[grpcGo], rate.of)),
			short(m(func(s sample) float64 { return s.MBPerS })), known(m(p50.of)), known(m(p99.of)),
			known(m(func(s sample) float64 { return s.ClientCPU })), known(m(serverCPU.of)),
			known(m(func(s sample) float64 { return s.ClientAllocs })),
			known(m(func(s sample) float64 { return s.ServerAllocs })))
	})
	t.print(b)
}

func (r *results) idle(b *strings.Builder) {
	t := table{head: []string{
		"held", "with", "server bytes each", "× grpc-go", "client bytes each", "server goroutines each",
		"client goroutines each",
	}}
	r.each(true, func(row row, c contender, of samples) {
		m := func(f func(sample) float64) float64 { return median(of[c.name], f) }
		t.add(row.name, c.name, short(m(serverBytes.of)), short(m(serverBytes.of)/median(of[grpcGo], serverBytes.of)),
			short(m(clientBytes.of)), short(m(serverGos.of)), short(m(clientGos.of)))
	})
	t.print(b)
}

// styles is what each style adds to batches.
func (r *results) styles(b *strings.Builder) {
	t := table{head: []string{"what a style adds to raw batches", "with", "CPU of both, × raw", "allocs of both, + raw"}}
	r.each(false, func(row row, c contender, of samples) {
		if !strings.HasPrefix(c.name, "cqrpc ") || c.name == raw || len(of[raw]) == 0 || row.neutral || row.far {
			return
		}
		t.add(row.name, c.name, short(median(of[c.name], bothCPU.of)/median(of[raw], bothCPU.of)),
			short(median(of[c.name], bothAllocs.of)-median(of[raw], bothAllocs.of)))
	})
	t.print(b)
}

// marks says which marks hold.
func (r *results) marks(b *strings.Builder) {
	t := table{head: []string{"work", "with", "mark", "measured", "holds"}}
	for _, m := range marks {
		if value, holds, ok := m.verdict(r.samples[m.row]); ok {
			t.add(m.row, m.with, m.String(), short(value), map[bool]string{true: "yes", false: "no"}[holds])
		}
	}
	for _, g := range growths {
		if value, holds, ok := g.verdict(r.samples); ok {
			t.add(g.row, g.with, g.String(), short(value), map[bool]string{true: "yes", false: "no"}[holds])
		}
	}
	t.print(b)
}

// each visits what was measured, in the order of rows and contenders.
func (r *results) each(idle bool, f func(row, contender, samples)) {
	for _, row := range r.plan.rows {
		of := r.samples[row.name]
		for _, c := range r.plan.contenders {
			if row.special == nil && row.load.Mode.Idle() == idle && c.takesPart(row) && len(of[c.name]) > 0 {
				f(row, c, of)
			}
		}
	}
}

// known is short, but nothing for what was not measured.
func known(v float64) string {
	if v == 0 {
		return ""
	}
	return short(v)
}

// short is a number with three digits; nothing for what is not one.
func short(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return ""
	case math.Abs(v) >= 100:
		digits := int(math.Log10(math.Abs(v))) - 2
		unit := math.Pow10(max(digits, 0))
		return strconv.FormatFloat(math.Round(v/unit)*unit, 'f', 0, 64)
	case math.Abs(v) < 0.005:
		return "0"
	default:
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
}
