package call

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/internal/quota"
)

// Config is what a channel or a server makes a call of. The zero value of every field but Method
// is usable; NewServer takes Method, Authority and Deadline from the request.
type Config struct {
	// Completer is where StartBatch completes; see also StartBatchOn.
	Completer cq.Completer
	// Method is the full name, "/pkg.Service/Method".
	Method string
	// Authority is sent as :authority.
	Authority string
	// Deadline ends the call with DEADLINE_EXCEEDED. Zero: none.
	Deadline time.Time
	// Parent, if not nil, is the call on whose behalf this client call is made;
	// Propagate says what it passes on.
	Parent    *Call
	Propagate Propagation
	// OneMessage says that the peer's side of the method is not a stream: a
	// second message ends the call with UNIMPLEMENTED, and so does, on a client,
	// an OK without any (gRPC statuscodes.md, cardinality violations). On a server
	// RecvMessage therefore completes only when the client has half-closed.
	OneMessage bool
	// Retry, if not nil, is the policy by which a client's call is sent again when it
	// fails; one that is not valid ends the call with INTERNAL. It must not change.
	Retry *RetryPolicy
	// WaitForReady is the default for SendInitialMetadata without WaitForReadySet.
	WaitForReady bool
	// Settings is what the call shares with others; nil: the defaults of NewSettings.
	Settings *Settings
	// Account is charged on a server for messages that nobody has taken; nil: none is.
	Account *quota.Account
	// Room is for the Opener, see [Call.Room].
	Room any

	passage *passage // of Filter
}

// Call is one RPC, client or server side: client.Channel.NewCall makes one, and a request
// for a call gets one (server.IncomingCall). All methods may be called concurrently, in any
// state of the call.
//
//	to do something     StartBatch, StartBatchOn, SetCompressor
//	to end it           Cancel, CancelWithStatus, Close
//	what it is          Method, Authority, Scheme, Deadline, Peer, IsServer, Codec, ContentSubtype, Value
//	what has come       RequestMetadata, HasInitialMetadata, InitialMetadata, TrailingMetadata
//	how it ended        Finished, Err, Cancelled
//	for styles          Await, Watch, CancelFor, OnEnd, StopReceiving, Admit, Decode
//	for a channel       Bind, Fail, Receiver, Room, WaitsForReady
//	for a server        Receiver, Start, BindCompleter
type Call struct {
	// immutable
	request *request    // nil on a client
	caller  *clientSide // nil on a server
	clock   *clock      // nil: no deadline
	first   Attempt

	mu sync.Mutex

	// guarded by mu
	completer cq.Completer
	coding    *coding // nil: messages go as they are, both ways
	stream    Stream  // nil while none is bound
	family    *family
	passage   *passage     // nil without filters; immutable once the application has the call
	watcher   cq.Completer // see OnEnd

	slots [numSlots]*batch
	busy  opSet // outstanding, or being started
	used  opSet // ever started; bars onceOps

	phase        phase
	open         openState
	hadStream    bool // a stream was bound, or, on a server, given
	closed       bool // Close was called
	waitForReady bool
	statusTaken  bool // RecvStatus was harvested: the status is final

	send sendSide
	recv recvSide
	end  *verdict // immutable once the call is over; until then &undecided, or what a page is read for
}

// shared returns the settings, which the call shares with others.
func (c *Call) shared() *Settings {
	if c.caller == nil {
		return c.request.settings
	}
	return c.caller.settings
}

func (c *Call) isServer() bool { return c.caller == nil }

// noAccount is that of calls which nobody counts.
var noAccount quota.Account

// account is what is charged for messages that nobody has taken.
func (c *Call) account() *quota.Account {
	if c.request == nil || c.request.account == nil {
		return &noAccount
	}
	return c.request.account
}

// attemptLocked is what the current stream reports to. Only clients have more
// than one.
func (c *Call) attemptLocked() *Attempt {
	if c.caller == nil {
		return &c.first
	}
	return c.caller.attempt
}

// Method returns the full name, "/pkg.Service/Method".
func (c *Call) Method() string {
	if c.request != nil {
		return c.request.method
	}
	return c.caller.method
}

// Authority returns the :authority of the request, or its host.
func (c *Call) Authority() string {
	if c.request != nil {
		return c.request.authority
	}
	return c.caller.authority
}

// Scheme returns the :scheme of the request.
func (c *Call) Scheme() string {
	if c.request != nil {
		return c.request.scheme
	}
	return c.shared().Scheme
}

// Codec returns what marshals the call's values.
func (c *Call) Codec() codec.Codec { return c.shared().Codec }

// Deadline returns when the call ends by itself, and whether it does.
func (c *Call) Deadline() (time.Time, bool) {
	if c.clock == nil {
		return time.Time{}, false
	}
	return c.clock.deadline, true
}

// IsServer tells a server call from a client call.
func (c *Call) IsServer() bool { return c.isServer() }

// RequestMetadata returns the custom metadata of a server call's request, to
// be read only; nil on a client.
func (c *Call) RequestMetadata() cqrpc.Metadata {
	if c.request == nil {
		return nil
	}
	return c.request.md
}

