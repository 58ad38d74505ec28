package future_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/cq/future"
	serverfuture "github.com/cqrpc/cqrpc/server/future"
)

// sink and stream are those of either side.
type (
	sink interface {
		Send(m *text, flags ...call.Flags) *future.Future[struct{}]
		Flush() *future.Future[struct{}]
		EnhanceBatch(on bool)
		Close() *future.Future[struct{}]
		Cancel()
	}
	stream interface {
		Next() *future.Future[*text]
		Close()
		Cancel()
	}
)

// player uses one side of a call at random, and keeps the books.
type player struct {
	name string
	rand *rand.Rand
	out  sink
	in   stream

	sent     int // messages that were accepted
	closed   bool
	received int
	err      error // what came after the last message received
	open     []*future.Future[struct{}]
	next     *future.Future[*text]
}

// play does one thing.
func (p *player) play(t *testing.T) {
	switch n := p.rand.IntN(20); {
	case n < 8:
		var flags call.Flags
		if p.rand.IntN(2) == 0 {
			flags = call.BufferHint
		}
		f := p.out.Send(wrapperspb.String(strconv.Itoa(p.sent)), flags)
		if _, err, ok := f.Poll(); !ok || err == nil {
			p.sent++
			p.open = append(p.open, f)
		}
	case n < 10:
		p.open = append(p.open, p.out.Flush())
	case n == 10:
		p.out.EnhanceBatch(p.rand.IntN(2) == 0)
	case n == 11 && p.sent > 5:
		p.open = append(p.open, p.out.Close())
		p.closed = true
	case n == 12 && p.rand.IntN(40) == 0:
		p.out.Cancel()
	default:
		p.receive(t)
	}
}

// receive takes what has come, and asks for more.
func (p *player) receive(t *testing.T) {
	if p.err != nil {
		return
	}
	if p.next == nil {
		p.next = p.in.Next()
	}
	m, err, ok := p.next.Poll()
	switch {
	case !ok:
		return
	case err != nil:
		p.err = err
	case m.Value != strconv.Itoa(p.received):
		t.Fatalf("%s received %q as number %d", p.name, m.Value, p.received)
	default:
		p.received++
	}
	p.next = nil
}

// Both sides use everything at random. Whatever happens: messages arrive in
// order, every future is resolved once the call is over, and a call that was
// closed in order on both sides has delivered everything.
func TestRandomUse(t *testing.T) {
	for seed := range uint64(60) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			calls := make(chan *player, 1)
			play(t, handlers(onBidi(func(
				_ *serverfuture.Context, in *serverfuture.Stream[text], out *serverfuture.Sink[text],
			) {
				calls <- &player{name: "server", out: out, in: in, rand: rand.New(rand.NewPCG(seed, 2))}
			})), func(s *scene) {
				calls = make(chan *player, 1) // the bubble's
				out, in := clientfuture.BidiStream(s.Context(), s.stub, bidi)
				near := &player{name: "client", out: out, in: in, rand: rand.New(rand.NewPCG(seed, 1))}
				far := <-calls
				steps := rand.New(rand.NewPCG(seed, 3))
				for range 400 {
					if steps.IntN(2) == 0 {
						near.play(t)
					} else {
						far.play(t)
					}
					switch steps.IntN(4) {
					case 0:
						synctest.Wait()
					case 1:
						time.Sleep(time.Microsecond) // fake clock
					}
				}
				near.finish(t)
				far.finish(t)
				for range 2000 { // drain
					synctest.Wait()
					near.receive(t)
					far.receive(t)
				}
				check(t, near, far)
			})
		})
	}
}

func (p *player) finish(*testing.T) {
	p.open = append(p.open, p.out.Close())
	p.closed = true
}

func check(t *testing.T, near, far *player) {
	t.Helper()
	synctest.Wait()
	for _, p := range []*player{near, far} {
		for i, f := range p.open {
			if _, _, ok := f.Poll(); !ok {
				t.Errorf("%s: future %d of %d is not resolved", p.name, i, len(p.open))
			}
		}
		if p.err == nil {
			t.Errorf("%s: the stream has not ended after %d messages", p.name, p.received)
		}
	}
	if near.received > far.sent || far.received > near.sent {
		t.Errorf("received %d and %d of %d and %d", near.received, far.received, far.sent, near.sent)
	}
	if errors.Is(near.err, io.EOF) && near.received != far.sent {
		t.Errorf("OK after %d of %d messages", near.received, far.sent)
	}
	if errors.Is(far.err, io.EOF) && far.received != near.sent && cqrpc.CodeOf(near.err) == cqrpc.CodeOK {
		t.Errorf("the requests ended in order after %d of %d", far.received, near.sent)
	}
}
