// Package half is the two halves of a streaming call as futures: what the
// styles client/future and server/future have in common.
//
//	Sender     Send, Flush, Close ──► {SEND_MESSAGE}, …, {SEND_CLOSE} or {SEND_STATUS}
//	Receiver   Next               ──► {RECV_MESSAGE}, …, one ahead of the application
//	pump       SendFrom: Send, Send, …, Flush, each when the one before is resolved
//	walk       ForEach: Next, Next, …, each when the function is done with the one before
//
// A half is the tag of its own operations: a type for each, over the same struct. The
// poller that harvests an event runs it, and it resolves the future of the
// operation. An operation costs its future and nothing else.
//
// Concurrency: all methods may be called by any goroutine; Run of the tag types is
// called by the poller of the call's queue, one at a time. Sender.mu and
// Receiver.mu are never held over a batch, a future or a codec.
package half
