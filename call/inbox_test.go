package call

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// framed is n bytes of a message with their prefix.
func framed(r *rand.Rand, n int) []byte {
	var prefix [frame.PrefixLen]byte
	frame.PutPrefix(&prefix, r.IntN(2) == 0, n)
	p := append([]byte(nil), prefix[:]...)
	for range n {
		p = append(p, byte(r.Uint32()))
	}
	return p
}

// For every sequence of payloads an inbox gives what an Assembler gives, whether messages come
// alone in their frames, several in one or in parts.
func TestInboxIsAnAssembler(t *testing.T) {
	leak.Buffers(t)
	r := rand.New(rand.NewPCG(3, 4))
	const limit = 6000
	alone := 0
	for range 300 {
		var i inbox
		var a frame.Assembler
		var rest []byte
		for range 40 {
			p := framed(r, []int{0, 1, 30, 300, uncounted - frame.PrefixLen, uncounted, limit}[r.IntN(7)])
			switch r.IntN(6) {
			case 0: // the rest comes later
				rest = append(rest, p...)
				n := r.IntN(len(rest) + 1)
				p, rest = rest[:n:n], rest[n:]
			case 1:
				p = append(p, framed(r, r.IntN(200))...)
			case 2:
				if r.IntN(20) == 0 {
					p[0], p[1] = byte(r.IntN(3)), 1 // longer than the limit, or with a wrong flag
				}
			}
			if len(rest) > 0 && r.IntN(2) == 0 {
				p, rest = append(rest, p...), nil
			} else if len(rest) > 0 {
				p, rest = rest, nil
			}
			got, want := i.push(mem.Copy(p), limit, &noAccount), a.Push(mem.Copy(p), limit)
			if (got == nil) != (want == nil) || got != nil && got.Error() != want.Error() {
				t.Fatalf("push says %v; want %v", got, want)
			}
			if i.only != nil {
				alone++
			}
			for wantSame(t, &i, &a); r.IntN(2) == 0; wantSame(t, &i, &a) {
				pop(t, &i, &a)
			}
			if want != nil {
				if _, ok := errors.AsType[*frame.MessageError](want); !ok {
					t.Fatal(want)
				}
				break
			}
		}
		if r.IntN(2) == 0 {
			for i.ready() {
				pop(t, &i, &a)
			}
			wantSame(t, &i, &a)
		}
		i.drop()
		if !i.empty() {
			t.Error("dropped, and not empty")
		}
		a.Close()
	}
	if alone < 100 {
		t.Errorf("%d messages were alone: this tests nothing", alone)
	}
}

func wantSame(t *testing.T, i *inbox, a *frame.Assembler) {
	t.Helper()
	got, want := i.partial()
	g, w := a.Partial()
	if i.empty() != a.Empty() || i.ready() != a.Ready() || i.several() != a.Several() || i.mid() != a.Mid() || got != g || want != w {
		t.Fatalf("empty %v, ready %v, several %v, mid %v, %d of %d; want %v, %v, %v, %v, %d of %d",
			i.empty(), i.ready(), i.several(), i.mid(), got, want, a.Empty(), a.Ready(), a.Several(), a.Mid(), g, w)
	}
}

func pop(t *testing.T, i *inbox, a *frame.Assembler) {
	t.Helper()
	got, ok := i.pop()
	want, wantOK := a.Pop()
	if ok != wantOK || got.Compressed != want.Compressed || ok && !bytes.Equal(got.Body.Bytes(), want.Body.Bytes()) {
		t.Fatalf("popped %v, %v; want %v, %v", got, ok, want, wantOK)
	}
	if ok {
		got.Body.Free()
		want.Body.Free()
	}
}
