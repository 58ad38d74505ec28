package lasting

import (
	"sync"
	"testing"

	"github.com/cqrpc/cqrpc"
)

// stream is a Call that counts how often it was ended. What it does about that is the
// test's to say.
type stream struct {
	ends   []cqrpc.Status
	finish func()
}

func (s *stream) Finish(st cqrpc.Status) {
	s.ends = append(s.ends, st)
	if s.finish != nil {
		s.finish()
	}
}

func (s *stream) wantEnds(t *testing.T, n int) {
	t.Helper()
	if len(s.ends) != n {
		t.Fatalf("ended %d times, want %d", len(s.ends), n)
	}
	for _, st := range s.ends {
		if st.Code != cqrpc.CodeUnavailable || st.Message == "" {
			t.Errorf("ended with %v; want UNAVAILABLE and why, so that the client goes to another server", st)
		}
	}
}

func TestEndEndsWhatIsOpen(t *testing.T) {
	var calls Calls
	open, gone := new(stream), new(stream)
	calls.Add(open)
	calls.Add(gone)
	calls.Remove(gone)
	open.wantEnds(t, 0)
	calls.End()
	open.wantEnds(t, 1)
	gone.wantEnds(t, 0)
}

func TestEndIsForEver(t *testing.T) {
	var calls Calls
	early, late := new(stream), new(stream)
	calls.Add(early)
	calls.End()
	calls.Add(late)
	late.wantEnds(t, 1)
	calls.End()
	early.wantEnds(t, 1)
	late.wantEnds(t, 1)
}

func TestNothingToEnd(t *testing.T) {
	var calls Calls
	refused := new(stream) // which has ended before it was added
	calls.Remove(refused)
	calls.End()
	calls.End()
	refused.wantEnds(t, 0)
}

// A reactor's Finish may run its OnDone at once, which removes the call: no lock may be
// held over it.
func TestFinishMayRemove(t *testing.T) {
	var calls Calls
	open, late := new(stream), new(stream)
	open.finish = func() { calls.Remove(open) }
	late.finish = func() { calls.Remove(late) }
	calls.Add(open)
	calls.End()
	calls.Add(late)
	open.wantEnds(t, 1)
	late.wantEnds(t, 1)
}

// However Add and End race, each call is ended once: it is in the list when End takes
// that, or finds that it is too late.
func TestAddRacesWithEnd(t *testing.T) {
	var calls Calls
	streams := make([]stream, 100)
	var adders sync.WaitGroup
	for i := range streams {
		adders.Go(func() { calls.Add(&streams[i]) })
	}
	calls.End()
	adders.Wait()
	for i := range streams {
		streams[i].wantEnds(t, 1)
	}
}
