package parity

import (
	"context"
	"io"
	"sync"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/reactor"
)

// reactorCaller is the style of reactors: each call is an object whose reactions
// wake who waits.
type reactorCaller struct {
	channel *client.Channel
	stub    *reactor.Stub
	left    unfinished
}

func dialReactor(d Dialing) (Caller, error) {
	ch, err := NewChannel(d)
	if err != nil {
		return nil, err
	}
	return &reactorCaller{channel: ch, stub: reactor.New(ch)}, nil
}

// Close finishes the calls that the test has not: the holds on them are to be
// removed.
func (c *reactorCaller) Close() error {
	err := c.channel.Close()
	c.left.finish()
	return err
}

func (c *reactorCaller) Unary(ctx context.Context, req []byte, o Options) ([]byte, error) {
	res, done := new(Message), make(chan cqrpc.Status, 1)
	reactor.Unary(ctx, c.stub, o.named(unaryMethod), &Message{Value: req}, res,
		func(st cqrpc.Status) { done <- st }, asCallOptions(o)...)
	st := <-done
	return res.GetValue(), st.Err()
}

// The reactors of the streaming shapes.
type (
	readReactor struct {
		reactor.ReadBase[Message]
		reactions
	}
	writeReactor struct {
		reactor.WriteBase[Message]
		reactions
	}
	bidiReactor struct {
		reactor.BidiBase[Message, Message]
		reactions
	}
)

func (c *reactorCaller) ServerStream(ctx context.Context, req []byte, o Options) (Output, error) {
	r := new(readReactor)
	s := c.open(&reactorStream{reactions: r.init(), reader: r, object: r})
	reactor.ServerStream(ctx, c.stub, o.named(serverStreamMethod), &Message{Value: req}, r, asCallOptions(o)...)
	r.StartCall()
	return s, nil
}

func (c *reactorCaller) ClientStream(ctx context.Context, o Options) (Input, error) {
	r := new(writeReactor)
	s := c.open(&reactorStream{reactions: r.init(), writer: r, object: r})
	reactor.ClientStream(ctx, c.stub, o.named(clientStreamMethod), &s.response, r, asCallOptions(o)...)
	r.StartCall()
	return s, nil
}

func (c *reactorCaller) BidiStream(ctx context.Context, o Options) (Duplex, error) {
	r := new(bidiReactor)
	s := c.open(&reactorStream{reactions: r.init(), reader: r, writer: r, object: r})
	reactor.BidiStream(ctx, c.stub, o.named(bidiStreamMethod), r, asCallOptions(o)...)
	r.StartCall()
	return s, nil
}

// open holds a call that is about to start: its operations do not come from
// reactions.
func (c *reactorCaller) open(s *reactorStream) *reactorStream {
	s.caller, s.release = c, s.object.Hold()
	c.left.add(s)
	return s
}

// reactions are those of one call, as channels.
type reactions struct {
	header            chan struct{} // closed
	read, write, last chan bool
	done              chan struct{} // closed
	status            cqrpc.Status  // valid when done is closed
}

func (r *reactions) init() *reactions {
	r.header, r.done = make(chan struct{}), make(chan struct{})
	r.read, r.write, r.last = make(chan bool, 1), make(chan bool, 1), make(chan bool, 1)
	return r
}

// OnReadInitialMetadataDone and the others implement the reactors of all shapes.
func (r *reactions) OnReadInitialMetadataDone(bool) { close(r.header) }
func (r *reactions) OnReadDone(ok bool)             { r.read <- ok }
func (r *reactions) OnWriteDone(ok bool)            { r.write <- ok }
func (r *reactions) OnWritesDoneDone(ok bool)       { r.last <- ok }

// OnDone is the last reaction.
func (r *reactions) OnDone(st cqrpc.Status) {
	r.status = st
	close(r.done)
}

// reactorStream is a streaming call, whatever its shape.
type reactorStream struct {
	*reactions

	caller *reactorCaller
	object interface {
		Hold() (release func())
		Header() cqrpc.Metadata
		Trailer() cqrpc.Metadata
	}
	reader   interface{ StartRead(res *Message) } // nil: one response
	writer   requestWriter                        // nil: one request
	response Message                              // the one
	release  func()                               // the hold

	mu sync.Mutex
	// guarded by mu
	isOver bool // the hold was released: nothing can be started
}

type requestWriter interface {
	StartWrite(req *Message, flags ...call.Flags)
	StartWriteBuffer(b *call.Buffer, flags ...call.Flags)
	StartWritesDone()
}

// start starts an operation and waits for its reaction, or reports that the call
// is over.
func (s *reactorStream) start(op func(), reaction <-chan bool) bool {
	s.mu.Lock()
	isOver := s.isOver
	if !isOver {
		op()
	}
	s.mu.Unlock()
	return !isOver && <-reaction
}

// finish waits for the end of the call, for which nothing may hold it.
func (s *reactorStream) finish() error {
	s.mu.Lock()
	s.isOver = true
	s.mu.Unlock()
	s.release()
	<-s.done
	s.caller.left.remove(s)
	return s.status.Err()
}

func (s *reactorStream) Send(req []byte) error {
	if !s.start(func() { s.writer.StartWrite(&Message{Value: req}) }, s.write) {
		return io.EOF
	}
	return nil
}

// SendBuffer implements BufferSender.
func (s *reactorStream) SendBuffer(b *call.Buffer, flags ...call.Flags) error {
	if !s.start(func() { s.writer.StartWriteBuffer(b, flags...) }, s.write) {
		return io.EOF
	}
	return nil
}

func (s *reactorStream) CloseSend() error {
	s.start(s.writer.StartWritesDone, s.last)
	return nil
}

func (s *reactorStream) Recv() ([]byte, error) {
	res := new(Message)
	if s.start(func() { s.reader.StartRead(res) }, s.read) {
		return res.GetValue(), nil
	}
	if err := s.finish(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

// CloseAndRecv implements Input.
func (s *reactorStream) CloseAndRecv() ([]byte, error) {
	if err := s.CloseSend(); err != nil {
		return nil, err
	}
	err := s.finish()
	return s.response.GetValue(), err
}

func (s *reactorStream) Header() (cqrpc.Metadata, error) {
	<-s.header
	return s.object.Header(), nil
}

func (s *reactorStream) Trailer() cqrpc.Metadata { return s.object.Trailer() }
