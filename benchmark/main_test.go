package main

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	"github.com/cqrpc/cqrpc/internal/leak"
)

func TestMain(m *testing.M) { leak.Main(m) }

// built builds the programs for a test of contenders.
func built(t *testing.T, with ...contender) *bench {
	t.Helper()
	b, err := newBench(t.Context(), with)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.close)
	return b
}

// tiny is a plan that measures nothing worth reading.
func tiny(with ...string) plan {
	p := plan{rounds: 1, streams: 20, conns: 3, duration: 30 * time.Millisecond, warmup: 10 * time.Millisecond}
	for _, r := range allRows(p) {
		switch r.name {
		case unary100, openLoop, down1M, idleStream, idleConn, h2load32, beside1, beside100, besideSlow, helloSize, tls100,
			tlsConn:
			p.rows = append(p.rows, r)
		}
	}
	for _, c := range allContenders() {
		for _, name := range with {
			if c.name == name {
				p.contenders = append(p.contenders, c)
			}
		}
	}
	return p
}

// named is the contender with a name.
func named(t *testing.T, name string) contender {
	t.Helper()
	for _, c := range allContenders() {
		if c.name == name {
			return c
		}
	}
	t.Fatalf("no contender %q", name)
	return contender{}
}

// A short run has a line for every row and contender. No speed is asserted.
func TestReport(t *testing.T) {
	p := tiny(raw, queue, queueVT, grpcGo, nghttpd, nginx, rawTCP)
	b := built(t, p.contenders...)
	res, err := b.compare(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	text := res.markdown()
	for _, r := range p.rows {
		for _, c := range p.contenders {
			if want := c.takesPart(r) && b.can(r, c); hasLine(text, r.name, c.name) != want {
				t.Errorf("a line for %s, %s: %v\n%s", r.name, c.name, !want, text)
			}
		}
	}
	for _, head := range []string{"| mark", "| holds", "server goroutines each", "× raw", binaryMB.name, growths[0].String()} {
		if !strings.Contains(text, head) {
			t.Errorf("no %q in\n%s", head, text)
		}
	}
	if chart := res.chart(); !strings.Contains(chart, "<svg") || !strings.Contains(chart, queue) {
		t.Errorf("chart:\n%s", chart)
	}
	dir := t.TempDir()
	if err := res.save(dir, text); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"latest.md", "latest.svg"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	again, err := recorded(filepath.Join(dir, "latest.json"), p)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.markdown(); got != text {
		t.Errorf("from the record:\n%s\nwant\n%s", got, text)
	}
}

func hasLine(table, row, with string) bool {
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) > 3 && strings.TrimSpace(cells[1]) == row && strings.TrimSpace(cells[2]) == with {
			return true
		}
	}
	return false
}

