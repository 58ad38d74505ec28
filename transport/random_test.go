package transport

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/frame"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/mem"
	"github.com/cqrpc/cqrpc/internal/memconn"
)

// player is one end of a stream in a random program: it sends, receives, returns
// credit and resets as its dice say, and remembers what a correct transport
// must have carried.
type player struct {
	dice *rand.Rand // of the goroutine that plays
	s    *Stream

	mu   sync.Mutex
	told *sync.Cond
	// guarded by mu
	wrote, read []byte // message bytes with prefixes
	sent        frame.Sent
	ended       bool // the peer's END_STREAM came
	crossed     bool // a frame came after OnClosed
	isReset     bool // by this end
	closed      []*frame.CloseError
	faults      []string
}

func newPlayer(seed uint64) *player {
	p := &player{dice: rand.New(rand.NewPCG(seed, 1))}
	p.told = sync.NewCond(&p.mu)
	return p
}

func (p *player) update(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.told.Broadcast()
}

func (p *player) fault(format string, args ...any) {
	p.faults = append(p.faults, fmt.Sprintf(format, args...))
}

// arrived judges when a frame comes. One may cross OnClosed, see Receiver.
func (p *player) arrived(what string, end bool) {
	isLate := len(p.closed) > 0
	if p.ended || isLate && p.crossed {
		p.fault("%s after the end", what)
	}
	p.crossed = p.crossed || isLate
	p.ended = p.ended || end
}

func (p *player) OnHeaders(h *frame.Headers, _ *cq.Lane) {
	p.update(func() { p.arrived("OnHeaders", h.End) })
}

func (p *player) OnData(b *mem.Buffer, end bool, _ *cq.Lane) {
	n := b.Len()
	p.update(func() {
		p.arrived("OnData", end)
		if b != nil {
			p.read = append(p.read, b.Bytes()...)
		}
	})
	b.Free()
	p.s.Consume(n / 2)
	// Not 0: with -race a timer that is due at once, on the fake clock, has crashed the runtime (Go 1.26).
	time.AfterFunc(1+time.Duration(n%7)*time.Millisecond, func() { p.s.Consume(n - n/2) })
}

func (p *player) OnSent(s frame.Sent, _ *cq.Lane) {
	p.update(func() {
		switch {
		case len(p.closed) > 0:
			if isMore(s, p.sent) {
				p.fault("OnSent(%+v) after OnClosed with %+v", s, p.sent)
			}
		case isMore(p.sent, s):
			p.fault("Sent went from %+v to %+v", p.sent, s)
		default:
			p.sent = s
		}
	})
}

func (p *player) OnClosed(err *frame.CloseError, s frame.Sent, _ *cq.Lane) {
	p.update(func() {
		if isMore(p.sent, s) {
			p.fault("OnClosed with %+v after OnSent(%+v)", s, p.sent)
		}
		p.sent = s
		p.closed = append(p.closed, err)
	})
}

// play sends headers, messages and an end, each after the one before was
// accepted, unless the dice or the peer end it earlier.
func (p *player) play(headers, trailers *frame.HeaderList) {
	o := frame.Outgoing{Headers: headers}
	for n := uint64(1); ; n++ {
		isLast := p.dice.IntN(4) == 0
		body := p.body()
		m := message(body)
		o.Message, o.Prefix = m.Message, m.Prefix
		if isLast && p.dice.IntN(2) == 0 {
			o.End, o.Trailers = true, trailers
			trailers = nil
		}
		isEnd := o.End
		p.update(func() { p.wrote = append(append(p.wrote, m.Prefix[:]...), body...) })
		p.s.Send(o)
		o = frame.Outgoing{}
		if p.dice.IntN(25) == 0 {
			p.update(func() { p.isReset = true })
			p.s.Reset(frame.Cancel)
			break
		}
		if !p.accepted(n) || isEnd {
			break
		}
		if isLast {
			p.s.Send(frame.Outgoing{End: true, Trailers: trailers})
			trailers = nil
			break
		}
		time.Sleep(time.Duration(p.dice.IntN(3)) * time.Millisecond) // fake clock
	}
	trailers.Free()
}

func (p *player) body() []byte {
	size := [...]int{0, 1, 100, 5000, 40_000, 150_000}[p.dice.IntN(6)]
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(p.dice.Uint32())
	}
	return body
}

// accepted waits for message n to be accepted; false if the stream is over.
func (p *player) accepted(n uint64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.sent.Messages < n {
		if len(p.closed) > 0 || p.isReset {
			return false
		}
		p.told.Wait()
	}
	return true
}

// cast is a Handler whose requests are played.
type cast struct {
	watcher
	seed uint64

	served  sync.Map // stream identifier -> *player
	playing sync.WaitGroup
}

func (c *cast) OnStream(s *Stream, _ *frame.Headers, _ *cq.Lane) {
	p := newPlayer(c.seed + uint64(s.id)<<32)
	p.s = s
	s.Accept(p)
	c.served.Store(s.id, p)
	s.Consume(p.dice.IntN(2) * p.dice.IntN(500_000)) // waits for that much, which is more than any window
	c.playing.Go(func() { p.play(responseHeaders(), statusOK()) })
}

// TestRandomPrograms plays many streams at once over a wire with short reads,
// small buffers and stalls, and compares both ends with each other.
func TestRandomPrograms(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playRandom(t, seed) })
		})
	}
}

