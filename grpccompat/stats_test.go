package grpccompat_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"

	"github.com/cqrpc/cqrpc/grpccompat"
	"github.com/cqrpc/cqrpc/internal/parity"
	"github.com/cqrpc/cqrpc/server"
)

// witness is a stats handler that writes down what it is told of each call.
type witness struct {
	mu    sync.Mutex
	calls map[int][]string // guarded by mu
	ended chan int
}

func newWitness() *witness { return &witness{calls: make(map[int][]string), ended: make(chan int, 10)} }

type witnessKey struct{}

func (w *witness) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := len(w.calls)
	w.calls[id] = []string{"call of " + info.FullMethodName}
	return metadata.AppendToOutgoingContext(context.WithValue(ctx, witnessKey{}, id), "tag", "1")
}

func (w *witness) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if _, isOfBalancer := s.(*stats.DelayedPickComplete); isOfBalancer {
		return // there is none here
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	id := ctx.Value(witnessKey{}).(int)
	w.calls[id] = append(w.calls[id], describe(ctx, s))
	if _, isEnd := s.(*stats.End); isEnd {
		w.ended <- id
	}
}

func (*witness) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*witness) HandleConn(context.Context, stats.ConnStats)                       {}

// describe is what of an event is the same with any implementation.
func describe(ctx context.Context, s stats.RPCStats) string {
	side := "server"
	if s.IsClient() {
		side = "client"
	}
	p, hasPeer := peer.FromContext(ctx)
	hasPeer = hasPeer && p.Addr != nil
	switch s := s.(type) {
	case *stats.Begin:
		return fmt.Sprint(side, " Begin ", s.IsClientStream, s.IsServerStream, s.FailFast, !s.BeginTime.IsZero())
	case *stats.OutHeader:
		if side == "server" {
			return fmt.Sprint(side, " OutHeader ", s.Header.Get("h"))
		}
		return fmt.Sprint(side, " OutHeader ", s.FullMethod, s.Header.Get("k"), s.Header.Get("tag"), s.RemoteAddr != nil, hasPeer)
	case *stats.InHeader:
		if side == "client" {
			return fmt.Sprint(side, " InHeader ", s.Header.Get("h"), hasPeer)
		}
		return fmt.Sprint(side, " InHeader ", s.FullMethod, s.Header.Get("k"), s.Header.Get("tag"), s.RemoteAddr != nil, hasPeer)
	case *stats.OutPayload:
		return fmt.Sprint(side, " OutPayload ", s.Payload != nil, s.Length, s.CompressedLength, s.WireLength, !s.SentTime.IsZero())
	case *stats.InPayload:
		return fmt.Sprint(side, " InPayload ", s.Payload != nil, s.Length, s.CompressedLength, s.WireLength, !s.RecvTime.IsZero())
	case *stats.OutTrailer:
		return fmt.Sprint(side, " OutTrailer ", s.Trailer.Get("t"))
	case *stats.InTrailer:
		return fmt.Sprint(side, " InTrailer ", s.Trailer.Get("t"))
	case *stats.End:
		return fmt.Sprint(side, " End ", status.Code(s.Error), !s.EndTime.Before(s.BeginTime))
	default:
		return fmt.Sprintf("%s %T", side, s)
	}
}

// story is the next call that has ended: its first and its last event, and between them
// all others, whose order is the scheduler's.
func (w *witness) story() []string {
	id := <-w.ended
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.calls[id]
	slices.Sort(all[2 : len(all)-1])
	return all
}

// observedService sets metadata and fails if the request says so.
var observedService = &service{
	unary: func(ctx context.Context, req *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		_ = grpc.SetHeader(ctx, metadata.Pairs("h", "1"))
		_ = grpc.SetTrailer(ctx, metadata.Pairs("t", "1"))
		if req.GetFillUsername() {
			return nil, status.Error(codes.Aborted, "no")
		}
		return &testpb.SimpleResponse{Username: "gopher"}, nil
	},
	duplex: func(s duplex) error {
		if err := s.SendHeader(metadata.Pairs("h", "2")); err != nil {
			return err
		}
		s.SetTrailer(metadata.Pairs("t", "2"))
		if metadata.ValueFromIncomingContext(s.Context(), "k")[0] == "2" {
			headerSent <- struct{}{}
		}
		return echo(s)
	},
}

