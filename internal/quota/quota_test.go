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
