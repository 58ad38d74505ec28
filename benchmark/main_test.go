package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The test binary stands in for the program: the comparison runs its clients
// and servers as child processes of itself.
func TestMain(m *testing.M) {
	if os.Getenv("BENCHMARK_AS_PROGRAM") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// A short run prints every measurement for every implementation. It measures
// nothing worth reading and asserts no speed.
func TestTable(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-rounds", "1", "-d", "50ms", "-streams", "20", "-conns", "3")
	// Under -race every process would else sleep for a second at its end.
	cmd.Env = append(os.Environ(), "BENCHMARK_AS_PROGRAM=1", "GORACE=atexit_sleep_ms=0")
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, &errors)
	}
	for _, m := range measurements {
		for _, impl := range implementations {
			if !hasRow(string(out), m.name, impl.name) {
				t.Errorf("no row for %s, %s", m.name, impl.name)
			}
		}
	}
	for _, held := range []string{"bidi stream", "connection with one stream"} {
		if n := strings.Count(string(out), held); n != len(implementations) {
			t.Errorf("%d rows for idle %s", n, held)
		}
	}
	if t.Failed() {
		t.Logf("%s", out)
	}
}

func hasRow(table, work, impl string) bool {
	for line := range strings.Lines(table) {
		fields := strings.Join(strings.Fields(line), " ")
		if strings.HasPrefix(fields, work+" "+impl+" ") {
			return true
		}
	}
	return false
}
