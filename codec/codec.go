package codec

// SizedCodec is a Codec that has less to do if Size was called just before.
type SizedCodec interface {
	Codec
	// AppendSized is Append for a v that has not changed since Size(v).
	AppendSized(dst []byte, v any) ([]byte, error)
}

// Reclaimer is a Codec that wants to know which values wait to be received into. There may be
// thousands of them, and each may still have the memory of a large message.
type Reclaimer interface {
	Codec
	// Reclaim is told of a v into which a message will be received, now or much later. Nobody needs
	// what is in it: it may be emptied, and its memory be used by the next Unmarshal, of any value.
	Reclaim(v any)
}

// Codec is one way to serialize messages. Implementations must be safe for
// concurrent use, and must not keep a slice they are given.
type Codec interface {
	// Name is the content-subtype, lower-case: "proto" is announced as
	// content-type application/grpc+proto (gRPC over HTTP/2, Content-Type).
	Name() string
	// Size returns how many bytes Append is expected to add at most, or 0 if
	// that is unknown. It is a hint for sizing buffers: neither value is an
	// error, and messages it cannot judge are reported by Append.
	Size(v any) int
	// Append appends the serialized v to dst and returns the extended slice. On
	// error it returns dst, whose bytes past its length may have changed.
	Append(dst []byte, v any) ([]byte, error)
	// Unmarshal replaces the contents of v, a pointer, by the message in data.
	// After an error v is in an unspecified state.
	Unmarshal(data []byte, v any) error
}