func playRandom(t *testing.T, seed uint64) {
	leak.Check(t)
	leak.Buffers(t)
	dice := rand.New(rand.NewPCG(seed, 0))
	client, server := memconn.Pipe()
	for _, nc := range []*memconn.Conn{client, server} {
		nc.SetReadBufferSize(dice.IntN(3) * dice.IntN(5000))
		nc.SetWriteLimit(dice.IntN(2) * (1 + dice.IntN(100_000)))
	}
	cfg := Config{
		MaxConcurrentStreams: 1 + dice.IntN(20), MaxFrameSize: 16384 << dice.IntN(4),
		InitialWindow: 65535 << dice.IntN(3), InitialConnWindow: 65535 << dice.IntN(4), MaxWindow: 1<<18 - dice.IntN(2)<<20,
		Keepalive: Keepalive{Time: -1},
	}
	var wg sync.WaitGroup
	sh, ch := &cast{seed: seed}, &watcher{}
	sc, cc := New(Server, server, cfg, sh), New(Client, client, cfg, ch)

	var players []*player
	for i := range uint64(30) {
		p := newPlayer(seed + i<<16)
		st, err := cc.NewStream(p)
		if err != nil {
			t.Fatal(err)
		}
		p.s = st
		players = append(players, p)
		wg.Go(func() {
			time.Sleep(time.Duration(p.dice.IntN(20)) * time.Millisecond) // fake clock
			p.play(requestHeaders(), nil)
		})
	}
	disturb(t, dice, client, server, cc, sc)
	wg.Wait()
	time.Sleep(time.Minute) // fake clock
	synctest.Wait()         // all requests have come
	sh.playing.Wait()
	for i, p := range players {
		var q *player
		if v, ok := sh.served.Load(p.s.ID()); ok {
			q = v.(*player)
		}
		compare(t, i, p, q)
	}
	wantBalance(t, "up", cc, sc)
	wantBalance(t, "down", sc, cc)
	sc.Drain()
	time.Sleep(time.Minute) // fake clock
	synctest.Wait()
	for _, w := range []*watcher{ch, &sh.watcher} {
		if len(w.closed) != 1 || w.closed[0] != nil {
			t.Errorf("Handler.OnClosed: %v", w.closed)
		}
	}
}

// disturb stalls the wire now and then and looks at the windows.
func disturb(t *testing.T, dice *rand.Rand, client, server *memconn.Conn, conns ...*Conn) {
	ends := []*memconn.Conn{client, server}
	for range 40 {
		nc := ends[dice.IntN(2)]
		nc.Stall()
		time.Sleep(time.Duration(dice.IntN(3)) * time.Millisecond) // fake clock
		for _, c := range conns {
			wantWindows(t, c)
		}
		nc.Resume()
		time.Sleep(time.Duration(dice.IntN(3)) * time.Millisecond) // fake clock
	}
}

// wantWindows: nobody shrinks a window here, so none may be negative.
func wantWindows(t *testing.T, c *Conn) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out.window < 0 || c.in.conn.left.Load() < 0 {
		t.Errorf("%v: connection windows %d, %d", c.side, c.out.window, c.in.conn.left.Load())
	}
	for _, s := range c.streams.table {
		if s.sendWindow < 0 || s.recvWindow.Load() < 0 {
			t.Errorf("%v: stream %d has windows %d, %d", c.side, s.id, s.sendWindow, s.recvWindow.Load())
		}
	}
}

// wantBalance: with nothing under way both ends agree on the connection's window,
// and no stream is left.
func wantBalance(t *testing.T, way string, from, to *Conn) {
	t.Helper()
	from.mu.Lock()
	defer from.mu.Unlock()
	if got, want := from.out.window, int64(to.in.conn.left.Load()); got != want {
		t.Errorf("%s: the sender's window is %d, the receiver's %d", way, got, want)
	}
	if len(from.streams.table) > 0 || from.streams.waiting > 0 || !from.out.ready.isEmpty(true) {
		t.Errorf("%s: %d streams and %d waiting are left", way, len(from.streams.table), from.streams.waiting)
	}
}

// compare judges one stream; q is nil if the request never arrived.
func compare(t *testing.T, i int, p, q *player) {
	t.Helper()
	for _, x := range []*player{p, q} {
		if x == nil {
			continue
		}
		for _, f := range x.faults {
			t.Errorf("stream %d: %s", i, f)
		}
		if n := len(x.closed); n > 1 || n == 0 && !x.isReset {
			t.Errorf("stream %d: OnClosed came %d times, reset by its owner: %v, %v", i, n, x.isReset, x.s)
		}
	}
	if q == nil {
		if !p.isReset {
			t.Errorf("stream %d never arrived", i)
		}
		return
	}
	if !bytes.HasPrefix(p.wrote, q.read) || !bytes.HasPrefix(q.wrote, p.read) {
		t.Errorf("stream %d: what was read is not what was written", i)
	}
	if !p.isReset && !q.isReset && !bytes.Equal(q.wrote, p.read) {
		t.Errorf("stream %d: of the response %d bytes were written, %d read", i, len(q.wrote), len(p.read))
	}
	if q.ended && !bytes.Equal(p.wrote, q.read) {
		t.Errorf("stream %d: of the request %d bytes were written, %d read, then its end", i, len(p.wrote), len(q.read))
	}
}
