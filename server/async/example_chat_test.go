package async_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
	"github.com/cqrpc/cqrpc/server/async"
)

// converse has many requests and many responses.
var converse = call.Method[wrapperspb.StringValue, wrapperspb.StringValue]{
	Name: "/example.Greeter/Converse", Shape: call.BidiStream,
}

// chat is one call of converse, which has a read, a write, an alarm and the notice
// of its end outstanding at once. All that happens to it happens on one goroutine,
// the poller of its queue: with several it needs a mutex, locked by every Proceed.
type chat struct {
	method    *async.BidiStreamMethod[wrapperspb.StringValue, wrapperspb.StringValue]
	queue     *cq.Queue
	ctx       async.Context
	stream    async.ReaderWriter[wrapperspb.StringValue, wrapperspb.StringValue]
	heartbeat cq.Alarm
	req       wrapperspb.StringValue
	out       []string // to be written

	isReading, isWriting bool
	isHalfClosed         bool // there is nothing more to read
	isFinished           bool
}

// The tags of a chat: a type for each operation, over the same record. The address
// is the chat's, so they cost nothing.
type (
	requests chat
	reads    chat
	writes   chat
	alarms   chat
	dones    chat
	finishes chat
)

func (t *requests) Proceed(ok bool) { (*chat)(t).onRequest(ok) }
func (t *reads) Proceed(ok bool)    { (*chat)(t).onRead(ok) }
func (t *writes) Proceed(bool)      { (*chat)(t).onWrite() }
func (t *alarms) Proceed(ok bool)   { (*chat)(t).onAlarm(ok) }
func (t *dones) Proceed(bool)       { (*chat)(t).next() }
func (*finishes) Proceed(bool)      {} // nothing refers to the chat any more

func (c *chat) request() {
	must0(c.ctx.AsyncNotifyWhenDone(c.queue, (*dones)(c)))
	must0(c.method.Request(&c.ctx, &c.stream, c.queue, c.queue, (*requests)(c)))
}

func (c *chat) onRequest(ok bool) {
	if !ok { // the server ends; the notice comes, too, false
		return
	}
	(&chat{method: c.method, queue: c.queue}).request()
	c.next()
	c.setHeartbeat()
}

func (c *chat) onRead(ok bool) {
	c.isReading = false
	c.isHalfClosed = !ok
	if ok {
		c.out = append(c.out, "Hello "+c.req.Value)
	}
	c.next()
}

func (c *chat) onWrite() {
	c.isWriting = false // if that is because the call has died, next sees it
	c.next()
}

func (c *chat) onAlarm(ok bool) {
	if !ok || c.isFinished {
		return
	}
	if len(c.out) == 0 && !c.isWriting {
		c.out = append(c.out, "still here")
	}
	c.next()
	c.setHeartbeat()
}

func (c *chat) setHeartbeat() {
	if !c.isFinished {
		must0(c.heartbeat.Set(c.queue, time.Now().Add(20*time.Millisecond), (*alarms)(c)))
	}
}

// next starts what can be started now; every step ends with it. It looks first
// whether the call is finished, since the notice of its end may overtake a read or
// a write. A client that does not read is read no further.
func (c *chat) next() {
	switch {
	case c.isFinished || c.stream.Call() == nil: // nothing may be started any more, or yet
	case c.ctx.IsCancelled() || c.isHalfClosed && len(c.out) == 0 && !c.isWriting:
		c.isFinished = true
		c.heartbeat.Cancel()
		must0(c.stream.Finish(cqrpc.Status{}, (*finishes)(c)))
	default:
		c.read()
		c.write()
	}
}

func (c *chat) read() {
	if c.isReading || c.isHalfClosed || len(c.out) > 8 {
		return
	}
	c.isReading = true
	must0(c.stream.Read(&c.req, (*reads)(c)))
}

func (c *chat) write() {
	if c.isWriting || len(c.out) == 0 {
		return
	}
	c.isWriting = true
	must0(c.stream.Write(wrapperspb.String(c.out[0]), (*writes)(c)))
	c.out = c.out[1:]
}

// More than one operation outstanding: each has a tag type over the same record,
// so an event leads to the record and says which operation it is about.
func Example_severalOperations() {
	s, q := server.New(), cq.New()
	method, err := async.RegisterBidiStream(s, converse)
	must0(err)
	must0(s.AddQueue(q))
	(&chat{method: method, queue: q}).request()
	wait := cq.Poll([]*cq.Queue{q}, 1, cq.Proceed)
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	must0(err)
	go func() { _ = s.Serve(lis) }()

	ch, err := client.NewChannel(lis.Addr().String(), client.WithInsecure())
	must0(err)
	stream, err := client.BidiStream(context.Background(), ch, converse)
	must0(err)
	res, err := stream.Recv() // before anything was sent
	fmt.Println(res.GetValue(), err)
	must0(stream.Send(wrapperspb.String("gopher")))
	must0(stream.CloseSend())
	for res, err := range stream.All() {
		must0(err)
		if res.Value != "still here" {
			fmt.Println(res.Value)
		}
	}
	must0(ch.Close())
	must0(s.Shutdown(context.Background()))
	wait()
	// Output:
	// still here <nil>
	// Hello gopher
}
