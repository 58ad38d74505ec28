package quota

import "testing"

// A connection that fills the quota does not shut out another.
func TestQuotaIsShared(t *testing.T) {
	q := New(100)
	var greedy, modest, idle Account
	for _, a := range []*Account{&greedy, &modest, &idle} {
		a.Open(q)
	}
	if !greedy.Charge(100) || greedy.Charge(1) {
		t.Error("one alone does not get all of it, or more")
	}
	greedy.Release(1)
	if !modest.Charge(50) || modest.Charge(1) {
		t.Error("one of two does not get half of it, or more")
	}
	modest.Release(1)
	if greedy.Charge(1) {
		t.Error("one that has more than its share gets more")
	}
	greedy.Release(101)
	if !modest.Charge(50) {
		t.Error("what was given back is not there")
	}
	modest.Release(100)
	if n := q.Used(); n != 0 {
		t.Errorf("all given back: %d bytes are held", n)
	}
	if n := q.holders.Load(); n != 0 {
		t.Errorf("%d accounts hold something", n)
	}
	idle.Release(0)
	if n := q.holders.Load(); n != 0 {
		t.Errorf("nothing given back: %d accounts hold something", n)
	}
}

// The share bounds only those who want more than there is: what is free is anybody's.
func TestQuotaIsUsedUp(t *testing.T) {
	q := New(100)
	var early, late Account
	early.Open(q)
	late.Open(q)
	if !early.Charge(10) || !late.Charge(90) {
		t.Error("one of two does not get what is free")
	}
	if late.Charge(1) {
		t.Error("one that has more than its share gets more than there is")
	}
}

// Without a limit bytes are only counted, and of an account of no quota not even that.
func TestNoLimit(t *testing.T) {
	q := New(-1)
	var a, none Account
	a.Open(q)
	if !a.Charge(1<<40) || !none.Charge(1<<40) {
		t.Error("something is refused")
	}
	if n := q.Used(); n != 1<<40 {
		t.Errorf("%d bytes are held", n)
	}
	none.Release(1 << 40)
}
