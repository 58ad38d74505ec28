package mem

import (
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestTrackerNamesTheMaker(t *testing.T) {
	tr := Track()
	defer tr.Stop()
	b := Get(7)
	s := b.Sub(0, 3)
	w := Wrap(make([]byte, 5))
	c := Copy(make([]byte, 2))
	leaks := tr.Leaks()
	if len(leaks) != 4 || !slices.IsSorted(leaks) {
		t.Fatalf("Leaks = %q, want four in order", leaks)
	}
	for i, size := range []string{"2 bytes", "3 bytes", "5 bytes", "7 bytes"} {
		if !strings.HasPrefix(leaks[i], size) || !strings.Contains(leaks[i], "TestTrackerNamesTheMaker") {
			t.Errorf("leak %d is %q, want %s made by this test", i, leaks[i], size)
		}
	}
	for _, b := range []*Buffer{b, s, w, c} {
		b.Free()
	}
	if leaks := tr.Leaks(); len(leaks) != 0 {
		t.Errorf("left after all Frees: %q", leaks)
	}
}

func TestTrackerSeesNothingOutsideItsTime(t *testing.T) {
	before := Get(1)
	tr := Track()
	before.Free()
	during := Get(2)
	tr.Stop()
	after := Get(3)
	if leaks := tr.Leaks(); len(leaks) != 1 || !strings.HasPrefix(leaks[0], "2 bytes") {
		t.Errorf("Leaks = %q, want the one buffer made while tracking", leaks)
	}
	during.Free()
	after.Free()
}

func TestStopOfAReplacedTracker(t *testing.T) {
	old := Track()
	tr := Track()
	defer tr.Stop()
	old.Stop()
	b := Get(1)
	defer b.Free()
	if len(tr.Leaks()) != 1 {
		t.Error("the old tracker's Stop ended the new one")
	}
}

func TestTrackPoisonsFreedMemory(t *testing.T) {
	tr := Track()
	defer tr.Stop()
	b := Copy([]byte("data"))
	s := b.Sub(1, 3)
	kept := s.Bytes() // a bug, to be made visible
	b.Free()
	if string(kept) != "at" {
		t.Fatalf("memory with an owner was poisoned: %q", kept)
	}
	s.Free()
	if kept[0] != poison || kept[1] != poison {
		t.Errorf("freed memory reads %q", kept)
	}
}

func TestLeaksWhileBuffersAreUsed(t *testing.T) {
	tr := Track()
	defer tr.Stop()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				b := Get(100)
				b.SetLen(10)
				b.Free()
			}
		})
	}
	for range 50 {
		tr.Leaks()
	}
	wg.Wait()
	if leaks := tr.Leaks(); len(leaks) != 0 {
		t.Errorf("left: %q", leaks)
	}
}
