package server

import (
	"errors"
	"io"
	"iter"

	"github.com/cqrpc/cqrpc/call"
)

// Receiver is the requests of a call. It belongs to one goroutine at a time,
// which may be another than the Sender's.
type Receiver[Req any] struct{ rpc *rpc }

// Recv waits for the next request. The error is io.EOF when the client has half-closed
// and there are no more, else a *cqrpc.Error that says why the call has ended.
func (r *Receiver[Req]) Recv() (*Req, error) {
	req := new(Req)
	if err := r.rpc.recvValue(req); err != nil {
		return nil, err
	}
	return req, nil
}

// RecvInto is Recv into a message of the caller's, whose contents it replaces: a
// loop needs only one, and with codec.ProtoReusing its memory is used again.
func (r *Receiver[Req]) RecvInto(req *Req) error { return r.rpc.recvValue(req) }

// All ranges over Recv. It ends after the last request, or after it has yielded
// an error once.
func (r *Receiver[Req]) All() iter.Seq2[*Req, error] {
	return func(yield func(*Req, error) bool) {
		for {
			req, err := r.Recv()
			if errors.Is(err, io.EOF) || !yield(req, err) || err != nil {
				return
			}
		}
	}
}

// Sender is the responses of a call. It belongs to one goroutine at a time,
// which may be another than the Receiver's.
type Sender[Res any] struct{ rpc *rpc }

// Send sends the next response. res may be reused when it returns. It waits while
// more than 64 KiB are buffered because the client does not take them, so a handler is
// ahead of its client by that and two messages at most. The error, a *cqrpc.Error, says
// why the call has ended, or why res cannot be sent; what was sent before may not have
// arrived.
func (s *Sender[Res]) Send(res *Res) error { return s.SendWith(res, 0) }

// SendWith is Send with flags, such as NoCompress.
func (s *Sender[Res]) SendWith(res *Res, flags call.Flags) error {
	return s.rpc.send(call.SendValue(res).With(call.BufferHint | flags))
}

// SendBuffer is Send of a message that was encoded before, see [call.Encode], with
// the codec of the call. It takes ownership of b, on error too: to send it on other
// calls as well, give each a b.Ref().
func (s *Sender[Res]) SendBuffer(b *call.Buffer, flags ...call.Flags) error {
	return s.rpc.sendBuffer(b, call.Flags(0).With(flags...))
}

// RawStream is a call whose messages are bytes. One goroutine may receive and
// another send.
type RawStream struct{ rpc *rpc }

// Recv waits for the next message, which the caller frees. The errors are those
// of [Receiver.Recv].
func (s *RawStream) Recv() (*call.Buffer, error) { return s.rpc.recvRaw() }

// Send sends the next message and takes ownership of it, on error too. See
// [Sender.Send].
func (s *RawStream) Send(b *call.Buffer) error { return s.rpc.sendBuffer(b, 0) }
