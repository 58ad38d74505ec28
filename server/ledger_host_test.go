package server_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

// ledgerHost is the server of a ledger: the queue style, four methods, two
// queues.
type ledgerHost struct {
	ledger *ledger
	server *server.Server
	queues [2]*cq.Queue

	// of requests for calls
	requested, matched, failed atomic.Int64

	stopping atomic.Bool
	actors   sync.WaitGroup
	pollers  sync.WaitGroup

	mu sync.Mutex
	// guarded by mu
	rnd     *rand.Rand
	records map[string]*record
	calls   []*call.Call
}

// record is what the server did for one call of a client.
type record struct {
	matched    int
	statusSent bool // SEND_STATUS of OK completed true
	promised   bool // the client had an OK
	cancelled  bool // by the server's application
}

func newLedgerHost(l *ledger, rnd *rand.Rand, opts ...server.Option) *ledgerHost {
	h := &ledgerHost{
		ledger: l, server: server.New(opts...), rnd: rand.New(rand.NewPCG(rnd.Uint64(), 2)),
		records: make(map[string]*record),
	}
	for i := range h.queues {
		h.queues[i] = cq.New()
		if err := h.server.AddQueue(h.queues[i]); err != nil {
			l.t.Fatal(err)
		}
		h.pollers.Go(func() { l.harvest(h.queues[i]) })
	}
	for name, payload := range map[string]server.PayloadHandling{
		unary.Name: server.PayloadOnly, serverStream.Name: server.PayloadFirst,
		clientStream.Name: server.PayloadNone, bidi.Name: server.PayloadNone,
	} {
		m, err := h.server.RegisterMethod(name, payload)
		if err != nil {
			l.t.Fatal(err)
		}
		for i := range 2 * len(h.queues) {
			h.actors.Go(func() { h.ask(m, h.queues[i%len(h.queues)]) })
		}
	}
	return h
}

// random is a generator of the caller's own.
func (h *ledgerHost) random() *rand.Rand {
	h.mu.Lock()
	defer h.mu.Unlock()
	return rand.New(rand.NewPCG(h.rnd.Uint64(), 3))
}

// ask requests calls of m, one after the other, until a request fails.
func (h *ledgerHost) ask(m *server.Method, q *cq.Queue) {
	for {
		var slot server.IncomingCall
		e := h.ledger.open("request for %s", m.Name())
		if err := h.server.RequestRegisteredCall(m, &slot, nil, q, e); err != nil {
			h.ledger.errorf("request for %s: %v", m.Name(), err)
			return
		}
		e.accepted.Store(true)
		h.requested.Add(1)
		if ev := <-e.event; !ev.OK {
			if !h.stopping.Load() || slot.Call != nil {
				h.ledger.errorf("request failed before the end, or with a call: %v", ev.Err)
			}
			h.failed.Add(1)
			return
		}
		h.matched.Add(1)
		h.actors.Go(func() { h.serve(slot) })
	}
}

// note files a call under the client's name for it.
func (h *ledgerHost) note(k *call.Call) *record {
	id := k.RequestMetadata().Get("id")
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, k)
	r := h.records[id]
	if r == nil {
		r = new(record)
		h.records[id] = r
	}
	if r.matched++; r.matched > 1 {
		h.ledger.errorf("call %s came %d times: it was repeated although it had been processed", id, r.matched)
	}
	return r
}

func (h *ledgerHost) recordOf(id int) record {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.records[strconv.Itoa(id)]; r != nil {
		return *r
	}
	return record{}
}

// promise notes that the client of a call got OK. That the server has said so is
// checked at the end: its own event may come later.
func (h *ledgerHost) promise(id int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.records[strconv.Itoa(id)]; r != nil {
		r.promised = true
		return
	}
	h.ledger.errorf("call %d ended OK, and the server never saw it", id)
}

// serve answers one call: what it was sent, in order.
func (h *ledgerHost) serve(slot server.IncomingCall) {
	k, l, rnd := slot.Call, h.ledger, h.random()
	who := "server " + slot.Method
	r := h.note(k)
	defer k.Close()
	var cancelled bool
	closed := l.start(k, who, call.RecvClose(&cancelled))
	framed := h.answer(k, slot, r, rnd, who)
	ev := <-closed.event
	if !ev.OK {
		l.errorf("%s: RECV_CLOSE failed: %v", who, ev.Err)
	}
	if framed == cancelled {
		l.errorf("%s: the status was framed: %v, and the call cancelled: %v", who, framed, cancelled)
	}
}

