package call

import (
	"fmt"
	"math/bits"

	"github.com/cqrpc/cqrpc"
)

// OpKind is the kind of an operation, numbered as in C-core.
type OpKind uint8

// The eight kinds. A call has at most one outstanding operation of each.
const (
	SendInitialMetadataOp OpKind = iota
	SendMessageOp
	SendCloseOp  // client: half-close
	SendStatusOp // server
	RecvInitialMetadataOp
	RecvMessageOp
	RecvStatusOp // client
	RecvCloseOp  // server
	numOpKinds
)

var opNames = [numOpKinds]string{
	"SEND_INITIAL_METADATA", "SEND_MESSAGE", "SEND_CLOSE", "SEND_STATUS",
	"RECV_INITIAL_METADATA", "RECV_MESSAGE", "RECV_STATUS", "RECV_CLOSE",
}

// String returns C-core's name, "SEND_MESSAGE".
func (k OpKind) String() string {
	if k < numOpKinds {
		return opNames[k]
	}
	return fmt.Sprintf("OpKind(%d)", uint8(k))
}

// Flags modify one operation; the numbers are C-core's.
type Flags uint32

const (
	// BufferHint (SendMessage): more is coming. Complete as soon as all messages
	// that are not framed yet fit 64 KiB, each counted with 128 bytes more: usually
	// at once and before a byte is sent, but on a client not before the headers are
	// framed. Nothing is held back: the next write takes what has gathered.
	BufferHint Flags = 0x1
	// NoCompress (SendMessage): send this message as it is.
	NoCompress Flags = 0x2
	// WriteThrough (SendMessage, SendInitialMetadata): complete after the
	// write. Accepted, without effect: sends always complete after the write.
	WriteThrough Flags = 0x4
	// WaitForReady (SendInitialMetadata, client): wait for a connection instead
	// of failing while there is none.
	WaitForReady Flags = 0x20
	// WaitForReadySet (SendInitialMetadata, client): the WaitForReady bit, set or
	// not, wins over Config.WaitForReady.
	WaitForReadySet Flags = 0x80
)

// With returns f with flags added.
func (f Flags) With(flags ...Flags) Flags {
	for _, more := range flags {
		f |= more
	}
	return f
}

// legalFlags are the flags each kind may have.
var legalFlags = [numOpKinds]Flags{
	SendInitialMetadataOp: WaitForReady | WaitForReadySet | WriteThrough,
	SendMessageOp:         BufferHint | NoCompress | WriteThrough,
}

// Op is one operation of a batch, made by the constructors below. The zero Op
// is SendInitialMetadata without metadata.
type Op struct {
	kind     OpKind
	flags    Flags
	md       cqrpc.Metadata // sends
	buffer   *Buffer        // SendMessage
	value    any            // SendValue, RecvValue
	isValue  bool
	isNext   bool         // RecvNext
	status   cqrpc.Status // SendStatus
	intoMD   *cqrpc.Metadata
	intoMsg  **Buffer
	intoStat *cqrpc.Status
	intoFlag *bool
}

// SendInitialMetadata starts the call (client) or the response (server). It
// completes when the header block was framed; on a client a connection has to be found
// first. False: the call ended first. Once per call. md must not be changed before the
// batch completes.
func SendInitialMetadata(md cqrpc.Metadata) Op { return Op{kind: SendInitialMetadataOp, md: md} }

// SendMessage sends one message and takes ownership of b when the batch is
// accepted. It completes when flow control has accepted all of it and it was
// written; one may be outstanding. It waits for SendInitialMetadata. False: the
// call or this direction ended first.
func SendMessage(b *Buffer) Op { return Op{kind: SendMessageOp, buffer: b} }

// SendValue is SendMessage of v marshalled by the call's codec, inside
// StartBatch and on the caller's goroutine: v is free for reuse when StartBatch
// returns. A value that cannot be marshalled rejects the batch.
func SendValue(v any) Op { return Op{kind: SendMessageOp, value: v, isValue: true} }

// SendClose ends the client's messages. It completes when END_STREAM was
// framed. It is true even if the call had ended before it was started, and false if
// the call ended, other than by the server's status, while it was outstanding.
// Once per call, client only.
func SendClose() Op { return Op{kind: SendCloseOp} }

