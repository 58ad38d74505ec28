package reflection

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// file is one that imports nothing, with a message of that name.
func file(t *testing.T, path, message string) protoreflect.FileDescriptor {
	t.Helper()
	f, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: &path, MessageType: []*descriptorpb.DescriptorProto{{Name: &message}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// wantFile encodes f, and wants it to be what it is.
func (s *shelf) wantFile(t *testing.T, f protoreflect.FileDescriptor) []byte {
	t.Helper()
	b, err := s.encode(f)
	if err != nil {
		t.Fatal(err)
	}
	var got descriptorpb.FileDescriptorProto
	if err := proto.Unmarshal(b, &got); err != nil || !proto.Equal(&got, protodesc.ToFileDescriptorProto(f)) {
		t.Errorf("%v, %v; want %v", &got, err, f)
	}
	return b
}

// A file is encoded once, however often and on however many streams it is asked for.
func TestFilesAreEncodedOnce(t *testing.T) {
	c := newCatalogue(nil, nil)
	f := file(t, "a.proto", "A")
	var first []byte
	for range 3 {
		x := &session{catalogue: c, sent: make(map[string]bool)}
		files, err := x.encode(f)
		if err != nil || len(files) != 1 {
			t.Fatalf("%d files, %v", len(files), err)
		}
		if first == nil {
			first = files[0]
		}
		if &files[0][0] != &first[0] {
			t.Error("the file was encoded again")
		}
	}
}

// Another file of the same path, as a resolver may find, takes the place of the first.
func TestShelfKnowsFilesOfTheSamePathApart(t *testing.T) {
	var s shelf
	for range 2 {
		s.wantFile(t, file(t, "a.proto", "A"))
		b := s.wantFile(t, file(t, "a.proto", "Bb"))
		if s.size != len(b) || len(s.files) != 1 {
			t.Errorf("%d files of %d bytes; want that of %d", len(s.files), s.size, len(b))
		}
	}
}

// A resolver with any number of files does not fill the memory.
func TestShelfIsBounded(t *testing.T) {
	var s shelf
	name := strings.Repeat("M", 1<<20)
	for i := range 20 {
		s.wantFile(t, file(t, fmt.Sprint(i, ".proto"), name))
		size := 0
		for _, e := range s.files {
			size += len(e.bytes)
		}
		if size != s.size || size > maxShelf {
			t.Fatalf("%d bytes are kept, and counted as %d; the limit is %d", size, s.size, maxShelf)
		}
	}
}
