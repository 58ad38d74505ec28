package ledger

import (
	"context"
	"errors"
	"io"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/parity"
)

// Caller is a client by batches that are all in a Book.
type Caller struct {
	*client.Channel
	book *Book
}

var _ parity.Caller = Caller{}

// CallerKind makes Callers with the book.
func CallerKind(b *Book) parity.CallerKind {
	return parity.CallerKind{Name: "ledger", Dial: func(d parity.Dialing) (parity.Caller, error) {
		ch, err := parity.NewChannel(d)
		return Caller{ch, b}, err
	}}
}

// visit is one call. The status is asked for at once, by a batch of its own.
type visit struct {
	k    *call.Call
	book *Book
	who  string

	header, trailer cqrpc.Metadata
	status          cqrpc.Status
	ended           *Entry // of RECV_STATUS, nil when it was harvested
}

// open starts a call.
func (c Caller) open(ctx context.Context, shape string, hasOneResponse bool, o parity.Options) (*visit, error) {
	if o.Method == "" {
		o.Method = "/" + parity.ServiceName + "/" + shape
	}
	opts := []client.CallOption{client.WithMetadata(o.Metadata), client.WithWaitForReady(o.WaitForReady)}
	if o.Gzip {
		opts = append(opts, client.WithCompressor("gzip"))
	}
	var p client.Prepared
	c.Prepare(ctx, &p, cq.Discard, o.Method, hasOneResponse, opts...)
	v := &visit{k: p.Call, book: c.book, who: "client of " + o.Method}
	var err error
	if v.ended, err = v.book.Start(v.k, v.who, call.RecvStatus(&v.status, &v.trailer)); err != nil {
		return nil, err
	}
	_, err = v.do(call.SendInitialMetadata(p.Metadata))
	return v, err
}

// do starts a batch, waits for it and reports whether it went well; the error is
// misuse.
func (v *visit) do(ops ...call.Op) (bool, error) {
	e, err := v.book.Start(v.k, v.who, ops...)
	if err != nil {
		return false, err
	}
	return e.Wait().OK, nil
}

// end waits for the status: io.EOF if that is OK.
func (v *visit) end() error {
	if v.ended != nil {
		v.ended.Wait()
		v.ended = nil
		v.k.Close()
	}
	if err := v.status.Err(); err != nil {
		return err
	}
	return io.EOF
}

// Send implements parity.Input and parity.Duplex.
func (v *visit) Send(req []byte) error {
	ok, err := v.do(call.SendValue(&parity.Message{Value: req}))
	if err == nil && !ok {
		return io.EOF
	}
	return err
}

// CloseSend implements parity.Duplex.
func (v *visit) CloseSend() error {
	_, err := v.do(call.SendClose())
	return err
}

// Recv implements parity.Output.
func (v *visit) Recv() ([]byte, error) {
	res, got := new(parity.Message), false
	if _, err := v.do(call.RecvValue(res, &got)); err != nil {
		return nil, err
	}
	if got {
		return res.GetValue(), nil
	}
	return nil, v.end()
}

// CloseAndRecv implements parity.Input.
func (v *visit) CloseAndRecv() ([]byte, error) {
	if err := v.CloseSend(); err != nil {
		return nil, err
	}
	res, err := v.Recv()
	if err != nil {
		return nil, err
	}
	if err := v.end(); !errors.Is(err, io.EOF) {
		return nil, err
	}
	return res, nil
}

// Header implements parity.Output.
func (v *visit) Header() (cqrpc.Metadata, error) {
	_, err := v.do(call.RecvInitialMetadata(&v.header))
	return v.header, err
}

// Trailer implements parity.Output.
func (v *visit) Trailer() cqrpc.Metadata { return v.trailer }

// Unary implements parity.Caller.
func (c Caller) Unary(ctx context.Context, req []byte, o parity.Options) ([]byte, error) {
	v, err := c.open(ctx, "Unary", true, o)
	if err != nil {
		return nil, err
	}
	if err := v.Send(req); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return v.CloseAndRecv()
}

// ServerStream implements parity.Caller.
func (c Caller) ServerStream(ctx context.Context, req []byte, o parity.Options) (parity.Output, error) {
	v, err := c.open(ctx, "ServerStream", false, o)
	if err != nil {
		return nil, err
	}
	if err := v.Send(req); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return v, v.CloseSend()
}

// ClientStream implements parity.Caller.
func (c Caller) ClientStream(ctx context.Context, o parity.Options) (parity.Input, error) {
	return c.open(ctx, "ClientStream", true, o)
}

// BidiStream implements parity.Caller.
func (c Caller) BidiStream(ctx context.Context, o parity.Options) (parity.Duplex, error) {
	return c.open(ctx, "BidiStream", false, o)
}
