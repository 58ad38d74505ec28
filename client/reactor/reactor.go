package reactor

import (
	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/internal/reaction"
)

// UnaryReactor reacts to the end of a call with one request and one response.
// Embed a [UnaryBase].
type UnaryReactor interface {
	// OnDone is the last reaction; the response is there if status is OK.
	OnDone(status cqrpc.Status)
	unaryBase() *UnaryBase
}

// ReadReactor reads the responses of a call with one request. Embed a [ReadBase].
type ReadReactor[Res any] interface {
	// OnReadDone: the message of StartRead is there, or with ok=false there is
	// none and no other will follow.
	OnReadDone(ok bool)
	// OnDone is the last reaction.
	OnDone(status cqrpc.Status)
	readBase() *ReadBase[Res]
}

// WriteReactor writes the requests of a call with one response. Embed a
// [WriteBase].
type WriteReactor[Req any] interface {
	// OnWriteDone: the message of StartWrite or StartWriteLast was sent, and
	// another may be; with ok=false the call is dead.
	OnWriteDone(ok bool)
	// OnWritesDoneDone is the end of StartWritesDone.
	OnWritesDoneDone(ok bool)
	// OnDone is the last reaction; the response is there if status is OK.
	OnDone(status cqrpc.Status)
	writeBase() *WriteBase[Req]
}

// BidiReactor writes requests and reads responses. Embed a [BidiBase].
type BidiReactor[Req, Res any] interface {
	// OnReadDone is as in ReadReactor.
	OnReadDone(ok bool)
	// OnWriteDone is as in WriteReactor.
	OnWriteDone(ok bool)
	// OnWritesDoneDone is the end of StartWritesDone.
	OnWritesDoneDone(ok bool)
	// OnDone is the last reaction.
	OnDone(status cqrpc.Status)
	bidiBase() *BidiBase[Req, Res]
}

// HeaderReactor is what a reactor of any kind may be in addition.
type HeaderReactor interface {
	// OnReadInitialMetadataDone: Header has the initial metadata of the
	// response; with ok=false it has none, and the call has ended. It runs once,
	// before the first OnReadDone.
	OnReadInitialMetadataDone(ok bool)
}

// UnaryBase makes a struct that embeds it a [UnaryReactor]. The zero value is
// ready for one call, as are those of the other bases.
type UnaryBase struct{ base }

func (b *UnaryBase) unaryBase() *UnaryBase { return b }

// ReadBase makes a struct that embeds it a [ReadReactor].
type ReadBase[Res any] struct{ base }

func (b *ReadBase[Res]) readBase() *ReadBase[Res] { return b }

// StartRead reads the next message into m, which belongs to the library until
// OnReadDone. One may be outstanding.
func (b *ReadBase[Res]) StartRead(m *Res) { b.startRead(m, m == nil) }

// WriteBase makes a struct that embeds it a [WriteReactor].
type WriteBase[Req any] struct{ writer[Req] }

func (b *WriteBase[Req]) writeBase() *WriteBase[Req] { return b }

// BidiBase makes a struct that embeds it a [BidiReactor].
type BidiBase[Req, Res any] struct{ writer[Req] }

func (b *BidiBase[Req, Res]) bidiBase() *BidiBase[Req, Res] { return b }

// StartRead reads the next message into m, which belongs to the library until
// OnReadDone. One may be outstanding.
func (b *BidiBase[Req, Res]) StartRead(m *Res) { b.startRead(m, m == nil) }

// writer is what the bases that write have in common.
type writer[Req any] struct{ base }

// StartWrite sends m; OnWriteDone tells when the next can be sent. One may be
// outstanding. m is marshalled, and may be reused, when StartWrite returns, or, if
// StartCall was not called yet, when that returns. The flags are those of
// [call.SendMessage].
func (w *writer[Req]) StartWrite(m *Req, flags ...call.Flags) {
	w.startWrite("StartWrite", &reaction.Op{Kind: reaction.Write, Value: m, Flags: call.Flags(0).With(flags...)})
}

// StartWriteBuffer is StartWrite of a message that was encoded before, see
// [call.Encode], with the codec of the call. It takes ownership of b, even if it fails:
// to send it on other calls as well, give each a b.Ref(). The buffer of a call that is
// never started is left to the garbage collector.
func (w *writer[Req]) StartWriteBuffer(b *call.Buffer, flags ...call.Flags) {
	if b == nil {
		w.misuse("StartWriteBuffer(nil)")
		return
	}
	w.startWrite("StartWriteBuffer", &reaction.Op{
		Kind: reaction.Write, Value: reaction.Encoded{Buffer: b}, Flags: call.Flags(0).With(flags...),
	})
}

// StartWriteLast is StartWrite and StartWritesDone in one, with OnWriteDone as
// its only reaction.
func (w *writer[Req]) StartWriteLast(m *Req, flags ...call.Flags) {
	w.startWrite("StartWriteLast", &reaction.Op{
		Kind: reaction.Write, Clash: reaction.Of(reaction.WritesDone), Bars: writes, Value: m,
		Flags: call.Flags(0).With(flags...),
	})
}

// StartWritesDone ends the requests. A write may be outstanding.
func (w *writer[Req]) StartWritesDone() { w.startWritesDone() }

// writes is what cannot be started after the last write.
const writes = reaction.Set(1<<reaction.Write | 1<<reaction.WritesDone)
