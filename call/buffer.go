package call

import (
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/internal/mem"
)

// Buffer is a reference-counted message, encoded. Each reference has one owner at
// a time: SendMessage passes one to the call, RecvMessage gives one to the
// application, and the last Free returns the memory to where it can be used again.
//
//	b.Bytes()  the message, valid until the owner's Free; to be read only
//	b.Len()    how many bytes that is
//	b.Ref()    adds a reference, for another owner, and returns b
//	b.Free()   gives a reference up, once; of a nil *Buffer it does nothing
//
// These may be called concurrently, each on behalf of an owner. Using a reference
// after it was freed or passed on is a mistake; Free and Ref panic if they notice.
// The other methods are for the library, and for a sole owner.
//
// To send one message to many calls, make it with [Encode], pass b.Ref() to each
// SendMessage, WriteBuffer, StartWriteBuffer or SendBuffer, and Free your own when
// all were started. A shared buffer must not be changed, and none of these changes
// it: a call that compresses makes bytes of its own, unless told not to by [NoCompress].
type Buffer = mem.Buffer

// NewBuffer returns a buffer over b, which it now owns.
func NewBuffer(b []byte) *Buffer { return mem.Wrap(b) }

// CopyBuffer returns a buffer holding a copy of b.
func CopyBuffer(b []byte) *Buffer { return mem.Copy(b) }

// Encode returns v marshalled by k, to be sent on any number of calls whose
// [Call.Codec] has k's name; that is [codec.Proto] by default. The caller owns the
// buffer, and may reuse v. The error is k's.
func Encode(k codec.Codec, v any) (*Buffer, error) {
	b := mem.Get(max(k.Size(v), 0))
	isEncoded := false
	defer func() {
		if !isEncoded { // the codec failed or panicked
			b.Free()
		}
	}()
	var data []byte
	var err error
	if sized, ok := k.(codec.SizedCodec); ok {
		data, err = sized.AppendSized(b.Bytes()[:0], v)
	} else {
		data, err = k.Append(b.Bytes()[:0], v)
	}
	if err != nil {
		return nil, err
	}
	b.Adopt(data)
	isEncoded = true
	return b, nil
}
