package client

import (
	"context"
	"iter"

	"github.com/cqrpc/cqrpc/call"
)

// ServerStreamCall is a call with one request and many responses. Its methods
// are for one goroutine, except Close, Header and Peer.
type ServerStreamCall[Res any] struct{ stream }

// ServerStream starts a call of a method with one request and many responses.
// req may be reused when it returns.
//
// It waits for nothing, not even for a connection: what the network or the server says comes with
// Recv. The error, a *cqrpc.Error, is that ctx has ended, that a filter refuses the call, or that
// metadata is illegal or req cannot be marshalled (INTERNAL). The call ends when ctx does, with
// CANCELLED or DEADLINE_EXCEEDED, and has no other deadline unless an option sets one.
func ServerStream[Req, Res any](
	ctx context.Context, ch *Channel, m call.Method[Req, Res], req *Req, opts ...CallOption,
) (*ServerStreamCall[Res], error) {
	s := new(ServerStreamCall[Res])
	if err := ch.startStream(ctx, &s.stream, m.Name, false, opts, call.SendValue(req), call.SendClose()); err != nil {
		return nil, err
	}
	return s, nil
}

// Recv waits for the next message. It returns io.EOF after the last one if the
// call ended OK, else the call's *cqrpc.Error.
func (s *ServerStreamCall[Res]) Recv() (*Res, error) { return recv[Res](&s.stream) }

// RecvInto is Recv into a message of the caller's, whose contents it replaces: a
// loop needs only one, and with codec.ProtoReusing its memory is used again.
func (s *ServerStreamCall[Res]) RecvInto(res *Res) error { return s.recvValue(res) }

// All yields the messages until the end; an error, if any, comes last. Leaving
// the loop early closes the stream.
func (s *ServerStreamCall[Res]) All() iter.Seq2[*Res, error] { return all[Res](&s.stream) }
