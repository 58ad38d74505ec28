package main

import (
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

// exchange is a call that has come in, and the call that passes it on. All of both
// ends on one queue with one poller, so it needs no lock.
//
//	in   RecvMessage ──► out  SendMessage …            then SendClose
//	out  RecvInitialMetadata ──► in  SendInitialMetadata
//	out  RecvMessage ──► in  SendMessage …             then RecvStatus ──► SendStatus
//	in   RecvClose ──► both are closed
//
// The next message is read when the last was sent: so flow control reaches from one
// end to the other, and an exchange holds two messages at most.
type exchange struct {
	proxy   *proxy
	queue   *cq.Queue
	arrived server.IncomingCall
	in, out *call.Call

	request, response *call.Buffer
	header, trailer   cqrpc.Metadata
	status            cqrpc.Status
}

// step is a tag: what is done when the operation has ended.
type step func(ok bool)

// Proceed implements cq.Proceeder.
func (s step) Proceed(ok bool) { s(ok) }

func nothing(bool) {}

// start starts an operation. What is refused ends the call, if that has not ended.
func (x *exchange) start(c *call.Call, op call.Op, then step) error {
	err := c.StartBatch([]call.Op{op}, then)
	if err != nil {
		x.in.CancelWithStatus(cqrpc.CodeInternal, "proxy: "+err.Error())
	}
	return err
}

// begin has a call, unless the server ends, and starts the same call of the backend.
// Its metadata, but for what a connection says for itself, is passed on as it is.
func (x *exchange) begin(ok bool) {
	if !ok {
		return
	}
	x.proxy.request(x.queue)
	x.in = x.arrived.Call
	x.out = x.proxy.backend.NewCall(x.queue, x.arrived.Method,
		client.WithParent(x.in, 0), // the deadline, and the end if the client cancels
		client.WithCallAuthority(x.in.Authority()),
		client.WithCallCodec(codec.BytesNamed(x.in.ContentSubtype())), // application/grpc+json stays that
		client.WithCompressor(x.in.RecvEncoding()),                    // messages are inflated here, and deflated again
		client.WithMaxRecvMessage(-1))
	_ = x.start(x.in, call.RecvClose(nil), x.end)
	_ = x.start(x.out, call.SendInitialMetadata(x.arrived.Metadata), nothing)
	_ = x.start(x.out, call.RecvInitialMetadata(&x.header), x.onHeader)
	x.readRequest()
}

func (x *exchange) readRequest() {
	_ = x.start(x.in, call.RecvMessage(&x.request), x.onRequest)
}

func (x *exchange) onRequest(ok bool) {
	switch {
	case x.request != nil:
		x.pass(x.out, &x.request, x.readRequest)
	case ok: // the client has sent all
		_ = x.start(x.out, call.SendClose(), nothing)
	}
}

// onHeader has the backend's headers. A response without any is Trailers-Only, and so
// it has to stay.
func (x *exchange) onHeader(bool) {
	if x.out.HasInitialMetadata() {
		_ = x.in.SetCompressor(x.out.RecvEncoding()) // else messages go as they are
		_ = x.start(x.in, call.SendInitialMetadata(x.header), nothing)
	}
	x.readResponse()
}

func (x *exchange) readResponse() {
	_ = x.start(x.out, call.RecvMessage(&x.response), x.onResponse)
}

// onResponse asks for the status after the last message only: a status other than OK
// is there before the messages that came before it were taken.
func (x *exchange) onResponse(bool) {
	if x.response != nil {
		x.pass(x.in, &x.response, x.readResponse)
		return
	}
	_ = x.start(x.out, call.RecvStatus(&x.status, &x.trailer), x.onStatus)
}

func (x *exchange) onStatus(bool) {
	_ = x.start(x.in, call.SendStatus(x.status, x.trailer), nothing)
}

// pass sends a message, and then reads the next. If the other side takes no more it
// has ended, and its own end goes its own way.
func (x *exchange) pass(to *call.Call, from **call.Buffer, next func()) {
	m := *from
	*from = nil
	err := x.start(to, call.SendMessage(m), func(ok bool) {
		if ok {
			next()
		}
	})
	if err != nil {
		m.Free()
	}
}

// end drops what nobody has taken. What is still outstanding ends by that.
func (x *exchange) end(bool) {
	x.in.Close()
	x.out.Close()
}