// answer reports whether the status was framed.
func (h *ledgerHost) answer(k *call.Call, slot server.IncomingCall, r *record, rnd *rand.Rand, who string) bool {
	l := h.ledger
	isStream := slot.Method == bidi.Name || slot.Method == serverStream.Name
	var last *call.Buffer
	defer func() { last.Free() }()
	begin := []call.Op{call.SendInitialMetadata(nil)}
	for message := slot.Payload; ; {
		if message == nil {
			e := l.start(k, who, call.RecvMessage(&message))
			if ev := <-e.event; message == nil {
				if !ev.OK {
					break // the client is gone
				}
				return h.end(k, r, who, cqrpc.CodeOK, begin, last)
			}
		}
		if rnd.IntN(4) == 0 {
			time.Sleep(time.Duration(rnd.IntN(50)) * time.Millisecond) // fake clock
		}
		switch rnd.IntN(40) {
		case 0: // an early end
			message.Free()
			return h.end(k, r, who, cqrpc.CodeAborted, nil, nil)
		case 1:
			message.Free()
			h.mu.Lock()
			r.cancelled = true
			h.mu.Unlock()
			k.CancelWithStatus(cqrpc.CodeAborted, "on purpose")
			return false
		}
		if !isStream {
			last.Free()
			last, message = message, nil
			continue
		}
		ok := h.echo(k, who, begin, message, slot.Method == serverStream.Name && rnd.IntN(2) == 0, rnd)
		message, begin = nil, nil
		if !ok {
			break
		}
	}
	return h.end(k, r, who, cqrpc.CodeOK, nil, nil) // a tag all the same
}

// echo sends message, which it takes, once or three times.
func (h *ledgerHost) echo(
	k *call.Call, who string, begin []call.Op, message *call.Buffer, threeTimes bool, rnd *rand.Rand,
) bool {
	defer message.Free()
	times := 1
	if threeTimes {
		times = 3
	}
	for range times {
		op := call.SendMessage(call.CopyBuffer(message.Bytes()))
		if rnd.IntN(2) == 0 {
			op = op.With(call.BufferHint)
		}
		e := h.ledger.start(k, who, append(begin, op)...)
		begin = nil
		if ev := <-e.event; !ev.OK {
			return false
		}
	}
	return true
}

// end sends the status, with all that belongs before it, and reports whether it
// was framed.
func (h *ledgerHost) end(
	k *call.Call, r *record, who string, code cqrpc.Code, begin []call.Op, last *call.Buffer,
) bool {
	ops := slices.Concat(begin, []call.Op{call.SendStatus(cqrpc.Status{Code: code}, nil)})
	if last != nil {
		ops = append(ops, call.SendMessage(call.CopyBuffer(last.Bytes())))
	}
	e := h.ledger.start(k, who, ops...)
	if e == nil {
		h.ledger.errorf("%s: the status was rejected", who)
		return false
	}
	ev := <-e.event
	h.mu.Lock()
	r.statusSent = ev.OK && code == cqrpc.CodeOK
	h.mu.Unlock()
	return ev.OK
}

// shutdown ends the server; its tag comes when every call has closed.
func (h *ledgerHost) shutdown() {
	l := h.ledger
	h.stopping.Store(true)
	e := l.open("shutdown")
	q := cq.New()
	h.pollers.Go(func() { l.harvest(q) })
	if err := h.server.ShutdownAndNotify(q, e); err != nil {
		l.errorf("ShutdownAndNotify: %v", err)
		return
	}
	e.accepted.Store(true)
	<-e.event
	h.mu.Lock()
	for _, k := range h.calls {
		if !k.Finished() {
			l.errorf("the server has shut down, and not %v", k)
		}
	}
	h.mu.Unlock()
	h.actors.Wait()
	if err := h.server.Close(); err != nil {
		l.errorf("Close: %v", err)
	}
	q.Shutdown()
	h.pollers.Wait()
	for id, r := range h.records {
		if r.promised && !r.statusSent {
			l.errorf("call %s ended OK, which the server has not said", id)
		}
	}
	if r, m, f := h.requested.Load(), h.matched.Load(), h.failed.Load(); m+f != r || f != 16 {
		l.errorf("%d requests: %d matched, %d failed; want those 16 to fail that waited", r, m, f)
	}
}
