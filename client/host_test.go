//go:build unix

package client_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/reactor"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/leak"
)

var (
	echoUnary = call.Method[[]byte, []byte]{Name: "/test.Echo/Unary"}
	echoBidi  = call.Method[[]byte, []byte]{Name: "/test.Echo/Bidi", Shape: call.BidiStream}
)

// foreign is an echo server of net/http on loopback. One of ours in this process would keep the
// client from lending: of two connections that are read in turns none reads alone.
type foreign struct {
	*testing.T
	meet func() // what a request does first; nil: nothing
	ch   *client.Channel
}

// needTwo gives a test two processors: with one no connection is lent.
func needTwo(t *testing.T) {
	t.Helper()
	if before := runtime.GOMAXPROCS(0); before < 2 {
		runtime.GOMAXPROCS(2)
		t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	}
}

func newForeign(t *testing.T, meet func()) *foreign {
	t.Helper()
	needTwo(t)
	leak.Check(t)
	leak.Buffers(t)
	f := &foreign{T: t, meet: meet}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	s := &http.Server{Handler: f, Protocols: new(http.Protocols)}
	s.Protocols.SetUnencryptedHTTP2(true)
	served := make(chan error)
	go func() { served <- s.Serve(lis) }()
	f.ch, err = client.NewChannel(lis.Addr().String(), client.WithInsecure(), client.WithCodec(codec.Bytes()))
	must(err)
	t.Cleanup(func() {
		f.ch.Close()
		_ = s.Close()
		<-served
	})
	return f
}

// ServeHTTP answers every message with itself, and the end with OK.
func (f *foreign) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	var prefix [5]byte
	for {
		if _, err := io.ReadFull(r.Body, prefix[:]); err != nil {
			break
		}
		body := make([]byte, binary.BigEndian.Uint32(prefix[1:]))
		if _, err := io.ReadFull(r.Body, body); err != nil {
			return
		}
		if f.meet != nil {
			f.meet()
		}
		_, _ = w.Write(append(prefix[:], body...))
		w.(http.Flusher).Flush()
	}
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
}

// isServing reports whether a goroutine with this function on its stack reads a connection.
func isServing(function string) bool {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for g := range bytes.SplitSeq(stacks, []byte("\n\n")) {
		if bytes.Contains(g, []byte("(*loan).Serve")) && bytes.Contains(g, []byte(function)) {
			return true
		}
	}
	return false
}

// look is how a server sees whether who waits for its answers reads the connection.
type look struct {
	function string // on the stack of who waits
	seen     atomic.Int32
}

// meet looks for a while, if it has not seen enough.
func (l *look) meet() {
	if l.isEnough() {
		return
	}
	for end := time.Now().Add(time.Millisecond); time.Now().Before(end); runtime.Gosched() {
		if isServing(l.function) {
			l.seen.Add(1)
			return
		}
	}
}

func (l *look) isEnough() bool { return l.seen.Load() >= 5 }

// mostTurns is how often a test tries what needs a loan. On a busy machine the goroutine that waits
// may be late, and then nothing is lent for up to a thousand batches, however long these take.
const mostTurns = 50_000

// until calls f until enough was seen.
func (l *look) until(t *testing.T, f func(n int)) {
	t.Helper()
	n := 0
	for ; !l.isEnough(); n++ {
		if n == mostTurns {
			t.Fatalf("of %d times %s has read the connection %d times", n, l.function, l.seen.Load())
		}
		f(n)
	}
	t.Logf("seen after %d times", n)
}

// wantUnary makes a call in the sync style.
func (f *foreign) wantUnary(n int) {
	f.Helper()
	req := fmt.Append(nil, n)
	res, err := client.Unary(context.Background(), f.ch, echoUnary, &req)
	if err != nil || !bytes.Equal(*res, req) {
		f.Fatalf("call %d: %s, %v", n, *res, err)
	}
}

// A goroutine that waits for the answer to a call reads it.
func TestACallerReads(t *testing.T) {
	l := &look{function: "client.Unary"}
	f := newForeign(t, l.meet)
	l.until(t, f.wantUnary)
	for n := range 200 {
		f.wantUnary(n)
	}
}

// A goroutine that waits for a message of a stream reads it.
func TestAStreamReads(t *testing.T) {
	l := &look{function: "recvValue"}
	f := newForeign(t, l.meet)
	s, err := client.BidiStream(context.Background(), f.ch, echoBidi)
	must(err)
	defer s.Close()
	turn := func(n int) {
		req := fmt.Append(nil, n)
		if err := s.Send(&req); err != nil {
			t.Fatal(err)
		}
		if res, err := s.Recv(); err != nil || !bytes.Equal(*res, req) {
			t.Fatalf("message %d: %v, %v", n, res, err)
		}
	}
	l.until(t, turn)
	for n := range 200 {
		turn(n)
	}
	must(s.CloseSend())
	if _, err := s.Recv(); err != io.EOF {
		t.Errorf("the stream ends with %v", err)
	}
}

