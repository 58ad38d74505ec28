package server_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
)

// answering is a request of the queue style and the tag of its batches: it asks
// again when it is answered, as long as it is.
type answering struct {
	tally *tally
	queue *cq.Queue
	slot  server.IncomingCall
	done  bool // the tag is that of the reply
}

// tally counts requests by their fate.
type tally struct {
	server *server.Server
	method *server.Method

	requested, matched, failed atomic.Int64
}

func (y *tally) ask(q *cq.Queue) {
	a := &answering{tally: y, queue: q}
	y.requested.Add(1)
	if err := y.server.RequestRegisteredCall(y.method, &a.slot, nil, q, a); err != nil {
		y.requested.Add(-1)
	}
}

// Proceed implements cq.Proceeder.
func (a *answering) Proceed(ok bool) {
	switch {
	case a.done:
	case !ok:
		a.tally.failed.Add(1)
	default:
		a.tally.matched.Add(1)
		a.tally.ask(a.queue)
		a.done = true
		err := a.slot.Call.StartBatch([]call.Op{
			call.SendInitialMetadata(nil), call.SendMessage(a.slot.Payload), call.SendStatus(cqrpc.Status{}, nil),
		}, a)
		if err != nil {
			panic(err)
		}
	}
}

// TestManyQueuesAndClients: calls are made, cancelled and expire from many
// goroutines while requests are posted on several queues and at last the server
// is shut down. Every request has one fate, every call one status.
func TestManyQueuesAndClients(t *testing.T) {
	leak.Check(t)
	leak.Buffers(t)
	s := server.New(server.WithPendingLimits(server.PendingLimits{Calls: 50}))
	m, err := s.RegisterMethod(unary.Name, server.PayloadOnly)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Register(server.BidiStream(bidi, shout)); err != nil {
		t.Fatal(err)
	}
	queues := []*cq.Queue{cq.New(), cq.New(), cq.New()}
	y := &tally{server: s, method: m}
	for _, q := range queues {
		if err := s.AddQueue(q); err != nil {
			t.Fatal(err)
		}
		for range 4 {
			y.ask(q)
		}
	}
	waitPollers := cq.Poll(queues, 2, cq.Proceed)
	lis := memconn.Listen()
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()

	var codes [17]atomic.Int64
	var clients sync.WaitGroup
	for seed := range uint64(8) {
		clients.Go(func() {
			nc, err := lis.Dial(context.Background())
			if err != nil {
				t.Error(err)
				return
			}
			c := newClient(nc)
			defer c.conn.Close()
			rnd := rand.New(rand.NewPCG(seed, 2))
			for range 100 {
				codes[c.mischief(rnd).Code].Add(1)
			}
		})
	}
	clients.Wait()
	if err := s.Shutdown(context.Background()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	<-served
	waitPollers()
	r, matched, failed := y.requested.Load(), y.matched.Load(), y.failed.Load()
	if matched+failed != r || failed != 12 {
		t.Errorf("%d requests: %d matched, %d failed; want 12 to fail, those that waited", r, matched, failed)
	}
	if ok := codes[cqrpc.CodeOK].Load(); ok == 0 || ok > matched+800 {
		t.Errorf("%d calls succeeded, %d were matched", ok, matched)
	}
	for code, want := range map[cqrpc.Code]bool{
		cqrpc.CodeUnknown: false, cqrpc.CodeInternal: false, cqrpc.CodeUnavailable: false, cqrpc.CodeUnimplemented: false,
	} {
		if got := codes[code].Load() > 0; got != want {
			t.Errorf("%d calls ended with %v", codes[code].Load(), code)
		}
	}
}

// mischief makes one call, unary or not, and may give it up.
func (c *client) mischief(rnd *rand.Rand) cqrpc.Status {
	method := unary.Name
	if rnd.IntN(3) == 0 {
		method = bidi.Name
	}
	w := new(cq.Waiter)
	k := call.NewClient(nil, call.Config{Completer: w, Method: method, Authority: "test"}, c)
	defer k.Close()
	var st cqrpc.Status
	ops := []call.Op{
		call.SendInitialMetadata(nil), call.SendValue(&text{Value: "x"}), call.SendClose(),
		call.RecvValue(new(text), nil), call.RecvStatus(&st, nil),
	}
	if err := k.StartBatch(ops, nil); err != nil {
		return cqrpc.StatusOf(err)
	}
	if rnd.IntN(4) == 0 {
		k.Cancel()
	}
	w.Wait(context.Background())
	return st
}
