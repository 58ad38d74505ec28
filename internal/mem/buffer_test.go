package mem

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
)

// track fails t for buffers it leaves behind. Not for parallel tests.
func track(t *testing.T) *Tracker {
	t.Helper()
	tr := Track()
	t.Cleanup(func() {
		tr.Stop()
		for _, l := range tr.Leaks() {
			t.Errorf("leaked %s", l)
		}
	})
	return tr
}

func TestGetSizes(t *testing.T) {
	track(t)
	for _, test := range []struct{ n, wantCap int }{
		{0, 256},
		{1, 256},
		{256, 256},
		{257, 1 << 10},
		{1<<10 + 1, 2 << 10},
		{2<<10 + 1, 4 << 10},
		{4<<10 + 1, 8 << 10},
		{8<<10 + 1, 16<<10 + 64},
		{16 << 10, 16<<10 + 64},
		{16<<10 + 65, 32<<10 + 64},
		{64 << 10, 64<<10 + 64},
		{1 << 20, 1<<20 + 64},
		{4 << 20, maxPooled},
		{maxPooled, maxPooled},
	} {
		b := Get(test.n)
		if b.Len() != test.n || b.Cap() != test.wantCap {
			t.Errorf("Get(%d): len %d, cap %d; want cap %d", test.n, b.Len(), b.Cap(), test.wantCap)
		}
		b.Free()
	}
}

func TestLargeBuffersAreNotPooled(t *testing.T) {
	track(t)
	b := Get(maxPooled + 1)
	if b.back != nil || b.class >= 0 {
		t.Errorf("a buffer of %d bytes is of class %d", b.Len(), b.class)
	}
	b.Free()
}

func TestClassesAscendToTheMaximum(t *testing.T) {
	for i := 1; i < len(classes); i++ {
		if classes[i-1] >= classes[i] {
			t.Errorf("class %d of %d bytes follows one of %d", i, classes[i], classes[i-1])
		}
	}
	if last := classes[len(classes)-1]; last != maxPooled {
		t.Errorf("the last class has %d bytes, want %d", last, maxPooled)
	}
}

func TestRecycledBufferForgetsItsPast(t *testing.T) {
	track(t)
	for range 100 { // the pool may drop any one
		b := Get(200)
		b.TrimFront(50)
		b.SetLen(10)
		b.Adopt(append(b.Bytes(), make([]byte, 1000)...))
		b.Free()
		b = Get(100)
		if b.Len() != 100 || b.Cap() != 256 || b.parent != nil {
			t.Fatalf("len %d, cap %d, parent %v; want 100, 256, none", b.Len(), b.Cap(), b.parent)
		}
		b.Free()
	}
}

func TestWrapOwnsWithoutCopying(t *testing.T) {
	track(t)
	data := []byte("data")
	b := Wrap(data)
	if &b.Bytes()[0] != &data[0] || b.Len() != 4 {
		t.Error("Wrap copied")
	}
	b.Free()
	if string(data) != "data" {
		t.Errorf("Free changed wrapped memory to %q", data)
	}
}

func TestCopyCopies(t *testing.T) {
	track(t)
	data := []byte("data")
	b := Copy(data)
	clear(data)
	if string(b.Bytes()) != "data" {
		t.Errorf("Copy holds %q", b.Bytes())
	}
	b.Free()
}

func TestChangesOfASoleOwner(t *testing.T) {
	track(t)
	b := Copy([]byte("0123456789"))
	b.TrimFront(2)
	b.SetLen(5)
	if string(b.Bytes()) != "23456" {
		t.Errorf("after TrimFront(2), SetLen(5): %q", b.Bytes())
	}
	if b.Cap() != 254 {
		t.Errorf("Cap() = %d, want the rest of the memory, 254", b.Cap())
	}
	b.Adopt(append(b.Bytes()[:0], "in place"...))
	if string(b.Bytes()) != "in place" || &b.data[0] != &b.back[2] {
		t.Errorf("Adopt of its own memory holds %q", b.Bytes())
	}
	long := bytes.Repeat([]byte{'x'}, 1000)
	b.Adopt(append(b.Bytes()[:0], long...))
	if !bytes.Equal(b.Bytes(), long) {
		t.Error("Adopt of new memory lost bytes")
	}
	b.Free()
}

func TestLastFreeEndsTheBuffer(t *testing.T) {
	tr := track(t)
	b := Copy([]byte("data"))
	if b.Ref() != b {
		t.Error("Ref returns another buffer")
	}
	b.Free()
	if string(b.Bytes()) != "data" || len(tr.Leaks()) != 1 {
		t.Fatalf("the first of two Frees ended the buffer: %q", b.Bytes())
	}
	b.Free()
	if len(tr.Leaks()) != 0 {
		t.Error("the second Free did not end the buffer")
	}
}

func TestFreeOfNil(*testing.T) { (*Buffer)(nil).Free() }

func TestMisusePanics(t *testing.T) {
	freed := func(b *Buffer) *Buffer { b.Free(); return b }
	parent := Copy([]byte("parent"))
	defer parent.Free()
	for name, misuse := range map[string]func(){
		"Free twice, pooled":   func() { freed(Get(10)).Free() },
		"Free twice, wrapped":  func() { freed(Wrap([]byte("x"))).Free() },
		"Free twice, large":    func() { freed(Get(maxPooled + 1)).Free() },
		"Free twice, view":     func() { freed(parent.Sub(0, 1)).Free() },
		"Ref after Free":       func() { freed(Wrap([]byte("x"))).Ref() },
		"Sub after Free":       func() { freed(Wrap([]byte("x"))).Sub(0, 0) },
		"Sub past the end":     func() { parent.Sub(0, 7) },
		"SetLen past capacity": func() { parent.SetLen(parent.Cap() + 1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s did not panic", name)
				}
			}()
			misuse()
		}()
	}
	if n := parent.refs.Load(); n != 1 {
		t.Errorf("the parent has %d owners after the misuse, want 1", n)
	}
}

