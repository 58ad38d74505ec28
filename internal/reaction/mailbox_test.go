package reaction

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/cqrpc/cqrpc/cq"
)

// script is a Reactor that does what its hooks say and keeps a journal.
type script struct {
	m       Mailbox
	journal []string
	react   func(k Kind)
	message cq.Finalizer // of the latest reaction
}

func (s *script) React(k Kind, ok bool, message cq.Finalizer) {
	s.message = message
	s.journal = append(s.journal, fmt.Sprintf("%d %v", k, ok))
	if s.react != nil {
		s.react(k)
	}
}

func (s *script) Exhausted() { s.journal = append(s.journal, "exhausted") }
func (s *script) Done()      { s.journal = append(s.journal, "done") }

func (s *script) want(t *testing.T, why string, lines ...string) {
	t.Helper()
	synctest.Wait()
	if got := strings.Join(s.journal, ", "); got != strings.Join(lines, ", ") {
		t.Fatalf("%s: %s; want %s", why, got, strings.Join(lines, ", "))
	}
}

// client is what a client agrees with its mailboxes.
var client = Terms{Needs: Of(Final), Last: Of(Final), Passive: Of(Final)}

// opened is a mailbox that is idle.
func opened(exec cq.Executor, terms Terms, busy Set) *script {
	s := new(script)
	s.m.Bind(NewLoop(exec), s, terms)
	s.m.AddHolds(1)
	s.m.Start(busy)
	s.m.Take()
	s.m.Yield()
	return s
}

func bubble(t *testing.T, f func(t *testing.T, exec cq.Executor)) {
	t.Run("pool", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { f(t, cq.NewPool(4)) }) })
	t.Run("inline", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { f(t, cq.Inline()) }) })
}

func TestLifeOfAMailbox(t *testing.T) {
	bubble(t, func(t *testing.T, exec cq.Executor) {
		s := opened(exec, client, Of(Final))
		if a := s.m.Begin(&Op{Kind: Read}); a != Go {
			t.Fatal(a)
		}
		s.m.Leave()
		if a := s.m.Begin(&Op{Kind: Read}); a != Outstanding {
			t.Fatal(a)
		}
		s.m.Tell(Read, true)
		s.want(t, "the read has ended", "3 true")
		if a := s.m.Begin(&Op{Kind: Write, Clash: Of(Final)}); a != Outstanding {
			t.Fatal(a)
		}
		if a := s.m.Begin(&Op{Kind: Write, Bars: Of(Write)}); a != Go {
			t.Fatal(a)
		}
		s.m.Leave()
		s.m.End(Write)
		if a := s.m.Begin(&Op{Kind: Write}); a != Barred {
			t.Fatal(a)
		}
		s.want(t, "nobody reacts to the write", "3 true")
		s.m.RemoveHold()
		s.want(t, "nobody can start anything", "3 true", "exhausted")
		if a := s.m.Begin(&Op{Kind: Read}); a != Unheld {
			t.Fatal(a)
		}
		if s.m.RemoveHold() {
			t.Fatal("there was no hold")
		}
		s.m.Tell(Final, true)
		s.want(t, "the last", "3 true", "exhausted", "5 true", "done")
		if a := s.m.Begin(&Op{Kind: Read}); a != Over {
			t.Fatal(a)
		}
		if s.m.Start(0) {
			t.Fatal("started twice")
		}
	})
}

// What ends between Begin and Leave is not reacted to before Leave has returned.
func TestNothingRunsInsideAStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := opened(cq.Inline(), client, Of(Final))
		s.m.Begin(&Op{Kind: Read})
		s.m.Tell(Read, false)
		if len(s.journal) != 0 {
			t.Fatal("a reaction ran inside a StartX")
		}
		s.m.Leave()
		s.want(t, "handed over", "3 false")
	})
}

// letter is a message.
type letter string

func (letter) Finalize(*cq.Event) bool { return true }