// A poller whose patience ends now and then reads.
func TestAnImpatientPollerReads(t *testing.T) {
	l := &look{function: "(*Queue).Next"}
	f := newForeign(t, l.meet)
	q := cq.New()
	timeouts := 0
	turn := func(n int) {
		c := f.ch.NewCall(q, echoUnary.Name)
		req := fmt.Append(nil, n)
		var res []byte
		must(c.StartBatch([]call.Op{
			call.SendInitialMetadata(nil), call.SendValue(&req), call.SendClose(),
			call.RecvInitialMetadata(nil), call.RecvValue(&res, nil), call.RecvStatus(new(cqrpc.Status), nil),
		}, n))
		for {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(3000))*time.Microsecond)
			ev := q.Next(ctx)
			cancel()
			if ev.Kind == cq.Timeout {
				timeouts++
				continue
			}
			if !ev.OK || ev.Tag != n || !bytes.Equal(res, req) {
				t.Fatalf("call %d: %+v, %s", n, ev, res)
			}
			c.Close()
			return
		}
	}
	l.until(t, turn)
	for n := range 200 {
		turn(n)
	}
	if timeouts == 0 {
		t.Error("the patience has never ended")
	}
	must(q.Close(context.Background()))
}

// A worker of a pool reads for the reactions to come.
func TestAPoolReads(t *testing.T) {
	l := &look{function: "(*Pool).take"}
	f := newForeign(t, l.meet)
	pool := cq.NewPool(2)
	stub := reactor.New(f.ch, reactor.WithExecutor(pool))
	turn := func(n int) {
		req := fmt.Append(nil, n)
		var res []byte
		done := make(chan cqrpc.Status, 1)
		// A worker serves that has reacted: the next call is made by the reaction to this one.
		reactor.Unary(context.Background(), stub, echoUnary, &req, &res, func(cqrpc.Status) {
			reactor.Unary(context.Background(), stub, echoUnary, &req, &res, func(st cqrpc.Status) { done <- st })
		})
		if st := <-done; st.Code != cqrpc.CodeOK || !bytes.Equal(res, req) {
			t.Fatalf("call %d: %v, %s", n, st, res)
		}
	}
	l.until(t, turn)
	for n := range 200 {
		turn(n)
	}
	f.ch.Close()
	pool.Close()
}

// seldomSlow is a server that takes its time once in a while.
func seldomSlow() {
	if rand.IntN(50) == 0 {
		<-time.After(5 * time.Millisecond)
	}
}

// impatience is the context of a call: some have all the time in the world, some end by their
// deadline, and some are cancelled, at any moment of a call.
func impatience() (context.Context, context.CancelFunc) {
	d := time.Duration(rand.IntN(1500)) * time.Microsecond
	switch rand.IntN(4) {
	case 0:
		return context.WithTimeout(context.Background(), d)
	case 1:
		ctx, cancel := context.WithCancel(context.Background())
		timer := time.AfterFunc(d, cancel)
		return ctx, func() { timer.Stop(); cancel() }
	}
	return context.WithCancel(context.Background())
}

// TestCallersStress: callers give up at any moment, and the server is slow now and then. Every
// call ends, with its answer or the reason.
func TestCallersStress(t *testing.T) {
	for _, callers := range []int{1, 2, 8} {
		for _, style := range []struct {
			name string
			call func(ctx context.Context, f *foreign, req []byte) ([]byte, error)
		}{{"unary", callUnary}, {"bidi", callBidi}, {"reactor", callReactor}} {
			t.Run(fmt.Sprintf("%s by %d", style.name, callers), func(t *testing.T) {
				f := newForeign(t, seldomSlow)
				var calling sync.WaitGroup
				var ended, failed atomic.Int32
				end := time.Now().Add(300 * time.Millisecond)
				isOver := func() bool { // both must have happened, however slow the machine is
					return time.Now().After(end) && ended.Load() > 0 && failed.Load() > 0
				}
				for range callers {
					calling.Go(func() {
						for n := 0; !isOver(); n++ {
							req := fmt.Append(nil, n)
							ctx, cancel := impatience()
							res, err := style.call(ctx, f, req)
							switch code := cqrpc.CodeOf(err); {
							case err == nil && !bytes.Equal(res, req):
								t.Errorf("%s is answered by %s", req, res)
							case err == nil:
								ended.Add(1)
							case !isReason(ctx, code):
								t.Error("the call fails:", err)
							default:
								failed.Add(1)
							}
							cancel()
						}
					})
				}
				calling.Wait()
			})
		}
	}
}

// isReason reports whether a call may end with code because of ctx. The deadline of the call is that
// of ctx, and its timer may be the earlier one.
func isReason(ctx context.Context, code cqrpc.Code) bool {
	_, isBounded := ctx.Deadline()
	return code == cqrpc.CodeDeadlineExceeded && isBounded || code == cqrpc.CodeCanceled && ctx.Err() == context.Canceled
}

func callUnary(ctx context.Context, f *foreign, req []byte) ([]byte, error) {
	res, err := client.Unary(ctx, f.ch, echoUnary, &req)
	if err != nil {
		return nil, err
	}
	return *res, nil
}

// callBidi has ten turns.
func callBidi(ctx context.Context, f *foreign, req []byte) ([]byte, error) {
	s, err := client.BidiStream(ctx, f.ch, echoBidi)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var res *[]byte
	for range 10 {
		_ = s.Send(&req) // Recv knows the reason
		if res, err = s.Recv(); err != nil {
			return nil, err
		}
	}
	return *res, nil
}

var sharedPool = cq.NewPool(2)

func callReactor(ctx context.Context, f *foreign, req []byte) ([]byte, error) {
	var res []byte
	done := make(chan cqrpc.Status, 1)
	stub := reactor.New(f.ch, reactor.WithExecutor(sharedPool))
	reactor.Unary(ctx, stub, echoUnary, &req, &res, func(st cqrpc.Status) { done <- st })
	if st := <-done; st.Code != cqrpc.CodeOK {
		return nil, &cqrpc.Error{Status: st}
	}
	return res, nil
}