// tell makes the calls and returns what the two witnesses have written.
func tell(t *testing.T, conn grpc.ClientConnInterface, from, to *witness) (stories [][]string) {
	t.Helper()
	stub := testpb.NewTestServiceClient(conn)
	ctx := metadata.AppendToOutgoingContext(parity.Within(t), "k", "1")
	next := func() { stories = append(stories, from.story(), to.story()) }
	for _, fails := range []bool{false, true} {
		_, err := stub.UnaryCall(ctx, &testpb.SimpleRequest{FillUsername: fails}, grpc.WaitForReady(fails))
		wantCode(t, "UnaryCall", err, map[bool]codes.Code{true: codes.Aborted}[fails])
		next()
	}
	s := open(t, ctx, stub)
	for n := range 3 {
		parity.Want(t, "Send", s.Send(ask(n)))
		_, err := s.Recv()
		parity.Want(t, "Recv", err)
	}
	parity.Want(t, "CloseSend", s.CloseSend())
	_, err := s.Recv()
	wantEOF(t, "Recv", err)
	next()

	ctx, cancel := context.WithCancel(ctx)
	s = open(t, ctx, stub)
	_, err = s.Header()
	parity.Want(t, "Header", err)
	_, err = stub.UnaryCall(ctx, new(testpb.SimpleRequest)) // grpc-go tells of a header after Header may have returned
	parity.Want(t, "UnaryCall", err)
	next()
	cancel()
	next()

	ctx, cancel = context.WithCancel(parity.Within(t))
	open(t, metadata.AppendToOutgoingContext(ctx, "k", "2"), stub)
	<-headerSent
	_, err = stub.UnaryCall(ctx, new(testpb.SimpleRequest)) // its response comes behind that header
	parity.Want(t, "UnaryCall", err)
	next()
	cancel()
	next() // nobody has asked for the header
	return stories
}

// headerSent has a token for each stream of observedService with k 2.
var headerSent = make(chan struct{}, 1)

// Stats handlers are told what grpc-go tells them.
func TestStatsHandlers(t *testing.T) {
	from, to := newWitness(), newWitness()
	conn, err := grpc.NewClient("passthrough:///"+serveReferenceWith(t, nil, []grpc.ServerOption{grpc.StatsHandler(to)},
		observedService.register), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithStatsHandler(from))
	parity.Want(t, "NewClient", err)
	t.Cleanup(func() { parity.Want(t, "Close", conn.Close()) })
	want := tell(t, conn, from, to)

	from, to = newWitness(), newWitness()
	address := serveWith(t, nil, nil, []grpccompat.ServerOption{grpccompat.StatsHandler(to)}, observedService.register)
	got := tell(t, grpccompat.NewClientConn(channel(t, nil, address), grpccompat.WithStatsHandler(from)), from, to)
	for i := range want {
		if !slices.Equal(got[i], want[i]) {
			t.Errorf("call %d:\n%q; want\n%q", i, got[i], want[i])
		}
	}
}

// The end is told of calls that were not made or that end because of this side, and of
// handlers that panic.
func TestStatsOfFailures(t *testing.T) {
	from, to := newWitness(), newWitness()
	address := serveWith(t, nil, []server.Option{server.WithPanicHandler(func(string, any, []byte) {})},
		[]grpccompat.ServerOption{grpccompat.StatsHandler(to)}, (&service{
			empty:  func(context.Context) error { panic("in a test") },
			duplex: func(s duplex) error { <-s.Context().Done(); return nil },
		}).register)
	stub := testpb.NewTestServiceClient(grpccompat.NewClientConn(channel(t, nil, address), grpccompat.WithStatsHandler(from)))
	want := func(what string, w *witness, end string) {
		t.Helper()
		if all := w.story(); all[len(all)-1] != end {
			t.Errorf("%s: %q; want %q", what, all, end)
		}
	}
	_, err := stub.EmptyCall(parity.Within(t), new(testpb.Empty))
	wantCode(t, "EmptyCall", err, codes.Internal)
	want("a panic", to, "server End Internal true")
	want("a panic", from, "client End Internal true")
	_, err = stub.EmptyCall(parity.Within(t), new(testpb.Empty), grpc.CallContentSubtype("none"))
	wantCode(t, "EmptyCall", err, codes.Internal)
	want("a call that was not made", from, "client End Internal true")
	_, err = stub.UnaryCall(parity.Within(t), &testpb.SimpleRequest{FillUsername: true}, grpc.MaxCallSendMsgSize(1))
	wantCode(t, "UnaryCall", err, codes.ResourceExhausted)
	want("a message that is too large", from, "client End ResourceExhausted true")
	s := open(t, parity.Within(t), stub, grpc.MaxCallSendMsgSize(1))
	wantCode(t, "Send", s.Send(ask(1)), codes.ResourceExhausted)
	want("a message that is too large, of a stream", from, "client End ResourceExhausted true")
	s = open(t, parity.Within(t), stub)
	wantCode(t, "SendMsg", s.SendMsg("no message"), codes.Internal)
	want("a message that is none", from, "client End Internal true")
}
