package reactor

import (
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/internal/reaction"
)

// Reactions are those that all reactors have.
type Reactions interface {
	// OnSendInitialMetadataDone is the end of StartSendInitialMetadata; with
	// ok=false the call is dead.
	OnSendInitialMetadataDone(ok bool)
	// OnCancel: the call has ended without the status of Finish: the client
	// cancelled it or is gone, its deadline passed, or TryCancel. It runs at most
	// once. If the reactor has not called Finish, the library finishes it as soon
	// as OnCancel has returned and nothing is outstanding.
	OnCancel()
	// OnDone is the last reaction, once: the library does not use the reactor any more.
	OnDone()
}

// UnaryReactor ends a call with one request and one response. Embed a
// [UnaryBase], or take the library's: [Context.DefaultReactor].
type UnaryReactor interface {
	Reactions
	unaryBase() *UnaryBase
}

// ReadReactor reads the requests of a call with one response. Embed a [ReadBase].
type ReadReactor[Req any] interface {
	Reactions
	// OnReadDone: the message of StartRead is there, or with ok=false there is
	// none and no other will follow: the client has sent all, or the call is dead.
	OnReadDone(ok bool)
	readBase() *ReadBase[Req]
}

// WriteReactor writes the responses of a call with one request. Embed a
// [WriteBase].
type WriteReactor[Res any] interface {
	Reactions
	// OnWriteDone: the message of StartWrite or StartWriteLast was sent, and
	// another may be; with ok=false the call is dead.
	OnWriteDone(ok bool)
	writeBase() *WriteBase[Res]
}

// BidiReactor reads requests and writes responses. Embed a [BidiBase].
type BidiReactor[Req, Res any] interface {
	Reactions
	// OnReadDone is as in ReadReactor.
	OnReadDone(ok bool)
	// OnWriteDone is as in WriteReactor.
	OnWriteDone(ok bool)
	bidiBase() *BidiBase[Req, Res]
}

// UnaryBase makes a struct that embeds it a [UnaryReactor]. The zero value is
// ready for one call, as are those of the other bases.
type UnaryBase struct{ base }

func (b *UnaryBase) unaryBase() *UnaryBase { return b }

// ReadBase makes a struct that embeds it a [ReadReactor].
type ReadBase[Req any] struct{ base }

func (b *ReadBase[Req]) readBase() *ReadBase[Req] { return b }

// StartRead reads the next message into m, which belongs to the library until
// OnReadDone. One may be outstanding.
func (b *ReadBase[Req]) StartRead(m *Req) { b.startRead(m, m == nil) }

// WriteBase makes a struct that embeds it a [WriteReactor].
type WriteBase[Res any] struct{ writer[Res] }

func (b *WriteBase[Res]) writeBase() *WriteBase[Res] { return b }

// BidiBase makes a struct that embeds it a [BidiReactor].
type BidiBase[Req, Res any] struct{ writer[Res] }

func (b *BidiBase[Req, Res]) bidiBase() *BidiBase[Req, Res] { return b }

// StartRead reads the next message into m, which belongs to the library until
// OnReadDone. One may be outstanding.
func (b *BidiBase[Req, Res]) StartRead(m *Req) { b.startRead(m, m == nil) }

// writer is what the bases that write have in common.
type writer[Res any] struct{ base }

// StartWrite sends m, and the initial metadata before the first; OnWriteDone tells
// when the next can be sent. One may be outstanding. m is marshalled before StartWrite
// returns or, if the handler has not returned the reactor yet, when it has. m may be
// reused from OnWriteDone on, at the latest. The flags are those of [call.SendMessage].
func (w *writer[Res]) StartWrite(m *Res, flags ...call.Flags) {
	w.startWrite("StartWrite", &reaction.Op{Kind: reaction.Write, Value: m, Flags: call.Flags(0).With(flags...)})
}

// StartWriteBuffer is StartWrite of a message that was encoded before, see
// [call.Encode], with the codec of the call. It takes ownership of b, even if it fails:
// to send it on other calls as well, give each a b.Ref(). The buffer of a reactor that
// no call ever gets is left to the garbage collector.
func (w *writer[Res]) StartWriteBuffer(b *call.Buffer, flags ...call.Flags) {
	if b == nil {
		w.misuse("StartWriteBuffer(nil)")
		return
	}
	w.startWrite("StartWriteBuffer", &reaction.Op{
		Kind: reaction.Write, Value: reaction.Encoded{Buffer: b}, Flags: call.Flags(0).With(flags...),
	})
}

// StartWriteLast is StartWrite of the last message: only Finish may follow. Unlike in
// C++ the message is not held back until then.
func (w *writer[Res]) StartWriteLast(m *Res, flags ...call.Flags) {
	w.startWrite("StartWriteLast", &reaction.Op{
		Kind: reaction.Write, Bars: reaction.Of(reaction.Write), Value: m, Flags: call.Flags(0).With(flags...),
	})
}

// StartWriteAndFinish sends m and the status together. It counts as Finish, and
// OnDone is its only reaction; no write may be outstanding. m is sent even if the
// status is not OK.
func (w *writer[Res]) StartWriteAndFinish(m *Res, st cqrpc.Status, flags ...call.Flags) {
	w.finishWith("StartWriteAndFinish", &reaction.Op{
		Kind: reaction.Final, Clash: reaction.Of(reaction.Write), Bars: reaction.All,
		Value: m, Flags: call.Flags(0).With(flags...), Status: boxed(st),
	})
}

// boxed keeps a status that says more than OK.
func boxed(st cqrpc.Status) *cqrpc.Status {
	if st.Code == cqrpc.CodeOK && st.Message == "" && len(st.Details) == 0 {
		return nil
	}
	kept := st // only now does it go to the heap
	return &kept
}