// A read that is started as the reaction to the one before begins, and ends at
// once, does not replace its message.
func TestReadsEndInARow(t *testing.T) {
	bubble(t, func(t *testing.T, exec cq.Executor) {
		s := opened(exec, client, Of(Final, Read))
		var got []cq.Finalizer
		s.react = func(k Kind) {
			if got = append(got, s.message); len(got) == 1 {
				if a := s.m.Begin(&Op{Kind: Read}); a != Go {
					t.Error(a)
				}
				s.m.TellRead(true, letter("two"))
				s.m.Leave()
			}
		}
		s.m.TellRead(true, letter("one"))
		s.m.Tell(Final, true)
		s.m.RemoveHold()
		s.want(t, "both reads, then the end", "3 true", "3 true", "5 true", "done")
		if want := []cq.Finalizer{letter("one"), letter("two"), nil}; !slices.Equal(got, want) {
			t.Errorf("messages %v, want %v", got, want)
		}
	})
}

// Reactions that are due at the same time run in the order of their kinds.
func TestReactionsRunInTheOrderOfKinds(t *testing.T) {
	bubble(t, func(t *testing.T, exec cq.Executor) {
		s := new(script)
		s.m.Bind(NewLoop(exec), s, client)
		s.m.Start(Of(Final, Read, Write, Header))
		for _, k := range []Kind{Final, Read, Write, Header} {
			s.m.Tell(k, true)
		}
		s.want(t, "closed")
		s.m.Take()
		s.m.Yield()
		s.want(t, "all at once", "0 true", "1 true", "3 true", "5 true", "done")
	})
}

// A reaction that ends its goroutine does not end its reactor.
func TestGoexit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := opened(cq.NewPool(1), client, Of(Final, Read))
		s.react = func(Kind) { runtime.Goexit() }
		s.m.Tell(Read, true)
		s.m.Tell(Final, true)
		s.m.RemoveHold()
		s.want(t, "each on a goroutine of its own", "3 true", "5 true", "done")
	})
}

// Who does not care about Done is not run for it.
func TestQuietMailboxHasNoDone(t *testing.T) {
	bubble(t, func(t *testing.T, exec cq.Executor) {
		terms := client
		terms.IsQuiet = true
		s := opened(exec, terms, Of(Final))
		s.m.RemoveHold()
		s.m.End(Final)
		s.want(t, "it is over", "exhausted")
		if a := s.m.Begin(&Op{Kind: Read}); a != Over {
			t.Fatal(a)
		}
	})
}

// Operations of a closed mailbox are queued, one of each kind.
func TestOperationsOfAClosedMailboxAreQueued(t *testing.T) {
	var m Mailbox
	for _, op := range []Op{{Kind: Final, Value: "last"}, {Kind: Read, Value: "in"}, {Kind: Header}} {
		if a := m.Begin(&op); a != Queued {
			t.Fatal(a)
		}
		if a := m.Begin(&op); a != Outstanding {
			t.Fatal(a)
		}
	}
	e, ok := m.Take()
	if !ok || e.Kinds != Of(Final, Read, Header) || e.In != "in" || e.Out != "last" {
		t.Fatalf("%+v", e)
	}
	if !m.Bar(Of(Write)) || m.Bar(Of(Write)) || !m.IsBarred(Write) {
		t.Fatal("a bar holds once")
	}
}

func TestStates(t *testing.T) {
	var table []string
	for from, row := range steps {
		for to, legal := range row {
			if legal {
				table = append(table, fmt.Sprintf("%v->%v", state(from), state(to)))
			}
		}
	}
	want := "closed->running idle->running idle->finished running->idle running->finished"
	if got := strings.Join(table, " "); got != want {
		t.Errorf("%s; want %s", got, want)
	}
	defer func() {
		if v := fmt.Sprint(recover()); v != "BUG: reaction: finished -> idle" {
			t.Error(v)
		}
	}()
	s := finished
	s.to(idle)
}

func TestAnswers(t *testing.T) {
	for a, want := range map[Answer]string{Go: "go", Unheld: "unheld", 9: "Answer(9)"} {
		if a.String() != want {
			t.Error(a)
		}
	}
}