// SendStatus ends the call with st, OK or not, and trailing metadata. It
// completes when the trailers were framed; false: the call ended first. A
// SendMessage may be outstanding: the status follows it. An outstanding RecvMessage
// then ends without a message. Without initial metadata and messages, the response
// is one header block (gRPC over HTTP/2, Trailers-Only). Once per call, server only.
func SendStatus(st cqrpc.Status, trailing cqrpc.Metadata) Op {
	return Op{kind: SendStatusOp, status: st, md: trailing}
}

// RecvInitialMetadata sets *md, if md is not nil, to the response's initial
// metadata. It completes when the header block or the stream's end arrived,
// then true with empty metadata; false if there never was a stream. Once per
// call, client only; a server's is [Call.RequestMetadata].
func RecvInitialMetadata(md *cqrpc.Metadata) Op { return Op{kind: RecvInitialMetadataOp, intoMD: md} }

// RecvMessage sets *b to the next message, which the caller then owns and
// frees, or to nil: no more messages. With nil it completes true if the peer
// ended its messages in order, else false with Event.Err saying why. One may be
// outstanding.
func RecvMessage(b **Buffer) Op { return Op{kind: RecvMessageOp, intoMsg: b} }

// RecvValue is RecvMessage unmarshalled into v by the call's codec while the
// event is harvested. *got, if got is not nil, tells a message from the end of
// messages. Until then v is the call's, and may be emptied, see [codec.Reclaimer].
func RecvValue(v any, got *bool) Op {
	return Op{kind: RecvMessageOp, value: v, isValue: true, intoFlag: got}
}

// RecvNext is RecvValue for callers that take the end of the messages for a failure:
// there it completes false, with ErrEnded if they ended in order.
func RecvNext(v any) Op { return Op{kind: RecvMessageOp, value: v, isValue: true, isNext: true} }

// RecvStatus sets *st and *trailing, where not nil, to how the call ended. Its
// batch never reports false. A status of OK does not complete before every
// message was taken by RecvMessage; any other completes at once, and messages
// that arrived before it stay readable. Once per call, client only.
func RecvStatus(st *cqrpc.Status, trailing *cqrpc.Metadata) Op {
	return Op{kind: RecvStatusOp, intoStat: st, intoMD: trailing}
}

// RecvClose completes when the call is over. It sets *cancelled, if not nil, to
// false if the application's status was framed before anything else ended the
// call, else to true. Its batch never reports false. The client's half-close is no
// such end: RecvMessage tells it. Once per call, server only.
func RecvClose(cancelled *bool) Op { return Op{kind: RecvCloseOp, intoFlag: cancelled} }

// With returns the operation with flags added.
func (o Op) With(flags ...Flags) Op {
	o.flags = o.flags.With(flags...)
	return o
}

// Kind returns the operation's kind.
func (o Op) Kind() OpKind { return o.kind }

// slotOf is where the batch of a kind is kept while it is outstanding. Kinds of
// different sides share a place.
var slotOf = [numOpKinds]uint8{
	SendInitialMetadataOp: 0, SendMessageOp: 1, SendCloseOp: 2, SendStatusOp: 2,
	RecvInitialMetadataOp: 3, RecvMessageOp: 4, RecvStatusOp: 5, RecvCloseOp: 3,
}

const numSlots = 6

// opSet is a set of kinds.
type opSet uint8

const (
	clientOnly = opSet(1<<SendCloseOp | 1<<RecvInitialMetadataOp | 1<<RecvStatusOp)
	serverOnly = opSet(1<<SendStatusOp | 1<<RecvCloseOp)
	// onceOps are all but the messages.
	onceOps = ^opSet(1<<SendMessageOp | 1<<RecvMessageOp)
	// finalOps make their batch report true whatever happened.
	finalOps = opSet(1<<RecvStatusOp | 1<<RecvCloseOp)
)

func (s opSet) has(k OpKind) bool { return s&(1<<k) != 0 }

// first returns the lowest kind of a set that is not empty.
func (s opSet) first() OpKind { return OpKind(bits.TrailingZeros8(uint8(s))) }
