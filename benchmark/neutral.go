package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
)

// driveNeutral drives a server with h2load, which knows no gRPC: a call is a POST
// whose body is one message.
func (b *bench) driveNeutral(ctx context.Context, r row, addr string, isGRPC bool) (load.Report, error) {
	// h2load counts no operations of a warm-up, so there is none: the server's
	// usage is divided by all operations.
	seconds := max(int(r.load.Duration.Round(time.Second)/time.Second), 1)
	args := []string{
		"-D", strconv.Itoa(seconds), "-c", strconv.Itoa(r.load.Conns), "-m", strconv.Itoa(r.load.Streams), "-t", "1",
	}
	url := "http://" + addr + "/" + staticName
	if isGRPC {
		body, err := b.requestFile(r.load.Size)
		if err != nil {
			return load.Report{}, err
		}
		args = append(args, "-d", body, "-H", "content-type: application/grpc", "-H", "te: trailers")
		url = "http://" + addr + service.UnaryName
	}
	text, err := output(ctx, b.programs[h2load], append(args, url)...)
	if err != nil {
		return load.Report{}, err
	}
	return readH2load(text, r.load.Size)
}

// requestFile holds a request as a body: no compression, the length, the
// message (gRPC over HTTP/2, Length-Prefixed-Message).
func (b *bench) requestFile(size int) (string, error) {
	name := filepath.Join(b.dir, fmt.Sprintf("request-%d", size))
	message, err := proto.Marshal(service.Request(size))
	if err != nil {
		return "", err
	}
	n := len(message)
	body := append([]byte{0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}, message...)
	return name, os.WriteFile(name, body, 0o600)
}

var (
	h2loadRate = regexp.MustCompile(`finished in [^,]+, ([0-9.]+) req/s`)
	h2loadDone = regexp.MustCompile(`requests: [0-9]+ total, [0-9]+ started, ([0-9]+) done, ([0-9]+) succeeded`)
	h2loadData = regexp.MustCompile(`\(([0-9]+)\) data`)
	h2loadTime = regexp.MustCompile(`time for request: +\S+ +\S+ +([0-9.]+)(us|ms|s)`)
)

// readH2load reads what h2load prints. It gives no quantiles; its mean stands
// for the median. A gRPC call that failed has status 200 too, but no data.
func readH2load(text string, size int) (rep load.Report, err error) {
	rate, done := h2loadRate.FindStringSubmatch(text), h2loadDone.FindStringSubmatch(text)
	data, mean := h2loadData.FindStringSubmatch(text), h2loadTime.FindStringSubmatch(text)
	if rate == nil || done == nil || data == nil || mean == nil {
		return rep, fmt.Errorf("h2load says:\n%s", text)
	}
	if done[1] != done[2] {
		return rep, fmt.Errorf("h2load: %s of %s requests succeeded", done[2], done[1])
	}
	rep.Mode = load.Unary
	if rep.OpsPerS, err = strconv.ParseFloat(rate[1], 64); err != nil {
		return rep, err
	}
	if rep.Ops, err = strconv.ParseInt(done[1], 10, 64); err != nil {
		return rep, err
	}
	bytes, err := strconv.ParseInt(data[1], 10, 64)
	if err != nil || bytes < rep.Ops*int64(size) {
		return rep, fmt.Errorf("h2load: %d responses with %s bytes in all", rep.Ops, data[1])
	}
	rep.OpsTotal, rep.MBPerS = rep.Ops, rep.OpsPerS*float64(size)/1e6
	took, err := time.ParseDuration(mean[1] + mean[2])
	rep.P50 = float64(took) / float64(time.Microsecond)
	return rep, err
}
