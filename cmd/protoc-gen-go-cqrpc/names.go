package main

import (
	"go/token"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"
)

// scope is the set of names that are taken where a name must be unique.
type scope map[string]bool

func (s scope) take(names ...string) {
	for _, name := range names {
		s[name] = true
	}
}

// claim takes name, or what follows it in "name_", "name__" and so on. What comes
// first gets the better name, so whoever claims does it in an order that does
// not change.
func (s scope) claim(name string) string {
	for s[name] {
		name += "_"
	}
	s[name] = true
	return name
}

// claimField is claim for the unexported field that belongs to a method.
// Keywords are taken.
func (s scope) claimField(method string) string {
	name := strings.ToLower(method[:1]) + method[1:]
	if token.IsKeyword(name) {
		s.take(name)
	}
	return s.claim(name)
}

// packageScope is the names that other plugins declare at package level for the
// same file: ours must not be among them.
func packageScope(f *protogen.File) scope {
	s := make(scope)
	s.take(f.GoDescriptorIdent.GoName)
	s.takeEnums(f.Enums)
	s.takeMessages(f.Messages)
	for _, x := range f.Extensions {
		s.take("E_" + x.GoIdent.GoName)
	}
	for _, v := range f.Services {
		s.takeGRPC(v)
	}
	return s
}

func (s scope) takeMessages(messages []*protogen.Message) {
	for _, m := range messages {
		name := m.GoIdent.GoName
		s.take(name, name+"_builder")
		s.takeEnums(m.Enums)
		s.takeMessages(m.Messages)
		for _, field := range m.Fields {
			s.take("Default_" + name + "_" + field.GoName)
			if field.Oneof != nil {
				s.take(field.GoIdent.GoName)
			}
		}
		for _, x := range m.Extensions {
			s.take("E_" + x.GoIdent.GoName)
		}
	}
}

func (s scope) takeEnums(enums []*protogen.Enum) {
	for _, e := range enums {
		name := e.GoIdent.GoName
		s.take(name, name+"_name", name+"_value")
		for _, v := range e.Values {
			s.take(v.GoIdent.GoName)
		}
	}
}

// takeGRPC takes what protoc-gen-go-grpc declares for a service.
func (s scope) takeGRPC(v *protogen.Service) {
	name := v.GoName
	s.take(name+"Client", "New"+name+"Client", name+"Server", "Unimplemented"+name+"Server",
		"Unsafe"+name+"Server", "Register"+name+"Server", name+"_ServiceDesc")
	for _, m := range v.Methods {
		method := name + "_" + m.GoName
		s.take(method+"_FullMethodName", method+"Client", method+"Server")
	}
}
