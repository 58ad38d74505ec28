//go:build unix

package transport

import (
	"sync"
	"testing"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// answerer answers requests where their bytes arrive, as inline reactions do.
type answerer struct {
	mu      sync.Mutex
	unsent  int // requests that were answered since the last write
	longest int // the most there were
}

// answering is the Receiver of one request.
type answering struct {
	to     *answerer
	stream *Stream
}

func (*answering) OnHeaders(*frame.Headers, *cq.Lane) {}

func (a *answering) OnData(b *mem.Buffer, _ bool, _ *cq.Lane) {
	b.Free()
	a.to.mu.Lock()
	a.to.unsent++
	a.to.longest = max(a.to.longest, a.to.unsent)
	a.to.mu.Unlock()
	a.stream.Send(frame.Outgoing{Headers: responseHeaders(), Trailers: statusOK()})
}

func (a *answering) OnSent(frame.Sent, *cq.Lane) { a.to.written() }

func (a *answering) OnClosed(*frame.CloseError, frame.Sent, *cq.Lane) { a.to.written() }

func (a *answerer) written() {
	a.mu.Lock()
	a.unsent = 0
	a.mu.Unlock()
}

// forget returns the most requests that were answered between two writes, and starts a new count.
func (a *answerer) forget() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := a.longest
	a.longest = 0
	return n
}

// A reader that answers while it reads writes some answers before it has read everything.
func TestAnswersAreWrittenBetween(t *testing.T) {
	lendingOver(t, func(t *testing.T, isSecure bool) {
		var a answerer
		l := newLender(t, lending{isSecure: isSecure, pollers: -1})
		l.handler.onStream = func(s *Stream, _ *frame.Headers, _ *cq.Lane) { s.Accept(&answering{&a, s}) }
		fewest := maxBatch
		for range 20 { // the first batch teaches that there are answers
			var last uint32
			for range maxBatch {
				last = l.writeRequest()
			}
			l.flush()
			l.wantAnswer(last)
			fewest = min(fewest, a.forget())
		}
		if fewest > enoughAsked {
			t.Errorf("with %d requests to read, %d are answered before a write; want %d at most", maxBatch, fewest, enoughAsked)
		}
	})
}
