package usage

import (
	"os"
	"testing"
)

func TestAProcessIsSeenAsItSeesItself(t *testing.T) {
	self := Self()
	seen, err := Of(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if self.Mallocs < 1 || self.Allocated < 1 || self.Goroutines < 1 || self.CPU <= 0 {
		t.Errorf("%+v", self)
	}
	if seen.Resident < self.Resident/2 || seen.Resident > self.Resident*2 {
		t.Errorf("%d bytes seen, %d known", seen.Resident, self.Resident)
	}
}

func TestThePeakIsNoLessThanWhatIsThere(t *testing.T) {
	if peak, err := Peak(); err != nil || peak < Self().Resident/2 {
		t.Errorf("%d, %v", peak, err)
	}
}

func TestNoSuchProcess(t *testing.T) {
	if u, err := Of(-1); err == nil {
		t.Errorf("%+v", u)
	}
}
