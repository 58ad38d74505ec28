package server_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	cqclient "github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
)

// ledgerGuest makes the calls of a ledger.
type ledgerGuest struct {
	ledger  *ledger
	host    *ledgerHost
	channel *cqclient.Channel
	queue   *cq.Queue
	isFair  bool
}

// visit is one call: a sender and a receiver, on goroutines of their own.
type visit struct {
	*ledgerGuest
	k        *call.Call
	id       int
	who      string
	method   string
	requests []string
	deadline time.Time

	cancelled atomic.Bool

	// of the receiver
	responses []string
	status    cqrpc.Status
}

// watchdog is when a call counts as hung: much later than all that can delay it.
const watchdog = time.Minute

func (g *ledgerGuest) call(id int, rnd *rand.Rand) {
	method := []string{unary.Name, clientStream.Name, serverStream.Name, bidi.Name}[rnd.IntN(4)]
	v := &visit{ledgerGuest: g, id: id, method: method, who: fmt.Sprintf("client %d %s", id, method)}
	n := 1
	if method == clientStream.Name || method == bidi.Name {
		n = rnd.IntN(8)
	}
	if method == clientStream.Name {
		n++ // the server answers with the last
	}
	for i := range n {
		size := rnd.IntN(200)
		if rnd.IntN(6) == 0 {
			size = rnd.IntN(150_000) // beyond any window
		}
		v.requests = append(v.requests, fmt.Sprintf("%d:%s", i, strings.Repeat("x", size)))
	}
	opts := []cqclient.CallOption{cqclient.WithWaitForReady(rnd.IntN(2) == 0)}
	if rnd.IntN(3) == 0 {
		v.deadline = time.Now().Add(time.Duration(rnd.IntN(800)) * time.Millisecond)
		opts = append(opts, cqclient.WithDeadline(v.deadline))
	}
	v.k = g.channel.NewCall(g.queue, method, opts...)
	defer v.k.Close()
	if rnd.IntN(4) == 0 {
		end := v.k.Cancel
		if rnd.IntN(2) == 0 {
			end = v.k.Close
		}
		time.AfterFunc(time.Duration(rnd.IntN(400))*time.Millisecond, func() { v.cancel(end) })
	}
	dog := time.AfterFunc(watchdog, func() {
		v.ledger.errorf("%s hangs: %v", v.who, v.k)
		v.cancel(v.k.Cancel)
	})
	defer dog.Stop()
	v.run(rnd)
	v.judge()
}

func (v *visit) cancel(end func()) {
	v.cancelled.Store(true)
	end()
}

func (v *visit) run(rnd *rand.Rand) {
	if v.method == unary.Name && rnd.IntN(2) == 0 {
		v.allInOne()
		return
	}
	var both sync.WaitGroup
	sender := rand.New(rand.NewPCG(rnd.Uint64(), 4))
	both.Go(func() { v.send(sender) })
	both.Go(func() { v.receive(rnd) })
	both.Wait()
}

// allInOne is a unary call in its one batch.
func (v *visit) allInOne() {
	var b *call.Buffer
	v.await(v.ledger.start(v.k, v.who, call.SendInitialMetadata(v.metadata()), v.message(0), call.SendClose(),
		call.RecvInitialMetadata(nil), call.RecvMessage(&b), call.RecvStatus(&v.status, nil)))
	v.take(b)
}

func (v *visit) metadata() cqrpc.Metadata { return cqrpc.Pairs("id", strconv.Itoa(v.id)) }

func (v *visit) message(i int) call.Op {
	return call.SendMessage(call.CopyBuffer([]byte(v.requests[i])))
}

func (v *visit) await(e *entry) cq.Event {
	if e == nil {
		v.ledger.errorf("%s: a legal batch was rejected", v.who)
		return cq.Event{}
	}
	return <-e.event
}

// send sends everything, in batches of any size, and gives up at the first that
// fails.
func (v *visit) send(rnd *rand.Rand) {
	ops := []call.Op{call.SendInitialMetadata(v.metadata())}
	flush := func() bool {
		e := v.ledger.start(v.k, v.who, ops...)
		ops = nil
		return v.await(e).OK
	}
	for i := range v.requests {
		if len(ops) > 0 && rnd.IntN(2) == 0 && !flush() {
			return
		}
		op := v.message(i)
		if rnd.IntN(2) == 0 {
			op = op.With(call.BufferHint)
		}
		ops = append(ops, op)
		if isLast := i == len(v.requests)-1; isLast && rnd.IntN(2) == 0 {
			break
		}
		if !flush() {
			return
		}
		if rnd.IntN(8) == 0 {
			v.misuse(rnd)
		}
	}
	if len(ops) > 0 && rnd.IntN(3) == 0 { // not awaited before the half-close
		e := v.ledger.start(v.k, v.who, ops...)
		ops = nil
		defer v.await(e)
	}
	ops = append(ops, call.SendClose())
	flush()
}

