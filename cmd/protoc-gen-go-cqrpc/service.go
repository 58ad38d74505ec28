package main

import (
	"fmt"

	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/types/descriptorpb"
)

// service is one service and the names we give to what is generated for it.
type service struct {
	proto   *protogen.Service
	words   map[string]string // word of a template → text
	methods []*method
}

// claimed lists the package-level names of a service: the word for each in our
// templates, and the name with %s for the service. Those of all styles and sides
// are claimed, whatever is generated, so that an option never renames anything.
var claimed = [...]struct{ word, name string }{
	{"SyncClient", "%sSyncClient"}, {"NewSyncClient", "New%sSyncClient"},
	{"SyncServer", "%sSyncServer"}, {"UnimplementedSyncServer", "Unimplemented%sSyncServer"},
	{"RegisterSyncServer", "Register%sSyncServer"},
	{"AsyncClient", "%sAsyncClient"}, {"NewAsyncClient", "New%sAsyncClient"},
	{"AsyncService", "%sAsyncService"}, {"RegisterAsyncService", "Register%sAsyncService"},
	{"ReactorClient", "%sReactorClient"}, {"NewReactorClient", "New%sReactorClient"},
	{"ReactorServer", "%sReactorServer"}, {"UnimplementedReactorServer", "Unimplemented%sReactorServer"},
	{"RegisterReactorServer", "Register%sReactorServer"},
	{"FutureClient", "%sFutureClient"}, {"NewFutureClient", "New%sFutureClient"},
	{"FutureServer", "%sFutureServer"}, {"UnimplementedFutureServer", "Unimplemented%sFutureServer"},
	{"RegisterFutureServer", "Register%sFutureServer"},
}

// newServices names everything that is generated for a file. Types and functions
// of all services come before the variables of their methods.
func newServices(p *protogen.File) ([]*service, error) {
	names := packageScope(p)
	var services []*service
	byName := make(map[string]*protogen.Service)
	for _, v := range p.Services {
		if other := byName[v.GoName]; other != nil {
			return nil, fmt.Errorf("%s: services %s and %s have the same name in Go, %s: rename one of them",
				p.Desc.Path(), other.Desc.Name(), v.Desc.Name(), v.GoName)
		}
		byName[v.GoName] = v
		s := &service{proto: v, words: map[string]string{"Service": string(v.Desc.FullName())}}
		for _, c := range claimed {
			s.words[c.word] = names.claim(fmt.Sprintf(c.name, v.GoName))
		}
		deprecated := p.Proto.GetOptions().GetDeprecated() || v.Desc.Options().(*descriptorpb.ServiceOptions).GetDeprecated()
		s.words["Doc"] = doc(v.Comments.Leading, deprecated)
		s.words["Deprecated"] = doc("", deprecated)
		services = append(services, s)
	}
	for _, s := range services {
		if err := s.addMethods(p, names); err != nil {
			return nil, err
		}
	}
	return services, nil
}

// addMethods makes the methods of s. Names that only some methods have come
// after the names that every method has.
func (s *service) addMethods(p *protogen.File, names scope) error {
	stubs, fields := make(scope), make(scope)
	byName := make(map[string]*protogen.Method)
	for _, v := range s.proto.Methods {
		if other := byName[v.GoName]; other != nil {
			return fmt.Errorf("%s: methods %s and %s of %s have the same name in Go, %s: rename one of them",
				p.Desc.Path(), other.Desc.Name(), v.Desc.Name(), s.proto.Desc.FullName(), v.GoName)
		}
		byName[v.GoName] = v
		m := newMethod(p, s, v)
		m.words["Var"] = names.claim(s.proto.GoName + "_" + v.GoName)
		m.words["field"] = fields.claimField(v.GoName)
		stubs.take(v.GoName)
		s.methods = append(s.methods, m)
	}
	for _, m := range s.methods {
		if m.shape == unary {
			m.words["MethodReactor"] = stubs.claim(m.proto.GoName + "Reactor")
		}
	}
	return nil
}

func (s *service) word(name string) (string, bool) {
	text, ok := s.words[name]
	return text, ok
}
