package client

import (
	"context"

	"github.com/cqrpc/cqrpc/call"
)

// ClientStreamCall is a call with many requests and one response. Its methods
// are for one goroutine, except Close, Header and Peer.
type ClientStreamCall[Req, Res any] struct{ stream }

// ClientStream starts a call of a method with many requests and one response, as
// [ServerStream] does.
func ClientStream[Req, Res any](
	ctx context.Context, ch *Channel, m call.Method[Req, Res], opts ...CallOption,
) (*ClientStreamCall[Req, Res], error) {
	s := new(ClientStreamCall[Req, Res])
	if err := ch.startStream(ctx, &s.stream, m.Name, true, opts); err != nil {
		return nil, err
	}
	return s, nil
}

// Send sends one message; req may be reused when it returns. It waits while
// more than 64 KiB are buffered because the server does not take them. The error is
// io.EOF if the call has ended, and then CloseAndRecv says how, or if CloseAndRecv was
// called before. It is INTERNAL, and the call goes on, if the message cannot be marshalled
// or another goroutine is in Send.
func (s *ClientStreamCall[Req, Res]) Send(req *Req) error { return s.sendValue(req, 0) }

// SendWith is Send with flags, such as NoCompress.
func (s *ClientStreamCall[Req, Res]) SendWith(req *Req, flags call.Flags) error {
	return s.sendValue(req, flags)
}

// SendBuffer is Send of a message that was encoded before, see [call.Encode], with
// the codec of the call. It takes ownership of b, on error too: to send it on other
// calls as well, give each a b.Ref().
func (s *ClientStreamCall[Req, Res]) SendBuffer(b *call.Buffer, flags ...call.Flags) error {
	return s.sendBuffer(b, flags)
}

// CloseAndRecv ends the requests and waits for the response. The error is the call's
// *cqrpc.Error. A second call returns io.EOF, or the call's error.
func (s *ClientStreamCall[Req, Res]) CloseAndRecv() (*Res, error) {
	if err := s.closeSend(); err != nil {
		return nil, err
	}
	res := new(Res)
	err := s.recvValue(res)
	if err == nil {
		err = s.finished()
	}
	if err != nil {
		return nil, err
	}
	return res, nil
}
