package faultproxy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/internal/faultproxy"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/ledger"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/transport"
)

// pairs is batches in the book, and each style of client with two styles of
// server: its own and the next.
func pairs(b *ledger.Book) []pair {
	all := []pair{{ledger.CallerKind(b), ledger.HostKind(b)}}
	for i, from := range parity.Callers {
		all = append(all, pair{from, parity.Hosts[i]}, pair{from, parity.Hosts[(i+1)%len(parity.Hosts)]})
	}
	return all
}

// pause lets what was passed take effect before the fault does.
const pause = time.Millisecond

// TestSessionAtEveryByte records a session, and then plays it again with each
// fault at each byte of each direction. Which ends a call may have:
//
//	the fault is                              truncate, cut         stall
//	behind its last byte, or in another call  OK                    OK
//	in its request or response                UNAVAILABLE           DEADLINE_EXCEEDED
//	the same of the first call, with the      UNAVAILABLE, or OK    DEADLINE_EXCEEDED, or OK
//	handshake, which it may overtake
//
// Messages that wait together share a frame, as luck has it, so that within two
// frame headers of a call's first or last byte it may end either way.
//
// OK means that all of the response is there. The next
// call finds a connection that works, the methods of the server have all been
// told, no buffer is left, and every batch in the book has come back once.
func TestSessionAtEveryByte(t *testing.T) {
	var book ledger.Book
	for i, p := range pairs(&book) {
		t.Run(p.String(), func(t *testing.T) {
			var fair result
			synctest.Test(t, func(t *testing.T) {
				leak.Buffers(t)
				fair = play(t, p, faultproxy.Plan{})
			})
			if slices.ContainsFunc(fair.ends, func(err error) bool { return err != nil }) {
				t.Fatalf("without any fault: %v", fair.ends)
			}
			runs, failed := 0, 0
			play := func(plan faultproxy.Plan) {
				runs++
				if !check(t, p, plan, fair) {
					failed++
				}
			}
			end := fair.marks[len(fair.marks)-1]
			for _, fault := range []faultproxy.Fault{faultproxy.Truncate, faultproxy.Cut, faultproxy.Stall} {
				for at := int64(i) % stride; at <= end.up; at += stride {
					w := faultproxy.Way{Fault: fault, At: at, Pause: pause, For: rest / 2}
					play(faultproxy.Plan{Up: w})
				}
				for at := int64(i) % stride; at <= end.down; at += stride {
					w := faultproxy.Way{Fault: fault, At: at, Pause: pause, For: rest / 2}
					play(faultproxy.Plan{Down: w})
				}
			}
			t.Logf("%d sessions of %d and %d bytes; in %d a call failed", runs, end.up, end.down, failed)
			if failed < runs/2 {
				t.Error("too many faults were not noticed for this test to mean anything")
			}
			if err := book.Audit(); err != nil {
				t.Error(err)
			}
		})
	}
	t.Log(&book)
}

// check plays one session with a fault in it, and reports whether all calls
// ended OK.
func check(t *testing.T, p pair, plan faultproxy.Plan, fair result) (isOK bool) {
	t.Helper()
	where := fmt.Sprintf("%v, up: %v, down: %v", p, plan.Up, plan.Down)
	synctest.Test(t, func(t *testing.T) {
		leak.Buffers(t)
		got := play(t, p, plan)
		isOK = true
		for i, err := range got.ends {
			isOK = isOK && err == nil
			if codes := allowed(plan, i, fair.marks); !slices.Contains(codes, cqrpc.CodeOf(err)) {
				t.Errorf("%s: %s ended with %v, want %v", where, shapes[i].name, err, codes)
			}
		}
	})
	return isOK
}

// allowed is the codes that the i-th call may end with.
func allowed(plan faultproxy.Plan, i int, marks []mark) []cqrpc.Code {
	w, from, to := plan.Up, marks[i].up, marks[i+1].up
	if w.Fault == faultproxy.None {
		w, from, to = plan.Down, marks[i].down, marks[i+1].down
	}
	failure := cqrpc.CodeUnavailable
	if w.Fault == faultproxy.Stall {
		failure = cqrpc.CodeDeadlineExceeded
	}
	switch {
	case i > 0 && (near(w.At, from) || near(w.At, to)):
		return []cqrpc.Code{cqrpc.CodeOK, failure}
	case w.At < from || w.At == from && i > 0 || w.At >= to: // between calls, nothing is missing
		return []cqrpc.Code{cqrpc.CodeOK}
	case i == 0:
		return []cqrpc.Code{cqrpc.CodeOK, failure}
	}
	return []cqrpc.Code{failure}
}

// near reports whether a byte is within two frame headers of another: what the
// three messages of a stream may differ by.
func near(at, mark int64) bool { return max(at-mark, mark-at) <= 2*9 }

// A network that is slow and uneven, and passes one byte at a time, is none to
// complain about.
func TestSessionOnASlowNetwork(t *testing.T) {
	for _, p := range pairs(new(ledger.Book)) {
		for seed := range uint64(5) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			jitter := func() time.Duration { return time.Duration(rnd.IntN(30)) * time.Millisecond }
			up := faultproxy.Way{Delay: 5 * time.Millisecond, Chunk: 1}
			down := faultproxy.Way{Chunk: 1 + int(seed)}
			if seed%2 == 0 {
				up, down = down, up
			}
			up.Jitter = jitter
			synctest.Test(t, func(t *testing.T) {
				leak.Buffers(t)
				for i, err := range play(t, p, faultproxy.Plan{Up: up, Down: down}).ends {
					if err != nil {
						t.Errorf("%v, seed %d: %s ended with %v", p, seed, shapes[i].name, err)
					}
				}
			})
		}
	}
}

// A stall that never ends is found out by keepalive. The call that meets it ends
// by its deadline, which is shorter than Time; the next is why somebody looks,
// and ends by that; the one after it finds a connection that works.
func TestKeepaliveFindsStalls(t *testing.T) {
	alive := transport.Config{Keepalive: transport.Keepalive{Time: 10 * time.Second, Timeout: 2 * time.Second}}
	for _, p := range pairs(new(ledger.Book)) {
		for at := int64(0); at < 500; at += 23 {
			for _, isUp := range []bool{true, false} {
				w := faultproxy.Way{Fault: faultproxy.Stall, At: at}
				plan := faultproxy.Plan{Down: w}
				if isUp {
					plan = faultproxy.Plan{Up: w}
				}
				synctest.Test(t, func(t *testing.T) {
					leak.Buffers(t)
					failed := 0
					for _, err := range playWith(t, p, plan, alive).ends {
						switch cqrpc.CodeOf(err) {
						case cqrpc.CodeOK:
						case cqrpc.CodeDeadlineExceeded, cqrpc.CodeUnavailable:
							failed++
						default:
							t.Errorf("%v, up: %v, down: %v: %v", p, plan.Up, plan.Down, err)
						}
					}
					if failed > 2 {
						t.Errorf("%v, up: %v, down: %v: %d calls have failed", p, plan.Up, plan.Down, failed)
					}
				})
			}
		}
	}
}
