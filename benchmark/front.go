package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// front is the rows of the front page: one of each kind, the weakest among them.
var front = []string{
	unary1, unary100, timed100, tls100, openLoop, h2load32, pingPong, down32, down1K, down1M, up64K,
	idleStream, idleConn, beside100k, besideBusy, besideSlow, farDown,
}

// frontPage is the table for the front page: ratios to grpc-go.
func (r *results) frontPage() string {
	shown := []string{queue, inline, future, sync}
	t := table{head: append([]string{"work", "grpc-go"}, shown...)}
	for _, row := range r.plan.rows {
		of, m, unit := r.samples[row.name], rate, row.unit
		switch {
		case !slices.Contains(front, row.name):
			continue
		case row.load.Mode.Idle():
			m, unit = serverBytes, "server bytes each"
		case row.load.Rate > 0:
			m, unit = p99, "p99 µs"
		case row.load.Crowd.Streams > 0:
			m, unit = p50, "p50 µs"
		}
		base := median(of[grpcGo], m.of)
		line := []string{row.name + ", " + unit, short(base)}
		for _, name := range shown {
			line = append(line, times(median(of[name], m.of)/base))
		}
		t.add(line...)
	}
	var b strings.Builder
	t.print(&b)
	return b.String()
}

func times(ratio float64) string {
	if ratio > 0 && ratio < 0.005 { // which short has no digits for
		return fmt.Sprintf("%.2g×", ratio)
	}
	if s := short(ratio); s != "" {
		return s + "×"
	}
	return ""
}

// What is between these lines of a page is replaced.
const (
	beginMarker = "<!-- benchmark:begin -->\n"
	endMarker   = "<!-- benchmark:end -->\n"
)

// replaceMarked replaces it in the file of a name by text.
func replaceMarked(name, text string) error {
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(data), beginMarker)
	_, after, ended := strings.Cut(rest, endMarker)
	if !ok || !ended {
		return fmt.Errorf("%s has no lines %q and %q", name, strings.TrimSpace(beginMarker), strings.TrimSpace(endMarker))
	}
	return os.WriteFile(name, []byte(before+beginMarker+"\n"+text+endMarker+after), 0o644)
}