func TestTheServerTellsWhatItUsesAndEndsWhenAsked(t *testing.T) {
	b := built(t)
	server, addr, err := b.startServer(t.Context(), named(t, queue))
	if err != nil {
		t.Fatal(err)
	}
	defer server.stop()
	if !strings.HasPrefix(addr, "127.0.0.1:") {
		t.Errorf("address %q", addr)
	}
	if err := server.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	u, err := server.usage()
	if err != nil || u.Goroutines < 1 || u.Resident < 1 || u.Mallocs < 1 {
		t.Errorf("%+v, %v", u, err)
	}
	if err := server.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := server.last(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

func TestTheClientHoldsUntilItIsAsked(t *testing.T) {
	b, ctx := built(t), t.Context()
	c := named(t, reactor)
	server, addr, err := b.startServer(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	defer server.stop()
	r := row{load: load.Plan{Mode: load.IdleStreams, Conns: 2, Streams: 30}}
	client, err := b.startClient(ctx, r, c, addr)
	if err != nil {
		t.Fatal(err)
	}
	text, err := client.line()
	if err != nil {
		t.Fatal(err)
	}
	var rep load.Report
	if err := json.Unmarshal([]byte(text), &rep); err != nil || rep.Ops != 60 {
		t.Errorf("%s: %v, want 60 held", text, err)
	}
	if err := client.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := client.last(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

func TestAnErrorIsAStatus(t *testing.T) {
	b := built(t)
	const nobody = "127.0.0.1:1" // tcpmux; a port that was free a moment ago may be somebody's by now
	for program, args := range map[string][]string{
		"bench-client": {"-addr", nobody, "-d", "10ms"},
		"bench-server": {"-impl", "telepathy"},
	} {
		_, err := output(context.Background(), filepath.Join(b.dir, program), args...)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 1 {
			t.Errorf("%s %q: %v, want status 1", program, args, err)
		}
	}
}

func TestMarks(t *testing.T) {
	of := samples{
		queue:  {{Rate: 50, ClientAllocs: 3, ServerAllocs: 4, ServerGoroutines: .001}},
		grpcGo: {{Rate: 10}, {Rate: 10}, {Rate: 90}},
		raw:    {{ClientAllocs: 2, ServerAllocs: 2}},
	}
	for _, c := range []struct {
		mark  mark
		value float64
		holds bool
	}{
		{mark{"", queue, rate, atLeastTimes, 5, grpcGo}, 5, true},
		{mark{"", queue, rate, atLeastTimes, 5.1, grpcGo}, 5, false},
		{mark{"", queue, rate, atMostTimes, 5, grpcGo}, 5, true},
		{mark{"", queue, bothAllocs, atMost, 6, ""}, 7, false},
		{mark{"", queue, bothAllocs, atMostMore, 3, raw}, 3, true},
		{mark{"", queue, serverGos, atMost, 0, ""}, .001, true},
	} {
		value, holds, ok := c.mark.verdict(of)
		if value != c.value || holds != c.holds || !ok {
			t.Errorf("%v: %v, %v, %v; want %v, %v", c.mark, value, holds, ok, c.value, c.holds)
		}
	}
	if _, _, ok := (mark{"", inline, rate, atLeastTimes, 1, grpcGo}).verdict(of); ok {
		t.Error("a verdict on what was not measured")
	}
}

func TestHowMuchMoreTheGreaterWorkCosts(t *testing.T) {
	of := map[string]samples{
		beside1:   {queue: {{ClientCPU: 3, ServerCPU: 5}}},
		beside100: {queue: {{ClientCPU: 4, ServerCPU: 6}}},
		beside10k: {queue: {{ClientCPU: 4, ServerCPU: 9}}},
	}
	for row, want := range map[string]bool{beside100: true, beside10k: false} {
		g := growth{row, beside1, queue, bothCPU, 1.5}
		if value, holds, ok := g.verdict(of); holds != want || !ok {
			t.Errorf("%s: %v, %v, %v", row, value, holds, ok)
		}
	}
	if _, _, ok := (growth{beside100k, beside1, queue, bothCPU, 1.5}).verdict(of); ok {
		t.Error("a verdict on what was not measured")
	}
}

func TestALargeMessageOverALongFatNetwork(t *testing.T) {
	b, c := built(t), contender{name: queue, ends: goEnds, args: []string{"-impl", "cqrpc", "-style", "queue"}}
	for _, mode := range []load.Mode{load.Send, load.Fetch} {
		r := row{far: true, load: load.Plan{Mode: mode, Conns: 1, Streams: 1, Size: 100_000, Duration: time.Millisecond}}
		if s, err := b.trial(t.Context(), r, c); err != nil || s.Rate <= 0 || s.MBPerS <= 0 {
			t.Errorf("%s: %+v, %v", mode, s, err)
		}
	}
}

func TestWhatIsTooLargeIsLeftOut(t *testing.T) {
	for _, c := range []struct {
		plan plan
		row  string
		want bool
	}{
		{plan{streams: 10_000}, beside100k, true},
		{plan{streams: 2000}, beside100k, false},
		{plan{streams: 2000}, beside10k, true},
		{plan{streams: 10_000}, millions, false},
		{plan{million: true}, millions, true},
		{plan{}, helloSize, true},
	} {
		for _, r := range allRows(c.plan) {
			if got := c.plan.wants(r); r.name == c.row && got != c.want {
				t.Errorf("%+v, %s: %v", c.plan, c.row, got)
			}
		}
	}
}

func TestEveryMarkIsAboutSomethingThatIsMeasured(t *testing.T) {
	rows, with := make(map[string]bool), map[string]bool{"": true}
	for _, r := range allRows(plan{}) {
		rows[r.name] = true
	}
	for _, c := range allContenders() {
		with[c.name] = true
	}
	for _, m := range marks {
		if !rows[m.row] || !with[m.with] || !with[m.against] {
			t.Errorf("%s, %s: %v", m.row, m.with, m)
		}
	}
	for _, g := range growths {
		if !rows[g.row] || !rows[g.from] || !with[g.with] {
			t.Errorf("%s, %s: %v", g.row, g.with, g)
		}
	}
}

// A bar without a colour is black, as that of raw TCP is.
func TestEveryContenderHasAColour(t *testing.T) {
	used := make(map[string]string)
	for _, c := range allContenders() {
		colour := colours[c.name]
		if colour == "" || used[colour] != "" {
			t.Errorf("%s has colour %q, as %q", c.name, colour, used[colour])
		}
		used[colour] = c.name
	}
}

// A row that is renamed would be missing from the front page.
func TestTheFrontPageIsAboutRows(t *testing.T) {
	rows := allRows(plan{})
	for _, name := range front {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.name == name }) {
			t.Errorf("there is no row %q", name)
		}
	}
}

func TestShortNumbers(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", .001: "0", .1234: "0.123", 12.345: "12.3", 123.4: "123", 123456: "123000", -2.5: "-2.5",
		math.Inf(1): "", math.NaN(): "",
	} {
		if got := short(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}

func TestH2loadIsRead(t *testing.T) {
	const text = `finished in 1.00s, 164029.50 req/s, 9.70MB/s
requests: 164029 total, 164129 started, 164029 done, %d succeeded, 0 failed, 0 errored, 0 timeout
traffic: 9.70MB (10173637) total, 8.29MB (8693561) headers (space savings 54.31%), 6MB (6900000) data
                     min         max         mean         sd        +/- sd
time for request:       98us      6.93ms       1.25ms       732us    95.00%
`
	rep, err := readH2load(strings.Replace(text, "%d", "164029", 1), 32)
	if err != nil || rep.OpsPerS != 164029.5 || rep.OpsTotal != 164029 || rep.P50 != 1250 {
		t.Errorf("%+v, %v", rep, err)
	}
	for why, bad := range map[string]string{
		"a request failed":   strings.Replace(text, "%d", "164028", 1),
		"no messages came":   strings.NewReplacer("%d", "164029", "6900000", "0").Replace(text),
		"it is not a report": "h2load: command not found",
	} {
		if _, err := readH2load(bad, 32); err == nil {
			t.Error(why)
		}
	}
}

func TestWhatIsBetweenTheMarkersIsReplaced(t *testing.T) {
	name := filepath.Join(t.TempDir(), "README.md")
	if err := os.WriteFile(name, []byte("a\n"+beginMarker+"old\n"+endMarker+"z\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replaceMarked(name, "new\n"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if want := "a\n" + beginMarker + "\nnew\n" + endMarker + "z\n"; err != nil || string(data) != want {
		t.Errorf("%q, %v; want %q", data, err, want)
	}
	if err := os.WriteFile(name, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if replaceMarked(name, "new\n") == nil {
		t.Error("a file without markers")
	}
}
