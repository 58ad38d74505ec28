package ledger

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
)

// Book is the entries of a run. The zero value is ready to use.
type Book struct {
	accepted, completed, rejected atomic.Int64

	mu sync.Mutex
	// guarded by mu
	open  map[*Entry]struct{} // accepted, and not completed
	wrong []error
}

// Entry is one batch: its own tag and completer.
type Entry struct {
	// immutable
	book *Book
	who  string
	ops  []call.OpKind
	done chan cq.Completion // capacity 2: what comes twice must not block

	// atomic
	began, came atomic.Int32
}

var _ cq.Completer = (*Entry)(nil)

// Start starts a batch of k. Who gets no error must Wait.
func (b *Book) Start(k *call.Call, who string, ops ...call.Op) (*Entry, error) {
	e := &Entry{book: b, who: who, done: make(chan cq.Completion, 2)}
	for i := range ops {
		e.ops = append(e.ops, ops[i].Kind())
	}
	b.enter(e)
	if err := k.StartBatchOn(e, ops, e); err != nil {
		b.rejected.Add(1)
		b.leave(e)
		if e.began.Load() != 0 || e.came.Load() != 0 {
			b.fault("%v was rejected with %w, after it began %d and came %d times", e, err, e.began.Load(), e.came.Load())
		}
		return nil, err
	}
	if n := e.began.Load(); n != 1 {
		b.fault("%v was accepted and began %d times", e, n)
	}
	b.accepted.Add(1)
	return e, nil
}

// Expect is the entry of something else that must be completed once, without
// Begin and tag: what is given to server.StyleContext.Bind.
func (b *Book) Expect(who string) *Entry {
	e := &Entry{book: b, who: who, done: make(chan cq.Completion, 2)}
	b.enter(e)
	b.accepted.Add(1)
	return e
}

func (b *Book) enter(e *Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open == nil {
		b.open = make(map[*Entry]struct{})
	}
	b.open[e] = struct{}{}
}

func (b *Book) leave(e *Entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, e)
}

func (b *Book) fault(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wrong = append(b.wrong, fmt.Errorf("ledger: "+format, args...))
}

// Begin implements cq.Completer.
func (e *Entry) Begin() bool {
	e.began.Add(1)
	return true
}

// Complete implements cq.Completer.
func (e *Entry) Complete(c cq.Completion) {
	if n := e.came.Add(1); n > 1 {
		e.book.fault("%v came %d times", e, n)
	}
	if c.Tag != cq.Tag(e) && e.began.Load() > 0 {
		e.book.fault("%v came with the tag %v", e, c.Tag)
	}
	e.book.leave(e)
	e.book.completed.Add(1)
	select {
	case e.done <- c:
	default:
	}
}

// Wait harvests the batch when it has come back.
func (e *Entry) Wait() cq.Event {
	c := <-e.done
	ev := cq.Event{Kind: cq.OpComplete, OK: c.OK, Tag: c.Tag}
	if c.Finalizer != nil {
		c.Finalizer.Finalize(&ev)
	}
	return ev
}

// String is one line for humans: whose batch, and of which operations.
func (e *Entry) String() string { return fmt.Sprintf("%s %v", e.who, e.ops) }

// Wrong returns what has come twice, or not as it was started, so far.
func (b *Book) Wrong() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return errors.Join(b.wrong...)
}

// Audit is for the end, when nothing is under way any more: besides what is
// Wrong, it returns what has not come back.
func (b *Book) Audit() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.wrong
	for e := range b.open {
		all = append(all, fmt.Errorf("ledger: %v has not come back", e))
	}
	if a, c := b.accepted.Load(), b.completed.Load(); a != c {
		all = append(all, fmt.Errorf("ledger: %d batches were accepted, %d came back", a, c))
	}
	return errors.Join(all...)
}

// String is one line for humans: the totals.
func (b *Book) String() string {
	return fmt.Sprintf("ledger.Book(accepted %d, completed %d, rejected %d)",
		b.accepted.Load(), b.completed.Load(), b.rejected.Load())
}
