package call_test

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/memconn"
	"github.com/cqrpc/cqrpc/server"
)

// mirror is a channel to a server that sends every message back; stop ends both.
func mirror() (ch *client.Channel, stop func()) {
	s := server.New()
	err := s.Register(server.Generic(func(_ context.Context, stream *server.RawStream) error {
		for {
			b, err := stream.Recv()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := stream.Send(b); err != nil {
				return err
			}
		}
	}))
	if err != nil {
		panic(err)
	}
	lis := memconn.Listen()
	served := make(chan error)
	go func() { served <- s.Serve(lis) }()
	ch, err = client.NewChannel("passthrough:///mirror", client.WithInsecure(), client.WithCodec(codec.Bytes()),
		client.WithDialer(func(ctx context.Context, _, _ string) (net.Conn, error) { return lis.Dial(ctx) }))
	if err != nil {
		panic(err)
	}
	return ch, func() {
		_ = ch.Close()
		_ = s.Close()
		<-served
	}
}

// A stream as three batches. What must not wait for each other goes into
// different batches; each tag comes back once, when all of its batch has ended.
func ExampleCall_StartBatch() {
	ch, stop := mirror()
	defer stop()
	q := cq.New()
	c := ch.NewCall(q, "/mirror.Mirror/Look")
	defer c.Close()

	var header, trailer cqrpc.Metadata
	var status cqrpc.Status
	var echo *call.Buffer
	for _, batch := range []struct {
		tag string
		ops []call.Op
	}{
		{"status", []call.Op{call.RecvInitialMetadata(&header), call.RecvStatus(&status, &trailer)}},
		{"message", []call.Op{call.RecvMessage(&echo)}},
		{"sent", []call.Op{
			call.SendInitialMetadata(cqrpc.Pairs("who", "me")),
			call.SendMessage(call.NewBuffer([]byte("a face"))),
			call.SendClose(),
		}},
	} {
		if err := c.StartBatch(batch.ops, batch.tag); err != nil {
			fmt.Println(err)
			return
		}
	}
	ended := map[cq.Tag]bool{}
	for len(ended) < 3 {
		ev := q.Next(context.Background())
		ended[ev.Tag] = ev.OK
	}
	fmt.Println(ended)
	fmt.Printf("%s, %v\n", echo.Bytes(), status)
	echo.Free()
	// Output:
	// map[message:true sent:true status:true]
	// a face, OK
}

// A mistake in a batch is an error of StartBatch, and changes nothing.
func ExampleBatchError() {
	ch, stop := mirror()
	defer stop()
	c := ch.NewCall(cq.New(), "/mirror.Mirror/Look")
	defer c.Close()
	fmt.Println(c.StartBatch([]call.Op{call.SendClose(), call.SendClose()}, nil))
	fmt.Println(c.StartBatch([]call.Op{call.SendInitialMetadata(cqrpc.Pairs("na me", "x"))}, nil))
	// Output:
	// call: SEND_CLOSE: too many operations of this kind
	// call: SEND_INITIAL_METADATA: invalid metadata: metadata entry 0: key "na me" has illegal byte 0x20 at offset 2
}

// A message for many calls is marshalled once. Each send takes a reference, which stays the
// caller's if StartBatch refuses it.
func ExampleEncode() {
	ch, stop := mirror()
	defer stop()
	message, err := call.Encode(codec.Bytes(), []byte("a face"))
	if err != nil {
		fmt.Println(err)
		return
	}
	type glance struct {
		call *call.Call
		echo *call.Buffer
	}
	q := cq.New()
	for range 3 {
		g := &glance{call: ch.NewCall(q, "/mirror.Mirror/Look")}
		b := message.Ref()
		if err := g.call.StartBatch([]call.Op{
			call.SendInitialMetadata(nil),
			call.SendMessage(b),
			call.SendClose(),
			call.RecvMessage(&g.echo),
			call.RecvStatus(nil, nil),
		}, g); err != nil {
			b.Free()
			fmt.Println(err)
		}
	}
	message.Free() // the calls have their own
	q.Shutdown()
	for ev := range q.Events(context.Background()) {
		g := ev.Tag.(*glance)
		fmt.Printf("%s\n", g.echo.Bytes())
		g.echo.Free()
		g.call.Close()
	}
	// Output:
	// a face
	// a face
	// a face
}
