// Benchmark compares cqrpc, in every style, with other implementations of gRPC
// on this machine:
//
//	go run ./benchmark             # everything: about half an hour
//	go run ./benchmark -quick      # a look, in a minute or two
//
// It builds cmd/bench-server and cmd/bench-client and runs a pair of processes
// for each row and contender, on loopback, the contenders in turn within each
// round; medians of the rounds are reported. On a shared machine only ratios of
// one run mean anything. The report goes to standard output and to
// benchmark/results, see docs/performance.md. Some rows have programs of their
// own: cmd/fanout, internal/size.
//
// # Where to find what
//
//	main, trial                     the command line; measuring, round by round
//	process                         the programs that are measured, built and run
//	row, special, neutral, beside   kinds of work: under load, and others
//	static, cpp                     contenders that are not Go
//	report, table, chart, front     what was measured, as pages; front is README's table
//	mark, growth                    what we want it to be
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"
)

func main() {
	var p plan
	flag.IntVar(&p.rounds, "rounds", 3, "how often everything is measured")
	flag.DurationVar(&p.duration, "d", time.Second, "how long one measurement lasts")
	flag.DurationVar(&p.warmup, "warmup", 300*time.Millisecond, "how long to run before measuring")
	flag.DurationVar(&p.settle, "settle", 3*time.Second, "how long idle connections do nothing before they are weighed")
	flag.IntVar(&p.streams, "streams", 100_000, "idle streams to hold")
	flag.IntVar(&p.conns, "conns", 5000, "idle connections to hold")
	flag.BoolVar(&p.million, "million", false, "measure a million idle streams too: minutes, and gigabytes")
	rows := flag.String("rows", "", "regular expression: only rows whose name matches")
	with := flag.String("with", "", "regular expression: only contenders whose name matches")
	quick := flag.Bool("quick", false, "one short round with some contenders")
	out := flag.String("out", "", "directory of the report; default: benchmark/results; -: none")
	from := flag.String("from", "", "report on the samples of this file, a latest.json, and measure nothing")
	readme := flag.String("readme", "", "file in which to replace what is between the benchmark markers")
	flag.Parse()
	if *quick {
		p.rounds, p.duration, p.warmup, p.streams, p.conns = 1, 300*time.Millisecond, 100*time.Millisecond, 2000, 100
		p.settle = time.Second
		if *with == "" {
			*with = "^cqrpc (raw|sync|queue)$|^grpc-go$"
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := p.choose(*rows, *with)
	if err == nil {
		err = p.report(ctx, *from, *out, *readme)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "benchmark:", err)
		os.Exit(1)
	}
}

// choose adds to the plan the rows and the contenders whose names match.
func (p *plan) choose(rows, contenders string) error {
	rowPattern, err := regexp.Compile(rows)
	if err != nil {
		return err
	}
	withPattern, err := regexp.Compile(contenders)
	if err != nil {
		return err
	}
	for _, r := range allRows(*p) {
		if rowPattern.MatchString(r.name) && p.wants(r) {
			p.rows = append(p.rows, r)
		}
	}
	for _, c := range allContenders() {
		if withPattern.MatchString(c.name) {
			p.contenders = append(p.contenders, c)
		}
	}
	return nil
}

// report measures what the plan has, or takes what was measured from a file, and writes it
// to a directory and into a README.
func (p plan) report(ctx context.Context, from, out, readme string) error {
	res, err := p.results(ctx, from)
	if err != nil {
		return err
	}
	return res.write(out, readme)
}

// wants reports whether a row is not too large for the plan.
func (p plan) wants(r row) bool {
	if r.special != nil && r.special.million {
		return p.million
	}
	return r.load.Held <= 10*p.streams
}

// results measures, or reads what was measured.
func (p plan) results(ctx context.Context, from string) (*results, error) {
	if from != "" {
		return recorded(from, p)
	}
	b, err := newBench(ctx, p.contenders)
	if err != nil {
		return nil, err
	}
	defer b.close()
	return b.compare(ctx, p)
}

// plan is what to compare and for how long.
type plan struct {
	rounds, streams, conns   int
	million                  bool
	duration, warmup, settle time.Duration
	rows                     []row
	contenders               []contender
}
