package main

import (
	"fmt"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/descriptorpb"
)

// shape is call.Shape, by which the templates of a style are chosen.
type shape int

const (
	unary shape = iota
	clientStream
	serverStream
	bidiStream
	shapes // how many there are
)

// shapeNames are those of the constants of package call, and of the functions
// that every style has for its methods.
var shapeNames = [shapes]string{"Unary", "ClientStream", "ServerStream", "BidiStream"}

// byShape is a template for each shape.
type byShape [shapes]string

// method is one method of a service and the names it has in generated code.
type method struct {
	proto *protogen.Method
	of    *service
	shape shape
	words map[string]string // word of a template → text
}

func newMethod(p *protogen.File, s *service, v *protogen.Method) *method {
	m := &method{proto: v, of: s, shape: shapeOf(v)}
	deprecated := p.Proto.GetOptions().GetDeprecated() || v.Desc.Options().(*descriptorpb.MethodOptions).GetDeprecated()
	m.words = map[string]string{
		"Method":     v.GoName,
		"Full":       fmt.Sprintf("/%s/%s", s.proto.Desc.FullName(), v.Desc.Name()),
		"Shape":      shapeNames[m.shape],
		"Doc":        doc(v.Comments.Leading, deprecated),
		"Deprecated": doc("", deprecated),
	}
	return m
}

func shapeOf(v *protogen.Method) shape {
	var sh shape
	if v.Desc.IsStreamingClient() {
		sh |= clientStream
	}
	if v.Desc.IsStreamingServer() {
		sh |= serverStream
	}
	return sh
}

// word finds the words of a method, and those of its service.
func (m *method) word(name string) (string, bool) {
	if text, ok := m.words[name]; ok {
		return text, true
	}
	return m.of.word(name)
}
