package server

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/call"
)

// route is where the calls of one method go: exactly one of the two is set.
type route struct {
	handler *Handler
	method  *Method
}

// router finds the route of a :path, which must match exactly: if other spellings
// were accepted, an access policy might see another name than we do.
type router struct {
	routes   map[string]route
	services map[string]struct{}
	generic  *Handler // of all other methods, may be nil
}

func (t *router) addHandlers(handlers []Handler) error {
	seen := make(map[string]bool, len(handlers))
	for i := range handlers {
		name := handlers[i].name
		if err := t.check(name, handlers[i].isGeneric()); err != nil {
			return err
		}
		if seen[name] {
			return duplicateError(name)
		}
		seen[name] = true
	}
	for _, h := range handlers {
		if h.isGeneric() {
			t.generic = &h
		} else {
			t.add(h.name, route{handler: &h})
		}
	}
	return nil
}

func (t *router) addMethod(m *Method) error {
	if err := t.check(m.name, false); err != nil {
		return err
	}
	t.add(m.name, route{method: m})
	return nil
}

func (t *router) check(name string, isGeneric bool) error {
	if isGeneric {
		if t.generic != nil {
			return duplicateError("all methods not registered")
		}
		return nil
	}
	if _, _, ok := call.SplitMethod(name); !ok {
		return fmt.Errorf("server: method name %q is not of the form /package.Service/Method", name)
	}
	if _, taken := t.routes[name]; taken {
		return duplicateError(name)
	}
	return nil
}

func duplicateError(name string) error {
	return fmt.Errorf("server: a handler for %s is already registered", name)
}

func (t *router) add(name string, r route) {
	if t.routes == nil {
		t.routes = make(map[string]route)
		t.services = make(map[string]struct{})
	}
	service, _, _ := call.SplitMethod(name)
	t.routes[name] = r
	t.services[service] = struct{}{}
}

// serviceNames lists the services of the registered methods, sorted.
func (t *router) serviceNames() []string { return slices.Sorted(maps.Keys(t.services)) }

// matchers lists those of the registered methods.
func (t *router) matchers() []*matcher {
	var list []*matcher
	for _, r := range t.routes {
		if r.method != nil {
			list = append(list, r.method.matcher)
		}
	}
	return list
}

// unknown is the status of a call that nobody takes.
func (t *router) unknown(path string) cqrpc.Status {
	st := cqrpc.Status{Code: cqrpc.CodeUnimplemented}
	service, method, ok := call.SplitMethod(path)
	_, isKnown := t.services[service]
	switch {
	case !ok:
		st.Message = fmt.Sprintf("malformed method name %.256q", path)
	case isKnown:
		st.Message = fmt.Sprintf("unknown method %.256s for service %.256s", method, service)
	default:
		st.Message = fmt.Sprintf("unknown service %.256s", service)
	}
	return st
}
