package server_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc/call"
	cqclient "github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/transport"
)

// ledger is the double-entry book of a run: what was accepted, and what came
// back for it.
type ledger struct {
	t    *testing.T
	seed uint64

	mu      sync.Mutex
	entries []*entry
}

// entry is one batch, or one request for a call, and its tag.
type entry struct {
	who   string
	event chan cq.Event // capacity 2: a tag that comes twice must not block

	accepted atomic.Bool
	came     atomic.Int32
}

func (l *ledger) open(format string, args ...any) *entry {
	e := &entry{who: fmt.Sprintf(format, args...), event: make(chan cq.Event, 2)}
	l.mu.Lock()
	l.entries = append(l.entries, e)
	l.mu.Unlock()
	return e
}

func (l *ledger) errorf(format string, args ...any) {
	l.t.Helper()
	l.t.Errorf("seed %d: "+format, append([]any{l.seed}, args...)...)
}

// start starts a batch; nil if it was rejected.
func (l *ledger) start(k *call.Call, who string, ops ...call.Op) *entry {
	e := l.open("%s %v", who, kinds(ops))
	if err := k.StartBatch(ops, e); err != nil {
		return nil
	}
	e.accepted.Store(true)
	return e
}

func kinds(ops []call.Op) []call.OpKind {
	list := make([]call.OpKind, len(ops))
	for i := range ops {
		list[i] = ops[i].Kind()
	}
	return list
}

// harvest takes the events of q until it is drained.
func (l *ledger) harvest(q *cq.Queue) {
	for ev := range q.Events(context.Background()) {
		e := ev.Tag.(*entry)
		e.came.Add(1)
		select {
		case e.event <- ev:
		default:
		}
	}
}

// audit: every accepted tag came exactly once, every rejected one never.
func (l *ledger) audit() {
	l.t.Helper()
	for _, e := range l.entries {
		want := int32(0)
		if e.accepted.Load() {
			want = 1
		}
		if got := e.came.Load(); got != want {
			l.errorf("tag of %s came %d times, want %d", e.who, got, want)
		}
	}
}

// weather is what happens to connections: short reads, full buffers, stalls
// and cuts. The zero value is fair.
type weather struct {
	mu  sync.Mutex
	rnd *rand.Rand // nil: fair
}

var errCut = errors.New("cut by the test")

// strike prepares one end of a connection.
func (w *weather) strike(c *memconn.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rnd == nil {
		return
	}
	if w.rnd.IntN(2) == 0 {
		c.SetReadBufferSize(20 + w.rnd.IntN(2000))
	}
	if w.rnd.IntN(2) == 0 {
		c.SetWriteLimit(1000 + w.rnd.IntN(60000))
	}
	stall := time.Duration(w.rnd.IntN(400)) * time.Millisecond
	time.AfterFunc(stall, c.Stall)
	time.AfterFunc(stall+time.Duration(1+w.rnd.IntN(200))*time.Millisecond, c.Resume)
	cut := time.Duration(w.rnd.IntN(3000)) * time.Millisecond
	switch w.rnd.IntN(6) {
	case 0:
		time.AfterFunc(cut, func() { c.Fail(errCut) })
	case 1:
		time.AfterFunc(cut, func() { c.FailWrite(errCut) })
	case 2:
		time.AfterFunc(cut, func() { _ = c.Close() })
	}
}

// stormy is a listener whose connections meet the weather at both ends.
type stormy struct {
	*memconn.Listener
	*weather
}

func (s stormy) Accept() (net.Conn, error) {
	nc, err := s.Listener.Accept()
	if err == nil {
		s.strike(nc.(*memconn.Conn))
	}
	return nc, err
}

func (s stormy) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	nc, err := s.Listener.Dial(ctx)
	if err != nil {
		return nil, err
	}
	s.strike(nc)
	return nc, nil
}

// TestLedger runs clients and a server, both by batches, through fair and foul
// weather, and then closes the books: see package ledger.
func TestLedger(t *testing.T) {
	for seed := range uint64(18) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			bubble(t, func(t *testing.T) { runLedger(t, seed) })
		})
	}
}

func runLedger(t *testing.T, seed uint64) {
	l := &ledger{t: t, seed: seed}
	rnd := rand.New(rand.NewPCG(seed, 0))
	w := &weather{}
	cfg := transport.Config{}
	if seed%3 > 0 {
		w.rnd = rand.New(rand.NewPCG(seed, 1))
		cfg.MaxConcurrentStreams = 1 + rnd.IntN(20)
	}
	if seed%3 > 1 { // GOAWAYs
		cfg.MaxAge, cfg.MaxAgeGrace = 700*time.Millisecond, 2*time.Second
	}
	net := stormy{memconn.Listen(), w}
	host := newLedgerHost(l, rnd, server.WithTransport(cfg))
	served := make(chan error, 1)
	go func() { served <- host.server.Serve(net) }()
	ch, err := cqclient.NewChannel("passthrough:///mem", cqclient.WithInsecure(), cqclient.WithDialer(net.dial),
		cqclient.WithBackoff(cqclient.Backoff{Initial: 20 * time.Millisecond, Max: 200 * time.Millisecond}))
	if err != nil {
		t.Fatal(err)
	}
	q := cq.New()
	var pollers sync.WaitGroup
	for range 2 {
		pollers.Go(func() { l.harvest(q) })
	}

	g := &ledgerGuest{ledger: l, host: host, channel: ch, queue: q, isFair: w.rnd == nil}
	var calls sync.WaitGroup
	for id := range 40 {
		rnd := rand.New(rand.NewPCG(seed, uint64(id)+100))
		calls.Go(func() {
			time.Sleep(time.Duration(rnd.IntN(1500)) * time.Millisecond) // fake clock
			g.call(id, rnd)
		})
	}
	calls.Wait()
	q.Shutdown()
	pollers.Wait()
	if err := ch.Close(); err != nil {
		t.Error(err)
	}
	host.shutdown()
	if err := <-served; !errors.Is(err, server.ErrServerClosed) {
		l.errorf("Serve: %v", err)
	}
	time.Sleep(time.Minute) // for sockets that linger // fake clock
	l.audit()
}
