package reflection

import (
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// maxShelf bounds what a shelf keeps, in bytes: a resolver may have any number of files.
const maxShelf = 8 << 20

// shelf keeps files as they are sent. To encode one takes a thousand times as long as to ask for it,
// which any client may do as often as it likes. The zero value is ready.
type shelf struct {
	mu sync.Mutex

	// guarded by mu
	files map[string]encodedFile // by path
	size  int                    // bytes of all
}

type encodedFile struct {
	of    protoreflect.FileDescriptor // a resolver may have another by the same path next time
	bytes []byte                      // not to be changed
}

// encode returns f as a FileDescriptorProto, to be read only.
func (s *shelf) encode(f protoreflect.FileDescriptor) ([]byte, error) {
	path := f.Path()
	s.mu.Lock()
	known := s.files[path]
	s.mu.Unlock()
	if known.of == f {
		return known.bytes, nil
	}
	b, err := proto.Marshal(protodesc.ToFileDescriptorProto(f))
	if err == nil {
		s.put(path, encodedFile{f, b})
	}
	return b, err
}

// put keeps a file, and nothing else if there would be too much.
func (s *shelf) put(path string, e encodedFile) {
	if len(e.bytes) > maxShelf {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size += len(e.bytes) - len(s.files[path].bytes)
	if s.files == nil || s.size > maxShelf {
		s.files, s.size = make(map[string]encodedFile), len(e.bytes)
	}
	s.files[path] = e
}
