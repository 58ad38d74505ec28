// Command report runs every suite that cqrpc is held against and prints one
// table, suite by suite: how many cases, how many passed, and the command that
// shows it.
//
//	go run ./conformance/cmd/report                               # prints it
//	go run ./conformance/cmd/report -write conformance/README.md  # and puts it there
//
// Run in the root of the repository. It exits with 1 if a case fails or is
// skipped, after the table: a peer that is not there is no conformance.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
)

func main() {
	file := flag.String("write", "", "Markdown file whose table is to be replaced")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *file)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, file string) error {
	var table strings.Builder
	table.WriteString("| suite | cases | passed | command |\n|---|---:|---:|---|\n")
	var failures []error
	for _, s := range suites {
		fmt.Fprintf(os.Stderr, "%s …\n", s.name)
		t, err := s.run(ctx)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", s.name, err))
		}
		fmt.Fprintf(&table, "| %s | %d | %d | `%s` |\n", s.name, t.cases, t.passed, s.command())
	}
	fmt.Print(table.String())
	if file != "" {
		failures = append(failures, replaceTable(file, table.String()))
	}
	return errors.Join(failures...)
}

// What surrounds the table in a file.
const (
	tableBegin = "<!-- table: make conformance-report -->\n"
	tableEnd   = "<!-- end of table -->\n"
)

func replaceTable(file, table string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(old), tableBegin)
	if !ok {
		return fmt.Errorf("%s has no line %q", file, tableBegin)
	}
	_, after, ok := strings.Cut(rest, tableEnd)
	if !ok {
		return fmt.Errorf("%s has no line %q", file, tableEnd)
	}
	return os.WriteFile(file, []byte(before+tableBegin+table+tableEnd+after), 0o644)
}