// InitialMetadata returns the custom metadata of the response's headers, to be
// read only; nil while a client call has none, and on a server.
func (c *Call) InitialMetadata() cqrpc.Metadata {
	if c.caller == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.caller.initial
}

// HasInitialMetadata reports whether the response's headers have arrived, with
// metadata or without. It stays false if the response is Trailers-Only.
func (c *Call) HasInitialMetadata() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.recv.answered
}

// TrailingMetadata returns the custom metadata of the server's status, to be
// read only; nil until the call is over, and on a server.
func (c *Call) TrailingMetadata() cqrpc.Metadata {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase != over {
		return nil
	}
	return c.end.trailing
}

// ContentSubtype returns what follows "application/grpc+" in the request's
// content-type, "" if nothing does; on a client the codec's name.
func (c *Call) ContentSubtype() string {
	if c.request == nil {
		return c.shared().Codec.Name()
	}
	return c.request.subtype
}

// Peer returns the other end; the zero Peer while a client call has none.
func (c *Call) Peer() Peer {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.peerLocked()
}

func (c *Call) peerLocked() Peer {
	var p *Peer
	if c.caller != nil {
		p = c.caller.peer
	} else {
		p = c.request.peer
	}
	if p == nil {
		return Peer{}
	}
	return *p
}

// Finished reports whether the call is over: nothing more will be sent, and only
// messages that have already arrived can still be received.
func (c *Call) Finished() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase == over
}

// Cancelled reports whether the call is over and not by a status that crossed the
// wire: what RecvClose tells a server.
func (c *Call) Cancelled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.phase == over && c.end.how != byStatus
}

// WaitsForReady reports whether the call is to wait for a connection rather
// than fail while there is none. For the Opener, meaningful from Open on.
func (c *Call) WaitsForReady() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waitForReady
}

// Room returns the Room of a client call's Config, where an Opener may keep, for
// example, the memory of the call's first stream; nil on a server.
func (c *Call) Room() any {
	if c.caller == nil {
		return nil
	}
	return c.caller.room
}

// Receiver returns what the stream of the current attempt reports to. An
// Opener asks for it anew in every Open.
func (c *Call) Receiver() *Attempt {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.attemptLocked()
}

// BindCompleter sets where StartBatch completes: a server call gets its queue
// only when it is matched to a request for a call. It implies Start.
func (c *Call) BindCompleter(q cq.Completer) {
	c.mu.Lock()
	c.completer = q
	c.armLocked()
	c.mu.Unlock()
}

// Cancel ends the call with CANCELLED, on both sides. A call that is over stays
// as it is.
func (c *Call) Cancel() { c.CancelWithStatus(cqrpc.CodeCanceled, "CANCELLED") }

// CancelWithStatus ends the call with a status of the caller's choice, unless it is
// over. A client's status is local: the server sees a cancellation. A server's is sent
// as trailers if none were sent before and no message is still being sent. CodeOK is
// replaced by CodeUnknown.
func (c *Call) CancelWithStatus(code cqrpc.Code, msg string) {
	if code == cqrpc.CodeOK {
		code = cqrpc.CodeUnknown
	}
	c.abandon(cqrpc.Status{Code: code, Message: msg}, nil)
}

// OnEnd tells watcher when the call is over, or at once if it is: its Complete is called
// once, without Begin, and OK says that the call was not cancelled, as for RecvClose.
// There is one watcher: a second call of OnEnd replaces one that has not been told. For
// styles.
func (c *Call) OnEnd(watcher cq.Completer) {
	c.mu.Lock()
	isOver := c.phase == over
	if !isOver {
		c.watcher = watcher
	}
	end := c.end
	c.mu.Unlock()
	if isOver {
		watcher.Complete(cq.Completion{OK: end.how == byStatus})
	}
}

// Close cancels the call if it is not over, and frees messages that arrived and
// were not taken. It may be called again. Batches already started complete.
func (c *Call) Close() {
	c.Cancel()
	c.mu.Lock()
	var a after
	c.closed = true
	c.discardLocked(&a)
	c.mu.Unlock()
	a.perform(c)
}

// Err returns why the call failed: an *cqrpc.Error with code, origin and cause.
// It is nil while the call runs and if it ended OK.
func (c *Call) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.phase == running || c.end.status.Code == cqrpc.CodeOK {
		return nil
	}
	return c.end.err()
}

// abandon ends the call by a decision of this side.
func (c *Call) abandon(st cqrpc.Status, cause error) {
	v := verdict{how: byAbandon, status: st, origin: cqrpc.OriginLocal, cause: cause}
	c.conclude(v)
}

// String is one line for humans; it shows no metadata.
func (c *Call) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	side := "client"
	if c.isServer() {
		side = "server"
	}
	fmt.Fprintf(&b, "%s call %s %v", side, c.Method(), c.phase)
	if c.phase != running {
		fmt.Fprintf(&b, " (%v)", c.end.status)
	}
	fmt.Fprintf(&b, " send=%v recv=%v peer=%v", c.send.state, c.recv.state, c.peerLocked())
	for k := range numOpKinds {
		if c.slotLocked(k) != nil {
			fmt.Fprintf(&b, " +%v", k)
		}
	}
	return b.String()
}
