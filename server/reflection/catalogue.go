package reflection

import (
	"slices"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/cqrpc/cqrpc/internal/lasting"
)

// catalogue is what can be described, which is immutable but for the shelf, and the streams that ask.
type catalogue struct {
	services   func() []string
	files      protodesc.Resolver
	extensions Extensions
	own        *protoregistry.Files // asked when files does not know
	shelf      shelf
	sessions   lasting.Calls
}

func newCatalogue(services func() []string, opts []Option) *catalogue {
	c := &catalogue{
		services: services, files: protoregistry.GlobalFiles, extensions: protoregistry.GlobalTypes, own: ownFiles(),
	}
	for _, o := range opts {
		o.apply(c)
	}
	return c
}

// fileByPath finds a file, nil if there is none.
func (c *catalogue) fileByPath(path string) protoreflect.FileDescriptor {
	for _, r := range [...]protodesc.Resolver{c.files, c.own} {
		if f, err := r.FindFileByPath(path); err == nil && !f.IsPlaceholder() {
			return f
		}
	}
	return nil
}

// descriptor finds what has a full name, nil if nothing has.
func (c *catalogue) descriptor(name string) protoreflect.Descriptor {
	for _, r := range [...]protodesc.Resolver{c.files, c.own} {
		if d, err := r.FindDescriptorByName(protoreflect.FullName(name)); err == nil && !d.IsPlaceholder() {
			return d
		}
	}
	return nil
}

// fileOfSymbol finds the file that declares a full name, nil if there is none.
func (c *catalogue) fileOfSymbol(name string) protoreflect.FileDescriptor {
	if d := c.descriptor(name); d != nil {
		return d.ParentFile()
	}
	return nil
}

// fileOfExtension finds the file that declares an extension, nil if there is none.
func (c *catalogue) fileOfExtension(message string, number int32) protoreflect.FileDescriptor {
	x, err := c.extensions.FindExtensionByNumber(protoreflect.FullName(message), protoreflect.FieldNumber(number))
	if err != nil {
		return nil
	}
	return x.TypeDescriptor().ParentFile()
}

// extensionNumbers lists the extensions of a message, sorted. It reports false if there
// is no such message.
func (c *catalogue) extensionNumbers(message string) (numbers []int32, ok bool) {
	c.extensions.RangeExtensionsByMessage(protoreflect.FullName(message), func(x protoreflect.ExtensionType) bool {
		numbers = append(numbers, int32(x.TypeDescriptor().Number()))
		return true
	})
	if len(numbers) == 0 {
		_, ok := c.descriptor(message).(protoreflect.MessageDescriptor)
		return nil, ok
	}
	slices.Sort(numbers)
	return numbers, true
}
