package parity

import (
	"context"
	"errors"
	"io"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	clientfuture "github.com/cqrpc/cqrpc/client/future"
	"github.com/cqrpc/cqrpc/cq/future"
)

// futureCaller is the style of futures: every call and every message of it is
// one, and is awaited.
type futureCaller struct {
	channel     *client.Channel
	environment *future.Environment
	stub        *clientfuture.Stub
}

func dialFuture(d Dialing) (Caller, error) {
	ch, err := NewChannel(d)
	if err != nil {
		return nil, err
	}
	env := future.NewEnvironment(1)
	return &futureCaller{ch, env, clientfuture.New(ch, env)}, nil
}

// Close reports calls that are in flight. Those of a closed channel are not.
func (c *futureCaller) Close() error {
	return errors.Join(c.channel.Close(), c.environment.Close())
}

// await waits for f, however long it takes: that calls end is what is tested.
func await[T any](f *future.Future[T]) (T, error) { return f.Await(context.Background()) }

func (c *futureCaller) Unary(ctx context.Context, req []byte, o Options) ([]byte, error) {
	res, err := await(clientfuture.Unary(
		ctx, c.stub, o.named(unaryMethod), &Message{Value: req}, asCallOptions(o)...).Future)
	return res.GetValue(), err
}

func (c *futureCaller) ServerStream(ctx context.Context, req []byte, o Options) (Output, error) {
	m := o.named(serverStreamMethod)
	return futureOutput{clientfuture.ServerStream(ctx, c.stub, m, &Message{Value: req}, asCallOptions(o)...)}, nil
}

func (c *futureCaller) ClientStream(ctx context.Context, o Options) (Input, error) {
	sink, res := clientfuture.ClientStream(ctx, c.stub, o.named(clientStreamMethod), asCallOptions(o)...)
	return futureInput{sink, res}, nil
}

func (c *futureCaller) BidiStream(ctx context.Context, o Options) (Duplex, error) {
	sink, stream := clientfuture.BidiStream(ctx, c.stub, o.named(bidiStreamMethod), asCallOptions(o)...)
	return futureDuplex{futureOutput{stream}, sink}, nil
}

type futureOutput struct {
	stream *clientfuture.Stream[Message]
}

func (s futureOutput) Recv() ([]byte, error) {
	res, err := await(s.stream.Next())
	return res.GetValue(), err
}

func (s futureOutput) Header() (cqrpc.Metadata, error) { return await(s.stream.Header()) }
func (s futureOutput) Trailer() cqrpc.Metadata         { return s.stream.Trailer() }

// futureSent is Send: the fate of the call is for Recv to tell.
func futureSent(sending *future.Future[struct{}]) error {
	_, err := await(sending)
	if isEnded(err) {
		return io.EOF
	}
	return err
}

// futureClose is CloseSend. What could not be sent any more was not wanted.
func futureClose(sink *clientfuture.Sink[Message]) error {
	if _, err := await(sink.Close()); !isEnded(err) {
		return err
	}
	return nil
}

// isEnded reports that err is of a sink whose call has ended.
func isEnded(err error) bool {
	var ended *cqrpc.Error
	return errors.As(err, &ended) || errors.Is(err, future.ErrFinished)
}

type futureInput struct {
	sink     *clientfuture.Sink[Message]
	response *clientfuture.Response[Message]
}

func (s futureInput) Send(req []byte) error { return futureSent(s.sink.Send(&Message{Value: req})) }

// SendBuffer implements BufferSender.
func (s futureInput) SendBuffer(b *call.Buffer, flags ...call.Flags) error {
	return futureSent(s.sink.SendBuffer(b, flags...))
}

func (s futureInput) CloseAndRecv() ([]byte, error) {
	if err := futureClose(s.sink); err != nil {
		return nil, err
	}
	res, err := await(s.response.Future)
	return res.GetValue(), err
}

type futureDuplex struct {
	futureOutput
	sink *clientfuture.Sink[Message]
}

func (s futureDuplex) Send(req []byte) error { return futureSent(s.sink.Send(&Message{Value: req})) }

// SendBuffer implements BufferSender.
func (s futureDuplex) SendBuffer(b *call.Buffer, flags ...call.Flags) error {
	return futureSent(s.sink.SendBuffer(b, flags...))
}

func (s futureDuplex) CloseSend() error { return futureClose(s.sink) }
