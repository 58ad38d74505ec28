package codec

import (
	"errors"
	"fmt"
	"strings"
)

// Compressor is one message encoding (gRPC over HTTP/2, Message-Encoding). It
// works on whole messages: nothing is carried from one to the next.
// Implementations must be safe for concurrent use, and must not keep a slice
// they are given. dst and src must not overlap.
type Compressor interface {
	// Name is the value of grpc-encoding: lower-case, [0-9a-z_.-].
	Name() string
	// Compress appends the compressed src to dst and returns the extended
	// slice. On error it returns dst, whose bytes past its length may have
	// changed.
	Compress(dst, src []byte) ([]byte, error)
	// Decompress appends the inflated src to dst and returns the extended
	// slice. It fails with ErrTooLarge as soon as it has inflated more than max
	// bytes, not after inflating all; a negative max means no limit. On error
	// it returns dst, like Compress.
	Decompress(dst, src []byte, max int) ([]byte, error)
}

// Sizer is a Compressor whose compressed messages say how large they are, so that
// memory for one need not be grown step by step.
type Sizer interface {
	// DecompressedSize returns how many bytes src claims to inflate to, negative if it
	// does not say. src comes from a peer: the claim may be wrong.
	DecompressedSize(src []byte) int
}

// ErrTooLarge is wrapped by the error of a Decompress that passed its limit.
var ErrTooLarge = errors.New("inflated message exceeds the limit")

func errTooLarge(max int) error { return fmt.Errorf("%w of %d bytes", ErrTooLarge, max) }

// identityName is the encoding that everyone accepts, spoken or not.
const identityName = "identity"

// Identity returns the compressor that copies.
func Identity() Compressor { return identity{} }

type identity struct{}

func (identity) Name() string { return identityName }

func (identity) Compress(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }

func (identity) Decompress(dst, src []byte, max int) ([]byte, error) {
	if max >= 0 && len(src) > max {
		return dst, errTooLarge(max)
	}
	return append(dst, src...), nil
}

// Compressors is an immutable set of compressors by name. Identity is always
// in it, so the nil pointer and the zero value are sets of just that. Its
// methods may be called concurrently.
type Compressors struct {
	list   []Compressor // without identity; a handful, so scanning beats a map
	accept string       // "" in the zero value
}

// NewCompressors returns the set of cs. Of two with one name the later wins,
// which is how to replace a default; Identity cannot be replaced. A name that
// is no legal grpc-encoding is a mistake in the compressor's code, and panics.
func NewCompressors(cs ...Compressor) *Compressors {
	s := &Compressors{}
	for _, c := range cs {
		if !isEncodingName(c.Name()) {
			panic(fmt.Sprintf("codec.NewCompressors: illegal name %q of %T", c.Name(), c))
		}
		if c.Name() != identityName {
			s.put(c)
		}
	}
	names := []string{identityName}
	for _, c := range s.list {
		names = append(names, c.Name())
	}
	s.accept = strings.Join(names, ",")
	return s
}

// defaultCompressors is shared, which its immutability allows.
var defaultCompressors = NewCompressors(Gzip())

// DefaultCompressors returns the set of identity and gzip. It does not
// allocate, so it may be asked for per call.
func DefaultCompressors() *Compressors { return defaultCompressors }

func (s *Compressors) put(c Compressor) {
	for i := range s.list {
		if s.list[i].Name() == c.Name() {
			s.list[i] = c
			return
		}
	}
	s.list = append(s.list, c)
}

// Lookup returns the compressor for a grpc-encoding value. An absent field
// means "identity"; the empty name is in no set.
func (s *Compressors) Lookup(name string) (Compressor, bool) {
	if name == identityName {
		return identity{}, true
	}
	if s == nil {
		return nil, false
	}
	for _, c := range s.list {
		if c.Name() == name {
			return c, true
		}
	}
	return nil, false
}

// AcceptEncoding returns the value of grpc-accept-encoding, "identity" and then
// the names in the order they were given: "identity,gzip".
func (s *Compressors) AcceptEncoding() string {
	if s == nil || s.accept == "" {
		return identityName
	}
	return s.accept
}

// isEncodingName holds the alphabet of header keys: a comma or a space in a
// name would make grpc-accept-encoding ambiguous.
func isEncodingName(name string) bool {
	return name != "" && strings.Trim(name, "0123456789abcdefghijklmnopqrstuvwxyz_.-") == ""
}
