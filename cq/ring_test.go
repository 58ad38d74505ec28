package cq

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestRingAgainstASlice(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var got ring[int]
	var want []int
	const steps = 20000
	for i := range steps {
		pushes := 6 // in ten: the ring grows, and later shrinks
		if i > steps/2 {
			pushes = 4
		}
		switch k := r.IntN(10); {
		case k < pushes || got.len() == 0:
			got.push(i)
			want = append(want, i)
		case k == 7 && i%4 == 0:
			got.pushFront(i)
			want = slices.Insert(want, 0, i)
		case k < 8:
			if v := got.pop(); v != want[0] {
				t.Fatalf("step %d: pop is %d, want %d", i, v, want[0])
			}
			want = want[1:]
		default:
			j := r.IntN(len(want))
			if v := got.remove(j); v != want[j] {
				t.Fatalf("step %d: remove(%d) is %d, want %d", i, j, v, want[j])
			}
			want = slices.Delete(want, j, j+1)
		}
		if got.len() != len(want) {
			t.Fatalf("step %d: length %d, want %d", i, got.len(), len(want))
		}
	}
}

func TestRingForgets(t *testing.T) {
	var r ring[*int]
	for range 100 {
		r.push(new(int))
	}
	for i := range 100 {
		r.remove(min(i%3, r.len()-1))
	}
	if i := slices.IndexFunc(r.slots, func(p *int) bool { return p != nil }); i >= 0 {
		t.Errorf("an empty ring still refers to something in slot %d", i)
	}
	for range maxIdleRing + 1 {
		r.push(nil)
	}
	for r.len() > 0 {
		r.pop()
	}
	if len(r.slots) != 0 {
		t.Errorf("an empty ring kept %d slots after a burst", len(r.slots))
	}
}
