package hostile

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/health"
	"github.com/cqrpc/cqrpc/server/reflection"
)

var (
	riotFor  = flag.Duration("riot", 0, "how long TestRiots and TestRogues go on in each style; 0: for a few connections")
	riotSeed = flag.Uint64("riotseed", 1, "of what is said in them; its timing is not made again")
)

const (
	rioters   = 4 // at a time
	riotShort = 4 // connections, or channels, of each without -riot
)

// TestRiots: clients that say anything, legal frames for the most part, against servers of all
// styles. Whatever they say: nothing panics, nothing of them stays, and another client is served.
func TestRiots(t *testing.T) {
	for _, style := range []string{"batch", "sync", "queue", "reactor", "future"} {
		t.Run(style, func(t *testing.T) { riot(t, style, nil) })
		t.Run(style+" TLS", func(t *testing.T) { riot(t, style, parity.TestCredentials(t)) })
	}
}

func riot(t *testing.T, style string, cred *parity.Credentials) {
	leak.Check(t)
	leak.Buffers(t)
	x := open(t, style, cred)
	x.call(t)
	before := heap()

	end := time.Now().Add(*riotFor)
	var all sync.WaitGroup
	for i := range uint64(rioters) {
		all.Go(func() {
			for n := uint64(0); n < riotShort || time.Now().Before(end); n++ {
				newRioter(x, *riotSeed<<32|n<<8|i).play()
			}
		})
	}
	over := make(chan struct{})
	go func() { all.Wait(); close(over) }()
	calls, peak := 0, int64(0)
	for isOver := false; !isOver; {
		select {
		case <-over:
			isOver = true
		default:
		}
		x.call(t)
		calls++
		if calls%64 == 0 {
			peak = max(peak, heapNow())
		}
	}
	x.close(t)
	t.Logf("%d calls beside; the heap was at %d MiB at most", calls, peak>>20)
	if grown := heap() - before; grown > 2*allowance {
		t.Errorf("the heap grew by %d octets", grown)
	}
}

// arena is a server of one style that is rioted against, and a good client of it.
type arena struct {
	style   string
	cred    *parity.Credentials
	address string
	server  *server.Server
	served  chan error
	wait    func() error
	ch      *client.Channel
}

// path is the full name of a method of the arena's.
const riotService = "/hostile.Riot/"

func (x *arena) path(shape string) string { return riotService + shape }

func open(t *testing.T, style string, cred *parity.Credentials) *arena {
	t.Helper()
	x := &arena{style: style, cred: cred, served: make(chan error, 1)}
	opts := []server.Option{
		server.WithMaxUnread(64 << 20), server.WithCompressor("gzip"),
		server.WithPanicHandler(func(method string, v any, stack []byte) { t.Errorf("%s: panic: %v\n%s", method, v, stack) }),
	}
	creds := client.WithInsecure()
	if cred != nil {
		opts = append(opts, server.WithTLS(&tls.Config{Certificates: []tls.Certificate{cred.Certificate}}))
		creds = client.WithTLS(&tls.Config{RootCAs: cred.Authority})
	}
	x.server = server.New(opts...)
	must(t, health.Register(x.server, health.New()))
	must(t, reflection.Register(x.server))
	wait, err := parity.Mount(x.server, style, parity.Standard().Shapes(riotService))
	must(t, err)
	x.wait = wait
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	x.address = lis.Addr().String()
	go func() { x.served <- x.server.Serve(lis) }()
	x.ch, err = client.NewChannel(x.address, creds)
	must(t, err)
	return x
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// call is one of the good client.
func (x *arena) call(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	m := call.Method[parity.Message, parity.Message]{Name: x.path("Unary")}
	if _, err := client.Unary(ctx, x.ch, m, new(parity.Message)); err != nil {
		t.Errorf("the good client's call: %v", err)
	}
}

// close ends the server in good order: no rioter can put that off for long.
func (x *arena) close(t *testing.T) {
	t.Helper()
	must(t, x.ch.Close())
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := x.server.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := <-x.served; !errors.Is(err, server.ErrServerClosed) {
		t.Errorf("Serve: %v", err)
	}
	must(t, x.wait())
}

// heapNow is the octets in use, garbage included.
func heapNow() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func marshal(m proto.Message) []byte {
	b, err := proto.Marshal(m)
	if err != nil {
		panic(err)
	}
	return b
}

// TestRogues: servers that say anything, against clients of all styles. Whatever they say: calls
// end, nothing panics, and nothing of them stays.
func TestRogues(t *testing.T) {
	for _, caller := range parity.Callers {
		t.Run(caller.Name, func(t *testing.T) { rogues(t, caller, nil) })
		t.Run(caller.Name+" TLS", func(t *testing.T) { rogues(t, caller, parity.TestCredentials(t)) })
	}
}

func rogues(t *testing.T, caller parity.CallerKind, cred *parity.Credentials) {
	leak.Check(t)
	leak.Buffers(t)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	before := heap()
	g := newRogue(lis, cred, *riotSeed)
	end := time.Now().Add(*riotFor)
	var all sync.WaitGroup
	for i := range uint64(rioters) {
		all.Go(func() {
			dice := rand.New(rand.NewPCG(*riotSeed, i))
			for n := 0; n < riotShort || time.Now().Before(end); n++ {
				visit(t, dice, caller, parity.Dialing{Address: lis.Addr().String(), Credentials: cred})
			}
		})
	}
	all.Wait()
	g.close()
	if grown := heap() - before; grown > 2*allowance {
		t.Errorf("the heap grew by %d octets", grown)
	}
}

// visit makes some calls on a channel of its own.
func visit(t *testing.T, dice *rand.Rand, caller parity.CallerKind, d parity.Dialing) {
	if dice.IntN(2) == 0 {
		d.Retry = &call.RetryPolicy{
			MaxAttempts: 4, InitialBackoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond, BackoffMultiplier: 2,
			Codes: []cqrpc.Code{cqrpc.CodeUnavailable, cqrpc.CodeInternal, cqrpc.CodeUnknown},
		}
	}
	c, err := caller.Dial(d)
	if err != nil {
		t.Error(err)
		return
	}
	for range dice.IntN(40) {
		ctx, cancel := context.WithTimeout(context.Background(), rand.N(100*time.Millisecond))
		visitOnce(ctx, cancel, dice, c)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// visitOnce makes a call, which it may cancel, and takes what comes of it.
func visitOnce(ctx context.Context, cancel func(), dice *rand.Rand, c parity.Caller) {
	defer cancel()
	o := parity.Options{Gzip: dice.IntN(3) == 0, WaitForReady: dice.IntN(2) == 0}
	req := make([]byte, dice.IntN(1<<dice.IntN(18)))
	switch dice.IntN(4) {
	case 0:
		_, _ = c.Unary(ctx, req, o)
	case 1:
		if out, err := c.ServerStream(ctx, req, o); err == nil {
			take(out, dice.IntN(10), cancel)
		}
	case 2:
		if in, err := c.ClientStream(ctx, o); err == nil {
			for range dice.IntN(5) {
				_ = in.Send(req)
			}
			_, _ = in.CloseAndRecv()
		}
	case 3:
		if both, err := c.BidiStream(ctx, o); err == nil {
			for range dice.IntN(5) {
				_ = both.Send(req)
			}
			_ = both.CloseSend()
			take(both, dice.IntN(10), cancel)
		}
	}
}

// take takes responses to the end, n of them before it has no more patience.
func take(out parity.Output, n int, cancel func()) {
	for i := 0; ; i++ {
		if i == n {
			cancel()
		}
		if _, err := out.Recv(); err != nil {
			return
		}
	}
}
