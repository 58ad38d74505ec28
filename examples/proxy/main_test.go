package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
	"github.com/cqrpc/cqrpc/internal/leak"
	"github.com/cqrpc/cqrpc/server"
)

func TestMain(m *testing.M) { leak.Main(m) }

const report = `GetFeature: "hill 7", <nil>, header "me", trailer "\x00\xff"
GetFeature of nothing: NOT_FOUND: the sea
ListFeatures: "hill 0", <nil>
ListFeatures: "hill 1", <nil>
ListFeatures: "hill 2", <nil>
ListFeatures: "", DATA_LOSS: the rest of the map is torn off
RouteChat: "here?", <nil>
RouteChat: "there?", <nil>
RouteChat: EOF
`

// What the traveller is told is what the guide says, and none is told of the proxy.
func TestDemonstration(t *testing.T) {
	leak.Buffers(t)
	var through, direct bytes.Buffer
	if err := run(t.Context(), &through, "", ""); err != nil {
		t.Fatal(err)
	}
	err := withGuide(func(address string) error {
		ch, err := client.NewChannel(address, client.WithInsecure())
		if err != nil {
			return err
		}
		return errors.Join(travel(t.Context(), pb.NewRouteGuideSyncClient(ch), &direct), ch.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
	for how, got := range map[string]string{"through the proxy": through.String(), "directly": direct.String()} {
		if got != report {
			t.Errorf("%s: printed\n%s\nwant\n%s", how, got, report)
		}
	}
}

// It also runs alone, until it is interrupted.
func TestListen(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out bytes.Buffer
	if err := run(ctx, &out, "127.0.0.1:0", "127.0.0.1:1"); err != nil {
		t.Error(err)
	}
	if want := "to 127.0.0.1:1, interrupt to stop\n"; !strings.HasSuffix(out.String(), want) {
		t.Errorf("printed %q, want %q", &out, want)
	}
	if err := run(ctx, &out, "127.0.0.1:0", ""); err == nil {
		t.Error("it runs without a backend")
	}
}

// seen is what a backend knows of a call.
type seen struct {
	method, authority, subtype, encoding string
	deadline                             time.Time
}

// backend is one that answers every method: it echoes messages.
type backend struct {
	calls chan seen
	ended chan error // why a context has ended
}

func (b *backend) serve(ctx context.Context, stream *server.RawStream) error {
	in, _ := server.Incoming(ctx)
	deadline, _ := ctx.Deadline()
	b.calls <- seen{in.Method, in.Authority, in.Call.ContentSubtype(), in.Call.RecvEncoding(), deadline}
	if in.Method == "/test.Test/Fail" {
		return cqrpc.Errorf(cqrpc.CodeAborted, "at once")
	}
	if err := server.SetCompressor(ctx, in.Call.RecvEncoding()); err != nil {
		return err
	}
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			<-ctx.Done()
			b.ended <- ctx.Err()
			return err
		}
		if err := stream.Send(m); err != nil {
			return err
		}
	}
}

// play has a backend, a proxy and a channel to that while script runs.
func play(t *testing.T, script func(b *backend, ch *client.Channel)) {
	t.Helper()
	leak.Check(t)
	leak.Buffers(t)
	b := &backend{make(chan seen, 1000), make(chan error, 1000)} // for more calls than any test makes
	s := server.New(server.WithMaxRecvMessage(-1))
	if err := s.Register(server.Generic(b.serve)); err != nil {
		t.Fatal(err)
	}
	err := serving(s, func(address string) error {
		return withProxy("127.0.0.1:0", address, func(address string) error {
			ch, err := client.NewChannel(address, client.WithInsecure())
			if err != nil {
				return err
			}
			defer ch.Close()
			script(b, ch)
			return nil
		})
	})
	if err != nil {
		t.Error(err)
	}
}

// What the client says of its call reaches the backend, and the other way round.
func TestCallIsKept(t *testing.T) {
	play(t, func(b *backend, ch *client.Channel) {
		for encoding, m := range map[string][]byte{
			"gzip":     []byte("small"),
			"identity": make([]byte, 5<<20), // more than the default limit
		} {
			deadline := time.Now().Add(time.Hour)
			q := cq.New()
			c := ch.NewCall(q, "/test.Test/Echo", client.WithDeadline(deadline), client.WithMaxRecvMessage(-1),
				client.WithCallCodec(codec.BytesNamed("json")), client.WithCompressor(encoding),
				client.WithCallAuthority("guide.example"))
			var got []byte
			var status cqrpc.Status
			err := c.StartBatch([]call.Op{
				call.SendInitialMetadata(nil), call.SendValue(m), call.SendClose(),
				call.RecvInitialMetadata(nil), call.RecvValue(&got, nil), call.RecvStatus(&status, nil),
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			q.Next(t.Context())
			if status.Code != cqrpc.CodeOK || !bytes.Equal(got, m) || c.RecvEncoding() != encoding {
				t.Errorf("got %v, %d bytes in %s; want OK and %d in %s", status, len(got), c.RecvEncoding(), len(m), encoding)
			}
			s := <-b.calls
			if d := s.deadline.Sub(deadline).Abs(); d > time.Minute {
				t.Errorf("the deadline is %v off", d)
			}
			s.deadline = time.Time{}
			if want := (seen{"/test.Test/Echo", "guide.example", "json", encoding, time.Time{}}); s != want {
				t.Errorf("the backend saw %v, want %v", s, want)
			}
			c.Close()
		}
	})
}

// A response of nothing but a status stays that.
func TestTrailersOnly(t *testing.T) {
	play(t, func(_ *backend, ch *client.Channel) {
		for _, want := range []cqrpc.Code{cqrpc.CodeAborted, cqrpc.CodeOK} {
			q := cq.New()
			c := ch.NewCall(q, map[cqrpc.Code]string{0: "/test.Test/Echo", 10: "/test.Test/Fail"}[want])
			var status cqrpc.Status
			err := c.StartBatch([]call.Op{
				call.SendInitialMetadata(nil), call.SendClose(), call.RecvStatus(&status, nil),
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			q.Next(t.Context())
			if status.Code != want || c.HasInitialMetadata() {
				t.Errorf("got %v, headers %v", status, c.HasInitialMetadata())
			}
			c.Close()
		}
	})
}

// converse is a method of the backend.
var converse = call.Method[[]byte, []byte]{Name: "/test.Test/Echo", Shape: call.BidiStream}

// A status that comes while the client is still sending reaches it.
func TestEarlyStatus(t *testing.T) {
	play(t, func(_ *backend, ch *client.Channel) {
		refuse := converse
		refuse.Name = "/test.Test/Fail"
		for range 50 {
			stream, err := client.BidiStream(t.Context(), ch, refuse, client.WithCallCodec(codec.BytesNamed("")))
			if err != nil {
				t.Fatal(err)
			}
			m := make([]byte, 1000)
			for err == nil {
				err = stream.Send(&m)
			}
			if _, err := stream.Recv(); cqrpc.CodeOf(err) != cqrpc.CodeAborted {
				t.Errorf("the call ended with %v", err)
			}
		}
	})
}

// A client that gives up ends the call of the backend; so does its deadline.
func TestCancel(t *testing.T) {
	play(t, func(b *backend, ch *client.Channel) {
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := client.BidiStream(ctx, ch, converse, client.WithCallCodec(codec.BytesNamed("")))
		if err != nil {
			t.Fatal(err)
		}
		<-b.calls
		cancel()
		if _, err := stream.Recv(); err == nil {
			t.Error("a message came from nowhere")
		}
		<-b.ended

		// How long a call takes to reach the backend, the machine says.
		reached := false
		for give := 50 * time.Millisecond; !reached; give *= 2 {
			expire(t, ch, give)
			select {
			case <-b.calls:
				reached = true
			default:
			}
		}
		<-b.ended
	})
}

// expire makes a call that ends by its deadline.
func expire(t *testing.T, ch *client.Channel, give time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), give)
	defer cancel()
	stream, err := client.BidiStream(ctx, ch, converse, client.WithCallCodec(codec.BytesNamed("")))
	if err == nil {
		_, err = stream.Recv()
	}
	if cqrpc.CodeOf(err) != cqrpc.CodeDeadlineExceeded {
		t.Fatalf("a call that nobody ends ended with %v", err)
	}
}

// Many calls at a time, of which many are given up at any moment: none is lost and
// no buffer is left.
func TestManyCalls(t *testing.T) {
	play(t, func(_ *backend, ch *client.Channel) {
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				for range 30 {
					if err := talk(t.Context(), ch, rand.IntN(2) == 0); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
	})
}

// talk has its messages echoed, or gives up at some moment.
func talk(ctx context.Context, ch *client.Channel, givesUp bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if givesUp {
		time.AfterFunc(time.Duration(rand.IntN(2000))*time.Microsecond, cancel)
	}
	err := func() error {
		stream, err := client.BidiStream(ctx, ch, converse, client.WithCallCodec(codec.BytesNamed("")))
		if err != nil {
			return err
		}
		for i := range 10 {
			m := bytes.Repeat([]byte{byte(i)}, 3000)
			if err := stream.Send(&m); err != nil {
				return err
			}
			got, err := stream.Recv()
			if err != nil {
				return err
			}
			if !bytes.Equal(*got, m) {
				return fmt.Errorf("message %d came back as %d bytes", i, len(*got))
			}
		}
		if err := stream.CloseSend(); err != nil {
			return err
		}
		if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
			return fmt.Errorf("the end is %w", err)
		}
		return nil
	}()
	if givesUp && (errors.Is(err, context.Canceled) || errors.Is(err, io.EOF)) { // EOF: of Send
		return nil
	}
	return err
}
