package parity

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/codec"
)

// BufferSender is the streams, of callers and of hosts, that send what was encoded
// before.
type BufferSender interface {
	// SendBuffer is Send of one reference to b, which it takes in any case.
	SendBuffer(b *call.Buffer, flags ...call.Flags) error
}

// SendBuffer implements BufferSender, for hosts that do not lack it.
func (b bytesOut) SendBuffer(m *call.Buffer, flags ...call.Flags) error {
	return b.Out.(BufferSender).SendBuffer(m, flags...)
}

// encodedOnce sends one buffer both ways on many streams at once, compressed or not.
func encodedOnce(t *testing.T, p *Pairing) {
	const streams, rounds = 25, 3
	body := bytes.Repeat([]byte("to all "), 1000)
	b, err := call.Encode(codec.Proto(), &Message{Value: body})
	Want(t, "Encode", err)
	before := bytes.Clone(b.Bytes())
	service := Echo()
	service.BidiStream = func(_ Call, in In, out Out) error {
		for {
			req, err := in.Recv()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err == nil && !bytes.Equal(req, body) {
				err = cqrpc.Errorf(cqrpc.CodeDataLoss, "request is not what was sent")
			}
			if err != nil {
				return err
			}
			if err := out.(BufferSender).SendBuffer(b.Ref()); err != nil {
				return err
			}
		}
	}
	c := p.Dial(t, p.Serve(t, Serving{Service: service, Gzip: true}))
	ctx := Within(t)
	each(t, streams, func(i int) error {
		s, err := c.BidiStream(ctx, Options{Gzip: i%2 == 0})
		for round := 0; err == nil && round < rounds; round++ {
			if err = s.(BufferSender).SendBuffer(b.Ref()); err != nil {
				break
			}
			var res []byte
			if res, err = s.Recv(); err == nil && !bytes.Equal(res, body) {
				err = cqrpc.Errorf(cqrpc.CodeDataLoss, "response is not what was sent")
			}
		}
		if err != nil {
			return err
		}
		if err = s.CloseSend(); err == nil {
			err = untilEnd(s, nil)
		}
		return err
	})

	in := begin[Input](t)(c.ClientStream(ctx, Options{}))
	for range 2 {
		Want(t, "SendBuffer", in.(BufferSender).SendBuffer(b.Ref()))
	}
	res, err := in.CloseAndRecv()
	Want(t, "CloseAndRecv", err)
	wantBody(t, "response", res, append(body, body...))
	wantBody(t, "the buffer", b.Bytes(), before)
	b.Free()
}