// misuse is rejected, except for the batch without operations.
func (v *visit) misuse(rnd *rand.Rand) {
	switch rnd.IntN(3) {
	case 0:
		v.await(v.ledger.start(v.k, v.who))
	case 1:
		v.mustReject(call.SendInitialMetadata(nil))
	case 2:
		v.mustReject(call.SendStatus(cqrpc.Status{}, nil))
	}
}

func (v *visit) mustReject(op call.Op) {
	if v.ledger.start(v.k, v.who, op) != nil {
		v.ledger.errorf("%s: %v was accepted", v.who, op.Kind())
	}
}

// receive takes everything; the status is asked for early, late, or together
// with a message.
func (v *visit) receive(rnd *rand.Rand) {
	var status *entry
	ops := []call.Op{call.RecvInitialMetadata(nil)}
	if rnd.IntN(2) == 0 {
		ops = append(ops, call.RecvStatus(&v.status, nil))
	}
	first := v.ledger.start(v.k, v.who, ops...)
	if len(ops) == 2 {
		status = first
	}
	for {
		var b *call.Buffer
		isOver := status != nil && status.came.Load() > 0 && v.status.Code == cqrpc.CodeOK
		v.await(v.ledger.start(v.k, v.who, call.RecvMessage(&b)))
		if !v.take(b) {
			break
		}
		if isOver {
			v.ledger.errorf("%s got a message after OK", v.who)
		}
		if rnd.IntN(10) == 0 {
			time.Sleep(time.Duration(rnd.IntN(50)) * time.Millisecond) // fake clock
		}
	}
	if status == nil {
		v.await(first)
		status = v.ledger.start(v.k, v.who, call.RecvStatus(&v.status, nil))
	}
	if ev := v.await(status); !ev.OK {
		v.ledger.errorf("%s: RECV_STATUS failed: %v", v.who, ev.Err)
	}
}

func (v *visit) take(b *call.Buffer) bool {
	if b == nil {
		return false
	}
	v.responses = append(v.responses, string(b.Bytes()))
	b.Free()
	return true
}

// judge: the status makes sense, OK means that nothing is missing, and nothing
// changes afterwards.
func (v *visit) judge() {
	l, r := v.ledger, v.host.recordOf(v.id)
	switch code := v.status.Code; code {
	case cqrpc.CodeOK:
		v.host.promise(v.id)
		v.judgeResponses()
	case cqrpc.CodeCanceled:
		if !v.cancelled.Load() && !r.cancelled && v.deadline.IsZero() {
			l.errorf("%s ended with %v, and nobody cancelled it", v.who, v.status)
		}
	case cqrpc.CodeDeadlineExceeded:
		if v.deadline.IsZero() || time.Now().Before(v.deadline) {
			l.errorf("%s ended with %v before its deadline", v.who, v.status)
		}
	case cqrpc.CodeUnavailable:
		if v.isFair {
			l.errorf("%s ended with %v in fair weather", v.who, v.status)
		}
	case cqrpc.CodeAborted:
	case cqrpc.CodeInternal: // RST_STREAM in the place of ABORTED
		if !r.cancelled {
			l.errorf("%s ended with %v", v.who, v.status)
		}
	default:
		l.errorf("%s ended with %v", v.who, v.status)
	}
	v.k.CancelWithStatus(cqrpc.CodeDataLoss, "too late")
	if got := cqrpc.CodeOf(v.k.Err()); got != v.status.Code {
		l.errorf("%s ended with %v, and then with %v", v.who, v.status.Code, got)
	}
	v.judgeAfter()
}

// judgeResponses compares what came with what was to be echoed.
func (v *visit) judgeResponses() {
	want := v.requests
	switch {
	case v.method == clientStream.Name || v.method == unary.Name:
		want = want[len(want)-1:]
	case v.method == serverStream.Name && len(v.responses) == 3:
		want = []string{want[0], want[0], want[0]}
	}
	same := len(want) == len(v.responses)
	for i := 0; same && i < len(want); i++ {
		same = want[i] == v.responses[i]
	}
	if !same {
		v.ledger.errorf("%s ended OK with %d responses %s, want %d",
			v.who, len(v.responses), heads(v.responses), len(want))
	}
}

func heads(messages []string) (list []string) {
	for _, m := range messages {
		head, _, _ := strings.Cut(m, ":")
		list = append(list, head)
	}
	return list
}

// judgeAfter: batches of a call that is over complete, and bring nothing.
func (v *visit) judgeAfter() {
	var b *call.Buffer
	v.await(v.ledger.start(v.k, v.who, call.RecvMessage(&b)))
	if b != nil {
		b.Free()
		v.ledger.errorf("%s got a message after its status", v.who)
	}
	if ev := v.await(v.ledger.start(v.k, v.who, call.SendMessage(call.NewBuffer(nil)))); ev.OK {
		v.ledger.errorf("%s could send after its end", v.who)
	}
	if ev := v.await(v.ledger.start(v.k, v.who)); !ev.OK {
		v.ledger.errorf("%s: an empty batch failed", v.who)
	}
}
