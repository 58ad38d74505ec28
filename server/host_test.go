//go:build unix

package server_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
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
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/reactor"
)

// Methods of plain bytes, by the style that serves them.
var (
	syncUnary    = call.Method[[]byte, []byte]{Name: "/test.Sync/Unary"}
	syncBidi     = call.Method[[]byte, []byte]{Name: "/test.Sync/Bidi", Shape: call.BidiStream}
	reactorUnary = call.Method[[]byte, []byte]{Name: "/test.Reactor/Unary"}
	reactorBidi  = call.Method[[]byte, []byte]{Name: "/test.Reactor/Bidi", Shape: call.BidiStream}
)

// abroad is a server of echoes and a client of net/http on loopback. One of ours in this process would
// keep the server from lending: of two connections that are read in turns none reads alone.
type abroad struct {
	*testing.T
	url    string
	client *http.Transport
	meet   func() // what a handler does first
}

// needTwo gives a test two processors: with one no connection is lent.
func needTwo(t *testing.T) {
	t.Helper()
	if before := runtime.GOMAXPROCS(0); before < 2 {
		runtime.GOMAXPROCS(2)
		t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	}
}

func newAbroad(t *testing.T, meet func()) *abroad {
	t.Helper()
	needTwo(t)
	leak.Check(t)
	leak.Buffers(t)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &abroad{T: t, url: "http://" + lis.Addr().String(), meet: meet}
	a.client = &http.Transport{Protocols: new(http.Protocols)}
	a.client.Protocols.SetUnencryptedHTTP2(true)
	pool := cq.NewPool(2)
	s := server.New(server.WithCodecs(codec.Bytes()))
	err = s.Register(
		server.Unary(syncUnary, func(_ context.Context, req *[]byte) (*[]byte, error) {
			meet()
			return req, nil
		}),
		server.BidiStream(syncBidi, a.converse),
		reactor.Unary(reactorUnary, func(ctx *reactor.Context, req, res *[]byte) reactor.UnaryReactor {
			meet()
			*res = *req
			r := ctx.DefaultReactor()
			r.Finish(cqrpc.Status{})
			return r
		}, reactor.WithExecutor(pool)),
		reactor.BidiStream(reactorBidi, func(*reactor.Context) reactor.BidiReactor[[]byte, []byte] {
			e := &hostEcho{meet: meet}
			e.StartRead(&e.message)
			return e
		}, reactor.WithExecutor(pool)),
	)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(lis) }()
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error("Close:", err)
		}
		if err := <-served; !errors.Is(err, server.ErrServerClosed) {
			t.Error("Serve:", err)
		}
		a.client.CloseIdleConnections()
		pool.Close()
	})
	return a
}

// converse answers each message with itself.
func (a *abroad) converse(_ context.Context, in *server.Receiver[[]byte], out *server.Sender[[]byte]) error {
	for req, err := range in.All() {
		if err != nil {
			return err
		}
		a.meet()
		if err := out.Send(req); err != nil {
			return err
		}
	}
	return nil
}

// hostEcho is converse for a reactor.
type hostEcho struct {
	reactor.BidiBase[[]byte, []byte]
	meet    func()
	message []byte
}

func (e *hostEcho) OnReadDone(ok bool) {
	if !ok {
		e.Finish(cqrpc.Status{})
		return
	}
	e.meet()
	e.StartWrite(&e.message)
}

func (e *hostEcho) OnWriteDone(ok bool) {
	if ok {
		e.StartRead(&e.message)
	}
}

// stranger is a call of the client.
type stranger struct {
	requests *io.PipeWriter
	res      *http.Response
}

// call begins a call.
func (a *abroad) call(ctx context.Context, method string, first []byte) (*stranger, error) {
	body, requests := io.Pipe()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+method, body)
	if err != nil {
		a.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	c := &stranger{requests: requests}
	go func() { _ = c.send(first) }()
	c.res, err = a.client.RoundTrip(req)
	if err != nil {
		_ = body.Close()
	}
	return c, err
}

func (c *stranger) send(message []byte) error {
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	_, err := c.requests.Write(append(frame, message...))
	return err
}