func TestSubViewsTheSameMemory(t *testing.T) {
	track(t)
	b := Copy([]byte("0123456789"))
	s := b.Sub(2, 5)
	if string(s.Bytes()) != "234" || &s.Bytes()[0] != &b.Bytes()[2] {
		t.Errorf("Sub(2, 5) = %q, or a copy", s.Bytes())
	}
	if s.Cap() != 3 {
		t.Errorf("an append to the view would write into the parent: cap %d", s.Cap())
	}
	b.Free()
	s.Free()
}

func TestTailIsWhatFollows(t *testing.T) {
	track(t)
	b := Copy([]byte("01234"))
	tail := b.Tail(b.Cap() - 5)
	if len(tail.Bytes()) != b.Cap()-5 || tail.Cap() != b.Cap()-5 || &tail.Bytes()[0] != &b.back[5] {
		t.Errorf("Tail has %d octets and Cap() %d, or a copy", len(tail.Bytes()), tail.Cap())
	}
	other, sub, empty := Copy([]byte("01234")), b.Sub(0, 5), b.Sub(0, 0)
	for _, test := range []struct {
		why  string
		of   *Buffer
		tail *Buffer
		edit func()
		want bool
	}{
		{"all of the rest", b, tail, func() {}, true},
		{"less than was asked for", b, tail, func() { tail.SetLen(2) }, true},
		{"of another buffer", other, tail, func() {}, false},
		{"no view", b, other, func() {}, false},
		{"what is before the end", b, sub, func() {}, false},
		{"nothing", b, empty, func() {}, false},
		{"it has lost its front", b, tail, func() { tail.TrimFront(1) }, false},
		{"its octets are another's by now", b, sub, func() { b.SetLen(b.Cap()) }, false},
	} {
		test.edit()
		if got := test.of.IsTail(test.tail); got != test.want {
			t.Errorf("%s: IsTail() = %t", test.why, got)
		}
	}
	for _, f := range []*Buffer{b, tail, other, sub, empty} {
		f.Free()
	}
}

// Whatever the order in which parent and views are freed, the memory is live
// until the last and ends with it.
func TestSubFreeOrder(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			tr := track(t)
			b := Copy([]byte("0123456789"))
			view := b.Sub(1, 9)
			inner := view.Sub(1, 3)
			all, want := []*Buffer{b, view, inner}, []string{"0123456789", "12345678", "23"}
			for i, next := range order {
				for _, live := range order[i:] {
					if got := string(all[live].Bytes()); got != want[live] {
						t.Errorf("after %d Frees buffer %d holds %q, want %q", i, live, got, want[live])
					}
				}
				if owners := b.refs.Load(); owners != int32(3-i) {
					t.Errorf("after %d Frees the memory has %d owners, want %d", i, owners, 3-i)
				}
				all[next].Free()
			}
			if leaks := tr.Leaks(); len(leaks) != 0 {
				t.Errorf("left: %q", leaks)
			}
		})
	}
}

func TestConcurrentOwners(t *testing.T) {
	track(t)
	for range 100 {
		b := Copy([]byte("shared"))
		var wg sync.WaitGroup
		for i := range 8 {
			b.Ref()
			wg.Go(func() {
				s := b.Sub(i%3, 6)
				b.Free()
				if got := string(s.Bytes()); got != "shared"[i%3:] {
					t.Errorf("goroutine %d reads %q", i, got)
				}
				s.Free()
			})
		}
		b.Free()
		wg.Wait()
	}
}

// FuzzOwnership runs a program of owner operations against a model that copies.
func FuzzOwnership(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3})
	f.Add([]byte{1, 5, 9, 13, 2, 6, 10, 3, 7, 11})
	f.Add([]byte{1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2})
	type owner struct {
		b    *Buffer
		want string
	}
	f.Fuzz(func(t *testing.T, program []byte) {
		program = program[:min(len(program), 256)] // each step looks at each owner
		track(t)
		var owners []owner
		for pc, op := range program {
			pick := 0
			if len(owners) > 0 {
				pick = int(op>>2) % len(owners)
			}
			switch {
			case op%4 == 0 || len(owners) == 0:
				text := fmt.Sprintf("buffer made at %d%*d", pc, int(op), pc)
				owners = append(owners, owner{Copy([]byte(text)), text})
			case op%4 == 1:
				o := owners[pick]
				j := len(o.want) - int(op)%(len(o.want)+1)
				i := j / 2
				owners = append(owners, owner{o.b.Sub(i, j), o.want[i:j]})
			case op%4 == 2:
				owners[pick].b.Free()
				owners = append(owners[:pick], owners[pick+1:]...)
			default:
				owners = append(owners, owner{owners[pick].b.Ref(), owners[pick].want})
			}
			for i, o := range owners {
				if string(o.b.Bytes()) != o.want {
					t.Fatalf("after step %d owner %d reads %q, want %q", pc, i, o.b.Bytes(), o.want)
				}
			}
		}
		for _, o := range owners {
			o.b.Free()
		}
	})
}

func BenchmarkGetFree(b *testing.B) {
	for _, n := range []int{100, 1000, 16 << 10, 64 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Get(n).Free()
			}
		})
	}
}

func BenchmarkGetFreeParallel(b *testing.B) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			Get(1000).Free()
		}
	})
}

func BenchmarkSub(b *testing.B) {
	parent := Get(1000)
	defer parent.Free()
	b.ReportAllocs()
	for b.Loop() {
		parent.Sub(5, 105).Free()
	}
}
