package reflection

import (
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// Option configures the service.
type Option interface{ apply(*catalogue) }

type optionFunc func(*catalogue)

func (f optionFunc) apply(c *catalogue) { f(c) }

// Extensions is where extensions of messages are looked up, such as
// [protoregistry.GlobalTypes].
type Extensions interface {
	FindExtensionByNumber(
		message protoreflect.FullName, field protoreflect.FieldNumber,
	) (protoreflect.ExtensionType, error)
	RangeExtensionsByMessage(message protoreflect.FullName, f func(protoreflect.ExtensionType) bool)
}

// WithFiles looks files and names up in r, which must be safe for concurrent use: for a
// server whose messages are not generated code, or to show less than all of it. Default,
// and nil: [protoregistry.GlobalFiles]. What r does not know of grpc.health.v1 and
// grpc.reflection is described all the same.
func WithFiles(r protodesc.Resolver) Option {
	return optionFunc(func(c *catalogue) {
		if c.files = r; r == nil {
			c.files = protoregistry.GlobalFiles
		}
	})
}

// WithExtensions looks extensions up in r, which must be safe for concurrent use. Default,
// and nil: [protoregistry.GlobalTypes].
func WithExtensions(r Extensions) Option {
	return optionFunc(func(c *catalogue) {
		if c.extensions = r; r == nil {
			c.extensions = protoregistry.GlobalTypes
		}
	})
}
