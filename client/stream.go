package client

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
)

// stream is a streaming call of the sync style: one waiter per direction, each
// used by one goroutine at a time.
type stream struct {
	call   *call.Call
	report *report // nil: nothing to tell
	pieces pieces

	// atomic: a goroutine is using the direction; a second one gets an error
	isSending, isReceiving atomic.Bool

	send cq.Waiter // sending goroutine
	recv cq.Waiter // receiving goroutine
	got  bool      // receiving goroutine

	headerOnce sync.Once
	header     cq.Waiter
	headerMD   cqrpc.Metadata

	finishOnce sync.Once
	finish     cq.Waiter
	status     cqrpc.Status
	trailer    cqrpc.Metadata
	err        error // how the call ended; valid after finishOnce
}

// errSending and errReceiving are mistakes in the program: if two goroutines
// sent, or received, at the same time, one would get the other's result.
var (
	errSending   = cqrpc.Errorf(cqrpc.CodeInternal, "another goroutine is sending on this stream")
	errReceiving = cqrpc.Errorf(cqrpc.CodeInternal, "another goroutine is receiving on this stream")
)

// startStream starts a streaming call with ops sent at once. hasOneResponse is true of
// the shape ClientStream.
func (ch *Channel) startStream(
	ctx context.Context, s *stream, method string, hasOneResponse bool, opts []CallOption, ops ...call.Op,
) error {
	cfg := ch.callConfig(method, opts)
	cfg.OneMessage = hasOneResponse
	ctx, err := cfg.begin(ctx)
	if err != nil {
		return err
	}
	if t, ok := ctx.Deadline(); ok {
		cfg.deadline(t)
	}
	s.report = cfg.report.kept()
	s.call = ch.newCallIn(&s.pieces, cfg.Config)
	isStarted := false
	defer func() {
		if !isStarted { // rejected, or the codec panicked
			s.call.Close()
		}
	}()
	ops = append(ops, call.SendInitialMetadata(cfg.headers))
	if err := s.call.StartBatchOn(cq.Discard, ops, nil); err != nil {
		return rejected(s.call, err)
	}
	if err := s.call.StartBatchOn(&s.header, []call.Op{call.RecvInitialMetadata(&s.headerMD)}, nil); err != nil {
		return rejected(s.call, err)
	}
	isStarted = true
	s.call.Watch(ctx)
	return nil
}

// sendValue sends one message and waits until flow control has taken it.
func (s *stream) sendValue(v any, flags call.Flags) error {
	_, err := s.sendMessage(call.SendValue(v).With(flags))
	return err
}

// sendBuffer is sendValue of a message that was encoded before. It takes b, on error too.
func (s *stream) sendBuffer(b *call.Buffer, flags []call.Flags) error {
	isTaken := false
	defer func() {
		if !isTaken { // refused, or a compressor has panicked
			b.Free()
		}
	}()
	var err error
	isTaken, err = s.sendMessage(call.SendMessage(b).With(flags...))
	return err
}

// sendMessage sends one message, and reports whether the call has taken it. The
// error may also be that the call has ended since.
func (s *stream) sendMessage(op call.Op) (isTaken bool, err error) {
	if !s.isSending.CompareAndSwap(false, true) {
		return false, errSending
	}
	defer s.isSending.Store(false)
	if err := s.call.StartBatchOn(&s.send, []call.Op{op.With(call.BufferHint)}, nil); err != nil {
		return false, call.Misuse(err)
	}
	if ev, _ := s.call.Await(context.Background(), &s.send); !ev.OK {
		return true, io.EOF
	}
	return true, nil
}

// closeSend half-closes, once.
func (s *stream) closeSend() error {
	if !s.isSending.CompareAndSwap(false, true) {
		return errSending
	}
	defer s.isSending.Store(false)
	switch err := s.call.StartBatchOn(&s.send, []call.Op{call.SendClose()}, nil); {
	case errors.Is(err, call.ErrTooManyOperations):
		return nil
	case err != nil:
		return call.Misuse(err)
	}
	s.call.Await(context.Background(), &s.send)
	return nil
}

// recvValue receives one message into v, or returns io.EOF, or the call's error.
func (s *stream) recvValue(v any) error {
	if !s.isReceiving.CompareAndSwap(false, true) {
		return errReceiving
	}
	defer s.isReceiving.Store(false)
	if err := s.call.StartBatchOn(&s.recv, []call.Op{call.RecvValue(v, &s.got)}, nil); err != nil {
		return call.Misuse(err)
	}
	s.call.Await(context.Background(), &s.recv)
	if s.got {
		return nil
	}
	if err := s.finished(); err != nil {
		return err
	}
	return io.EOF
}

// finished waits for the end of the call and returns its error.
func (s *stream) finished() error {
	s.finishOnce.Do(func() {
		err := s.call.StartBatchOn(&s.finish, []call.Op{call.RecvStatus(&s.status, &s.trailer)}, nil)
		if err != nil {
			s.err = call.Misuse(err)
			return
		}
		s.call.Await(context.Background(), &s.finish)
		s.err = s.call.Err()
		s.tell()
		s.call.Close()
	})
	return s.err
}

func (s *stream) tell() {
	if s.report == nil {
		return
	}
	header, _ := s.Header()
	s.report.tell(s.call, header, s.trailer)
}

// Header waits for the response's initial metadata. It is empty if the server
// answered with a status only. The error is the call's, if that has failed before any
// came: messages may come after metadata though the call has failed since. Safe for
// concurrent use.
func (s *stream) Header() (cqrpc.Metadata, error) {
	s.headerOnce.Do(func() { s.call.Await(context.Background(), &s.header) })
	if s.call.HasInitialMetadata() {
		return s.headerMD, nil
	}
	return nil, s.call.Err()
}

// Trailer is the trailing metadata; call it after the stream has ended: after
// Recv, All or CloseAndRecv has returned an error, or CloseAndRecv the response.
func (s *stream) Trailer() cqrpc.Metadata { return s.trailer }

// Peer is the server's address, once the call has a connection.
func (s *stream) Peer() call.Peer { return s.call.Peer() }

// Close ends the call if it has not ended and frees what it holds. A stream
// that was not read to its end must be closed, or its context cancelled.
// Idempotent, safe for concurrent use.
func (s *stream) Close() { s.call.Close() }

func recv[Res any](s *stream) (*Res, error) {
	res := new(Res)
	if err := s.recvValue(res); err != nil {
		return nil, err
	}
	return res, nil
}

func all[Res any](s *stream) iter.Seq2[*Res, error] {
	return func(yield func(*Res, error) bool) {
		defer s.Close()
		for {
			res, err := recv[Res](s)
			if errors.Is(err, io.EOF) || !yield(res, err) || err != nil {
				return
			}
		}
	}
}
