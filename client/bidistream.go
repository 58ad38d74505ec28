package client

import (
	"context"
	"iter"

	"github.com/cqrpc/cqrpc/call"
)

// BidiStreamCall is a call with many requests and many responses. One
// goroutine may send while another receives.
type BidiStreamCall[Req, Res any] struct{ stream }

// BidiStream starts a call of a method with many requests and many responses, as
// [ServerStream] does.
func BidiStream[Req, Res any](
	ctx context.Context, ch *Channel, m call.Method[Req, Res], opts ...CallOption,
) (*BidiStreamCall[Req, Res], error) {
	s := new(BidiStreamCall[Req, Res])
	if err := ch.startStream(ctx, &s.stream, m.Name, false, opts); err != nil {
		return nil, err
	}
	return s, nil
}

// Send sends one message; req may be reused when it returns. It waits while
// more than 64 KiB are buffered because the server does not take them. The error is
// io.EOF if the call has ended, and then Recv says how, or if CloseSend was called
// before. It is INTERNAL, and the call goes on, if the message cannot be marshalled or
// another goroutine is in Send.
func (s *BidiStreamCall[Req, Res]) Send(req *Req) error { return s.sendValue(req, 0) }

// SendWith is Send with flags, such as NoCompress.
func (s *BidiStreamCall[Req, Res]) SendWith(req *Req, flags call.Flags) error {
	return s.sendValue(req, flags)
}

// SendBuffer is [ClientStreamCall.SendBuffer].
func (s *BidiStreamCall[Req, Res]) SendBuffer(b *call.Buffer, flags ...call.Flags) error {
	return s.sendBuffer(b, flags)
}

// CloseSend ends the requests; responses go on. A second call does nothing. The error
// is INTERNAL if another goroutine is in Send.
func (s *BidiStreamCall[Req, Res]) CloseSend() error { return s.closeSend() }

// Recv waits for the next message. It returns io.EOF after the last one if the
// call ended OK, else the call's *cqrpc.Error.
func (s *BidiStreamCall[Req, Res]) Recv() (*Res, error) { return recv[Res](&s.stream) }

// RecvInto is Recv into a message of the caller's, whose contents it replaces: a
// loop needs only one, and with codec.ProtoReusing its memory is used again.
func (s *BidiStreamCall[Req, Res]) RecvInto(res *Res) error { return s.recvValue(res) }

// All yields the messages until the end; an error, if any, comes last. Leaving
// the loop early closes the stream.
func (s *BidiStreamCall[Req, Res]) All() iter.Seq2[*Res, error] { return all[Res](&s.stream) }
