package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc/benchmark/internal/load"
)

// cppWork is every mode, as short as can be.
func cppWork() []row {
	of := func(name string, m load.Mode, conns, streams, size int, rate float64) row {
		return row{name: name, load: load.Plan{
			Mode: m, Conns: conns, Streams: streams, Size: size, Rate: rate,
			Warmup: 10 * time.Millisecond, Duration: 50 * time.Millisecond,
		}}
	}
	return []row{
		of("calls", load.Unary, 2, 10, 32, 0),
		of("large calls", load.Unary, 1, 2, 1<<20, 0),
		of("paced calls", load.Unary, 1, 10, 32, 1000),
		of("ping-pong", load.PingPong, 2, 10, 32, 0),
		of("down", load.Down, 1, 1, 32, 0),
		of("down, 1 KiB", load.Down, 1, 2, 1<<10, 0),
		of("down, large", load.Down, 1, 2, 1<<20, 0),
		of("up", load.Up, 1, 1, 32, 0),
		of("up, large", load.Up, 1, 2, 1<<20, 0),
		of("idle streams", load.IdleStreams, 2, 300, 32, 0),
		of("idle connections", load.IdleConns, 3, 1, 32, 0),
	}
}

// The build takes seconds, so there is one for all that is tested.
func TestCpp(t *testing.T) {
	if err := lackOfCpp(t.Context()); err != nil {
		t.Skipf("no C++ to compare with (%v): apt-get install %s", err, cppPackages)
	}
	inGo, inCpp := named(t, queue), named(t, grpcCpp)
	b := built(t, inCpp)
	for _, pair := range [][2]contender{{inGo, inCpp}, {inCpp, inGo}, {inCpp, inCpp}} {
		host, guest := pair[0], pair[1]
		t.Run("server "+host.name+", client "+guest.name, func(t *testing.T) { everyWork(t, b, host, guest) })
	}
	t.Run("connections of its own", func(t *testing.T) { ownConnections(t, b, inCpp) })
	t.Run("an error is a status", func(t *testing.T) {
		for program, args := range map[string][]string{
			inCpp.ends.client: {"-addr", "127.0.0.1:1", "-mode", "telepathy"},
			inCpp.ends.server: {"-addr", "127.0.0.1:telepathy"},
		} {
			_, err := output(t.Context(), b.programs[program], args...)
			if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
				t.Errorf("%s %q: %v, want status 1", program, args, err)
			}
		}
	})
}

func everyWork(t *testing.T, b *bench, host, guest contender) {
	server, addr, err := b.startServer(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	defer server.stop()
	for _, r := range cppWork() {
		t.Run(r.name, func(t *testing.T) {
			rep, err := worked(t.Context(), b, r, guest, addr)
			if err != nil || rep.Ops < 1 || rep.OpsTotal < rep.Ops || rep.OpsPerS <= 0 || rep.P50 <= 0 {
				t.Errorf("%+v, %v", rep, err)
			}
		})
	}
	if u, err := server.usage(); err != nil || u.Resident < 1 {
		t.Errorf("usage %+v, %v", u, err)
	}
	if err := server.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if _, err := server.last(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
}

// worked is the report of a client that was run.
func worked(ctx context.Context, b *bench, r row, c contender, addr string) (rep load.Report, err error) {
	if !r.load.Mode.Idle() {
		return b.drive(ctx, r, c, addr)
	}
	client, err := b.startClient(ctx, r, c, addr)
	if err != nil {
		return rep, err
	}
	defer client.stop()
	text, err := client.line()
	if err != nil {
		return rep, err
	}
	return rep, json.Unmarshal([]byte(text), &rep)
}

// ownConnections looks at a server that accepts and says nothing: a client with
// shared connections opens but one.
func ownConnections(t *testing.T, b *bench, c contender) {
	const n = 3
	lis, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer lis.Close()
	r := row{load: load.Plan{Mode: load.IdleConns, Conns: n, Streams: 1}}
	client, err := b.startClient(t.Context(), r, c, lis.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = client.cmd.Process.Kill()
		client.stop()
	}()
	lis.SetDeadline(time.Now().Add(10 * time.Second))
	for i := range n {
		nc, err := lis.Accept()
		if err != nil {
			t.Fatalf("after %d connections: %v", i, err)
		}
		defer nc.Close()
	}
}
