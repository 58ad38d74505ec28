package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// table is a Markdown table whose columns line up.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// print writes the table, if it has rows.
func (t *table) print(b *strings.Builder) {
	if len(t.rows) == 0 {
		return
	}
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	line := func(row []string) {
		for i, cell := range row {
			fmt.Fprintf(b, "| %s%s ", cell, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		b.WriteString("|\n")
	}
	line(t.head)
	for _, w := range widths {
		b.WriteString("|" + strings.Repeat("-", w+2))
	}
	b.WriteString("|\n")
	for _, row := range t.rows {
		line(row)
	}
	b.WriteString("\n")
}

// front is the rows of the front page: one of each kind, the weakest among them.
var front = []string{
	unary1, unary100, timed100, tls100, openLoop, h2load32, pingPong, down32, down1K, down1M, up64K,
	idleStream, idleConn, beside100k, farDown,
}

// short is the table for the front page: ratios to grpc-go.
func (r *results) short() string {
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
	if s := short(ratio); s != "" {
		return s + "×"
	}
	return ""
}

// What is between these lines of a file is replaced.
const (
	beginMarker = "<!-- benchmark:begin -->\n"
	endMarker   = "<!-- benchmark:end -->\n"
)

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
