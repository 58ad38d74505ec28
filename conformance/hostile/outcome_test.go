package hostile

import (
	"errors"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/transport"
)

// attack is one row: what the attacker does, and what must come of it.
type attack struct {
	name string
	cfg  transport.Config
	opts []server.Option
	mute bool // the attacker says no greeting of its own
	deaf bool // the attacker does not read until it has said all
	play func(x *site, a *attacker)
	want outcome
	heap int64 // octets that the server may hold when the attack is over, 0: allowance
}

// outcome checks how the server has answered.
type outcome func(t *testing.T, a *attacker)

// allowance is how much the heap of the process may grow by an attack: server,
// attacker and bystander together.
const allowance = 8 << 20

// garbage is how much more it may be in the middle of an attack, before the
// collector has run.
const garbage = 32 << 20

// run plays rows, one after another.
func run(t *testing.T, rows []attack) {
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) { row.run(t) })
	}
}

func (row attack) run(t *testing.T) {
	x := serve(t, row.cfg, row.opts...)
	b := x.stroll()
	before := heap()
	a := x.attack()
	defer a.close()
	if !row.deaf {
		a.read()
	}
	if !row.mute {
		a.greet()
	}
	row.play(x, a)
	a.flush()
	if row.deaf {
		defer func() { close(x.release) }()
		row.settle(t, x, a, before)
		a.read()
		row.want(t, a)
		b.leave()
		return
	}
	row.want(t, a)
	row.settle(t, x, a, before)
	close(x.release)
	b.leave()
}

// settle checks what the attack has made the server hold.
func (row attack) settle(t *testing.T, x *site, a *attacker, before int64) {
	t.Helper()
	limit := row.heap
	if limit == 0 {
		limit = allowance
	}
	if grown := heap() - before; grown > limit {
		t.Errorf("the heap grew by %d octets, limit %d", grown, limit)
	}
	if grown := a.peak - before; grown > limit+garbage {
		t.Errorf("the heap grew by %d octets meanwhile, limit %d", grown, limit+garbage)
	}
	if n := x.peak.Load(); n > maxStreams+1 { // one is the bystander's
		t.Errorf("%d handlers ran at once, limit %d", n, maxStreams)
	}
}

// heap is the octets in use, garbage left out.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools let go in the first
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// goAway wants the connection to end with that code and these words.
func goAway(code http2.ErrCode, words string) outcome {
	return func(t *testing.T, a *attacker) {
		t.Helper()
		a.wantEnd(t)
		r := &a.got
		if r.goAway == nil || r.goAway.ErrCode != code || !strings.Contains(r.debug, words) {
			t.Errorf("%v; want GOAWAY %v with %q", r, code, words)
		}
	}
}

// hungUp wants the connection to end, in whatever way.
func hungUp(t *testing.T, a *attacker) {
	t.Helper()
	a.wantEnd(t)
}

// wantEnd waits for the server to end the connection.
func (a *attacker) wantEnd(t *testing.T) {
	t.Helper()
	a.got.until(func() bool { return false })
	if isTimeout(a.got.end) {
		t.Errorf("%v; want the connection closed", &a.got)
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}

// alive wants the connection to answer a PING.
func alive(t *testing.T, a *attacker) {
	t.Helper()
	a.got.mu.Lock()
	before := a.got.pongs
	a.got.mu.Unlock()
	_ = a.WritePing(false, [8]byte{1})
	a.flush()
	if !a.got.until(func() bool { return a.got.pongs > before }) {
		t.Errorf("%v; want the connection to live", &a.got)
	}
	a.goOn()
}

// reset wants stream 1 reset with the code, and the connection to live.
func reset(code http2.ErrCode) outcome {
	return func(t *testing.T, a *attacker) { t.Helper(); a.wantReset(t, 1, code) }
}

func (a *attacker) wantReset(t *testing.T, id uint32, code http2.ErrCode) {
	t.Helper()
	alive(t, a)
	a.got.mu.Lock()
	got, ok := a.got.resets[id]
	a.got.mu.Unlock()
	if !ok || got != code {
		t.Errorf("%v; want RST_STREAM %v on stream %d", &a.got, code, id)
	}
}

// answered wants a field in the answer to stream 1, and the connection to live.
func answered(name, value string) outcome {
	return func(t *testing.T, a *attacker) {
		t.Helper()
		if !a.got.until(func() bool { return a.got.blocks[1][name] != "" }) || a.got.blocks[1][name] != value {
			t.Errorf("%v, %v; want %s %s", &a.got, a.got.blocks[1], name, value)
		}
		alive(t, a)
	}
}

// status is answered for a gRPC status.
func status(code string) outcome { return answered("grpc-status", code) }