func (c *stranger) recv() ([]byte, error) {
	var prefix [5]byte
	if _, err := io.ReadFull(c.res.Body, prefix[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint32(prefix[1:]))
	_, err := io.ReadFull(c.res.Body, message)
	return message, err
}

// end ends the requests and returns how the call has ended.
func (c *stranger) end() error {
	_ = c.requests.Close()
	defer c.res.Body.Close()
	if _, err := c.recv(); err != io.EOF {
		return fmt.Errorf("instead of the end: %w", err)
	}
	if s := c.res.Trailer.Get("Grpc-Status"); s != "0" {
		return fmt.Errorf("status %q", s)
	}
	return nil
}

// echo makes a call of n messages.
func (a *abroad) echo(ctx context.Context, method string, n int, message []byte) error {
	c, err := a.call(ctx, method, message)
	if err != nil {
		return err
	}
	defer c.requests.Close()
	defer c.res.Body.Close()
	for i := range n {
		if i > 0 {
			if err := c.send(message); err != nil {
				return err
			}
		}
		switch got, err := c.recv(); {
		case err != nil:
			return err
		case !bytes.Equal(got, message):
			a.Errorf("%s is answered by %s", message, got)
		}
	}
	return c.end()
}

// unary is echo for methods with one request, which the server does not answer before its end.
func (a *abroad) unary(ctx context.Context, method string, message []byte) error {
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+method, bytes.NewReader(append(frame, message...)))
	if err != nil {
		a.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("TE", "trailers")
	res, err := a.client.RoundTrip(req)
	if err != nil {
		return err
	}
	c := &stranger{res: res}
	defer res.Body.Close()
	switch got, err := c.recv(); {
	case err != nil:
		return err
	case !bytes.Equal(got, message):
		a.Errorf("%s is answered by %s", message, got)
	}
	_, c.requests = io.Pipe()
	return c.end()
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

// mostTurns is how often a test tries what needs a loan. On a busy machine the goroutine that waits
// may be late, and then nothing is lent for up to a thousand batches, however long these take.
const mostTurns = 50_000

// untilSeen repeats turn until who waits, with this function on its stack, was seen to read the
// connection some times between two turns.
func untilSeen(t *testing.T, function string, turn func(n int)) {
	t.Helper()
	seen, n := 0, 0
	for ; seen < 5; n++ {
		if n == mostTurns {
			t.Fatalf("after %d of %d turns %s was seen to read", seen, n, function)
		}
		turn(n)
		for end := time.Now().Add(time.Millisecond); time.Now().Before(end); runtime.Gosched() {
			if isServing(function) {
				seen++
				break
			}
		}
	}
	t.Logf("seen after %d turns", n)
}

func atOnce() {}

// Between two calls of a client a goroutine that has run a handler reads, and so between
// two messages of a stream.
func TestHandlersRead(t *testing.T) {
	for _, tc := range []struct {
		method, function string
		isStream         bool
	}{
		{syncUnary.Name, "(*workers).wait", false},
		{syncBidi.Name, "recvValue", true},
		{reactorUnary.Name, "(*Pool).take", false},
		{reactorBidi.Name, "(*Pool).take", true},
	} {
		t.Run(tc.method, func(t *testing.T) {
			a := newAbroad(t, atOnce)
			turn := func(n int) {
				if err := a.unary(context.Background(), tc.method, fmt.Append(nil, n)); err != nil {
					t.Fatalf("call %d: %v", n, err)
				}
			}
			var c *stranger
			if tc.isStream {
				var err error
				if c, err = a.call(context.Background(), tc.method, []byte("first")); err != nil {
					t.Fatal(err)
				}
				turn = func(n int) {
					if got, err := c.recv(); err != nil {
						t.Fatalf("message %d is %s: %v", n, got, err)
					}
					if err := c.send(fmt.Append(nil, n)); err != nil {
						t.Fatal(err)
					}
				}
			}
			untilSeen(t, tc.function, turn)
			for n := range 200 {
				turn(n)
			}
			if c == nil {
				return
			}
			if _, err := c.recv(); err != nil {
				t.Error(err)
			}
			if err := c.end(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestHandlersStress: handlers that block now and then, and clients that give up at any moment; what
// is not given up ends well.
func TestHandlersStress(t *testing.T) {
	seldomSlow := func() {
		if rand.IntN(50) == 0 {
			<-time.After(5 * time.Millisecond)
		}
	}
	for _, callers := range []int{1, 2, 8} {
		for _, method := range []string{syncUnary.Name, syncBidi.Name, reactorUnary.Name, reactorBidi.Name} {
			t.Run(fmt.Sprintf("%s by %d", method, callers), func(t *testing.T) {
				a := newAbroad(t, seldomSlow)
				var calling sync.WaitGroup
				var ended, failed atomic.Int32
				end := time.Now().Add(200 * time.Millisecond)
				isOver := func() bool { // both must have happened, however slow the machine is
					return time.Now().After(end) && ended.Load() > 0 && failed.Load() > 0
				}
				for range callers {
					calling.Go(func() {
						for n := 0; !isOver(); n++ {
							ctx, cancel := context.WithCancel(context.Background())
							isPatient := n%4 > 0
							if !isPatient {
								ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(1000))*time.Microsecond)
							}
							var err error
							if method == syncUnary.Name || method == reactorUnary.Name {
								err = a.unary(ctx, method, fmt.Append(nil, n))
							} else {
								err = a.echo(ctx, method, 10, fmt.Append(nil, n))
							}
							switch {
							case err == nil:
								ended.Add(1)
							case isPatient:
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
