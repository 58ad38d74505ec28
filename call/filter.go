package call

import (
	"context"

	"github.com/cqrpc/cqrpc"
)

// Filter is what calls pass through at a channel (client.WithFilter) or a server
// (server.WithFilter): one function for every style and shape, where gRPC
// elsewhere has interceptors, stats handlers and credentials per call. It is
// called once for each call, when the call starts, and sets in start what else it
// wants to see of it.
//
// The context it returns is the call's from there on: later filters get it, and
// the contexts of handlers have its values, in every style. nil stands for the one
// it was given. A client's call also ends when that context does; a server's takes
// only the values.
//
// An error refuses the call with its [cqrpc.StatusOf], details included: on a server
// no handler runs, on a client nothing is sent, and later filters are not called.
//
// # Order
//
// The first filter of the options is the outermost: next to the caller on a
// client, next to the network on a server. Filters are called in this order and told
// the end in the reverse order. Requests pass them from the outside in, responses
// from the inside out.
//
// # Goroutines
//
// A filter is called with no lock held: on a client by whoever makes the call,
// before anything is sent; on a server where the handler is about to run, before
// the request is decoded:
//
//	sync      the handler's goroutine: it may wait, for a database as for a lock
//	reactor   the executor: it may wait unless the method is Inline
//	future    the poller of the call, which has decompressed the request: it must not wait
//	queue     the poller that harvests the request's tag, as for a batch-level
//	          RequestCall: it should not wait
//
// Like the codec, OnSend is called on the goroutine that sends, OnRecv on the one that
// harvests the message. OnEnd is called where the end is found out: on the goroutine that
// reads the connection, which may be one that waits for a call of its own, by a timer, or
// inside what ends a call, such as Cancel. It must not wait, and code that waits for calls
// or ends them should hold no lock that OnEnd wants.
//
// A panic in any of them ends the call with INTERNAL, if it has not ended, and is
// reported: on a server like a handler's, see server.WithPanicHandler; on a client to
// the logger of client.WithLogger, or to [slog.Default].
//
// # What filters do not see
//
// On a server, calls that never reach the application: of methods that nobody
// serves, refused by limits or as malformed, or ended before a handler or a
// request could take them. On a client, attempts: a call that is sent again is one call.
// Health and reflection are ordinary services: a filter that authenticates sees their
// calls, too, and must let probes in by their methods.
type Filter func(ctx context.Context, start *Start) (context.Context, error)

// Start is a call that starts. It is lent to a filter: what the filter sets is read
// when it returns.
type Start struct {
	// Method is the full name, "/pkg.Service/Method", Authority the host that the
	// client asks for.
	Method, Authority string
	// IsServer tells a server's call from a client's.
	IsServer bool
	// Peer is the client, on a server: its address, and with TLS the state of the
	// handshake with the client's certificates. A client's call has no connection
	// yet, and the zero Peer; see End.
	Peer Peer
	// Metadata is the request's: on a server to be read only. On a client it is
	// what will be sent, and a filter may append to it or replace it; an illegal
	// key or value ends the call with INTERNAL. At batch level it is only what
	// filters have added, to be sent after the metadata of the batch.
	Metadata cqrpc.Metadata

	// OnSend, if set, sees each message before the codec does: what the
	// application sends, a pointer in generated code, or a *Buffer if that was
	// encoded before. It must not change or keep it. An error ends the call with
	// its status, and the message is not sent.
	OnSend func(m any) error
	// OnRecv, if set, sees each message after the codec and before the
	// application, in the same form. It must not keep it. An error ends the call
	// with its status, and the application does not get the message. Messages
	// that came before the call failed may be read, and seen, after OnEnd.
	OnRecv func(m any) error
	// OnEnd, if set, is called once, however the call ends, even if it was never
	// sent or a filter, perhaps this one, has refused it. Operations that are
	// outstanding then complete after it.
	OnEnd func(End)
}

// End is how a call has ended.
type End struct {
	// Status is the call's. On a server it is the one sent, or why the call has
	// ended before that was out.
	Status cqrpc.Status
	// Peer is the other end; on a client the zero Peer if the call never had a
	// connection.
	Peer Peer
	// Sent are the messages that were accepted for sending, whether they got out or
	// not, Received those that the application has taken.
	Sent, Received Traffic
}

// Traffic counts the messages of one direction.
type Traffic struct {
	Messages uint64
	// Bytes is how many the messages have, encoded and not compressed.
	Bytes uint64
}

func (t *Traffic) add(bytes int) {
	t.Messages++
	t.Bytes += uint64(bytes)
}
