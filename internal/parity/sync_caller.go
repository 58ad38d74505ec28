package parity

import (
	"context"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
)

// syncCaller is the sync style.
type syncCaller struct{ *client.Channel }

func dialSync(d Dialing) (Caller, error) {
	ch, err := NewChannel(d)
	return syncCaller{ch}, err
}

func (c syncCaller) Unary(ctx context.Context, req []byte, o Options) ([]byte, error) {
	res, err := client.Unary(ctx, c.Channel, o.named(unaryMethod), &Message{Value: req}, asCallOptions(o)...)
	return res.GetValue(), err
}

func (c syncCaller) ServerStream(ctx context.Context, req []byte, o Options) (Output, error) {
	m := o.named(serverStreamMethod)
	s, err := client.ServerStream(ctx, c.Channel, m, &Message{Value: req}, asCallOptions(o)...)
	return syncOutput{s, s}, err
}

func (c syncCaller) ClientStream(ctx context.Context, o Options) (Input, error) {
	s, err := client.ClientStream(ctx, c.Channel, o.named(clientStreamMethod), asCallOptions(o)...)
	return syncInput{s}, err
}

func (c syncCaller) BidiStream(ctx context.Context, o Options) (Duplex, error) {
	s, err := client.BidiStream(ctx, c.Channel, o.named(bidiStreamMethod), asCallOptions(o)...)
	return syncDuplex{syncOutput{s, s}, s}, err
}

type syncOutput struct {
	answer
	in Receiver[Message]
}

func (s syncOutput) Recv() ([]byte, error) { return bytesIn{s.in}.Recv() }

type syncInput struct {
	call *client.ClientStreamCall[Message, Message]
}

func (s syncInput) Send(req []byte) error { return s.call.Send(&Message{Value: req}) }

// SendBuffer implements BufferSender.
func (s syncInput) SendBuffer(b *call.Buffer, flags ...call.Flags) error {
	return s.call.SendBuffer(b, flags...)
}

func (s syncInput) CloseAndRecv() ([]byte, error) {
	res, err := s.call.CloseAndRecv()
	return res.GetValue(), err
}

type syncDuplex struct {
	syncOutput
	call *client.BidiStreamCall[Message, Message]
}

func (s syncDuplex) Send(req []byte) error { return s.call.Send(&Message{Value: req}) }
func (s syncDuplex) CloseSend() error      { return s.call.CloseSend() }

// SendBuffer implements BufferSender.
func (s syncDuplex) SendBuffer(b *call.Buffer, flags ...call.Flags) error {
	return s.call.SendBuffer(b, flags...)
}
