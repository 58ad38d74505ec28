package call

import (
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/frame"
)

// hinted is a message of n bytes with BufferHint.
func hinted(n int) Op { return SendValue(strings.Repeat("x", n)).With(BufferHint) }

// With BufferHint messages complete before anything was sent, while what waits
// fits the write buffer; the one that does not waits until it does.
func TestBufferHint(t *testing.T) {
	r := newServerRig(t, Config{})
	r.server.buffers = true
	r.start("init", SendInitialMetadata(nil))
	const n = 10 << 10
	for range writeBuffer / n {
		r.start("small", hinted(n))
		r.want("it fits", "small")
	}
	r.start("one more", hinted(n))
	r.want("the buffer is full")
	if err := r.c.StartBatch([]Op{hinted(1)}, "next"); err == nil {
		t.Error("a message was accepted while one is outstanding")
	}
	r.server.sent = frame.Sent{Headers: true, Messages: 1, Bytes: n + frame.PrefixLen}
	r.c.Receiver().OnSent(r.server.sent, &r.lane)
	r.want("one was framed, so it fits", "init", "one more")
	r.start("plain", SendValue("x"))
	r.want("without the hint it waits for all before it")
	r.accept()
	r.want("all was framed", "plain")
	r.start("status", SendStatus(cqrpc.Status{}, nil))
	r.accept()
	r.want("over", "status")
}

// Small messages hold more than their bytes, so fewer of them wait.
func TestBufferHintOfSmallMessages(t *testing.T) {
	r := newServerRig(t, Config{})
	r.server.buffers = true
	r.start("init", SendInitialMetadata(nil))
	const each = messageRoom + frame.PrefixLen + 1
	for range writeBuffer / each {
		r.start("small", hinted(1))
		r.want("it fits", "small")
	}
	r.start("one more", hinted(1))
	r.want("the buffer is full")
	r.server.sent = frame.Sent{Headers: true, Messages: 1, Bytes: frame.PrefixLen + 1}
	r.c.Receiver().OnSent(r.server.sent, &r.lane)
	r.want("one was framed, so it fits", "init", "one more")
}

// A hinted message of a client without a connection waits for one.
func TestBufferHintWithoutStream(t *testing.T) {
	r := newRig(t, func(_ *Config, o *fakeOpener) { o.manual = true })
	r.start("first", SendInitialMetadata(nil), hinted(1))
	r.want("there is no stream")
	r.opener.bind(r.c)
	r.want("the stream has it, the headers are not framed")
	r.accept()
	r.want("all was framed", "first")
}

// Nor is it buffered on a stream whose headers are not framed: after a second message the call
// could not be repeated, although no server has seen any of it.
func TestBufferHintBeforeTheHeaders(t *testing.T) {
	r := newRig(t, nil)
	r.start("headers", SendInitialMetadata(nil))
	r.start("first", hinted(1))
	r.want("the stream has both, and has framed nothing")
	r.c.Receiver().OnSent(frame.Sent{Headers: true}, &r.lane)
	r.want("the headers are framed, and the message fits", "headers", "first")
}

// A hinted message fails with its call if it was not buffered yet.
func TestBufferHintOfACallThatDies(t *testing.T) {
	r := newServerRig(t, Config{})
	r.start("init", SendInitialMetadata(nil))
	r.start("big", hinted(2*writeBuffer))
	r.want("it does not fit")
	r.c.Cancel()
	r.want("the call is over", "!init", "!big")
	r.start("late", hinted(1))
	r.want("after the end", "!late")
}
