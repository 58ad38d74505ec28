package client

import (
	"fmt"
	"strings"

	"github.com/cqrpc/cqrpc/call"
)

// byName is what a channel has for some methods: by method, by service with a slash at both
// ends, and under "" for all others.
type byName[T any] map[string]T

// of returns what the most specific name has for a method.
func (b byName[T]) of(method string) (found T, ok bool) {
	if len(b) == 0 {
		return found, false
	}
	if found, ok = b[method]; ok {
		return found, true
	}
	if found, ok = b[method[:strings.LastIndexByte(method, '/')+1]]; ok {
		return found, true
	}
	found, ok = b[""]
	return found, ok
}

// check reports a name that is not valid; purpose says what it is for.
func (b byName[T]) check(purpose string) error {
	for name := range b {
		service := strings.TrimSuffix(name, "/")
		_, _, isMethod := call.SplitMethod(name)
		isService := service != name && strings.LastIndexByte(service, '/') == 0 && len(service) > 1
		if name != "" && !isMethod && !isService {
			return fmt.Errorf("%s %q: want /pkg.Service/Method or /pkg.Service/", purpose, name)
		}
	}
	return nil
}

// WithMethodOptions applies opts to every call of a method, after [WithDefaultCallOptions] and before the
// call's own. method is "/pkg.Service/Method", "/pkg.Service/" for all methods of a service, or "" for all
// that the channel calls. The most specific name wins, and alone: a method that has options has none of its
// service's. Several for one name add up. If a name is not valid NewChannel returns an error. Default: none,
// which costs a call nothing.
func WithMethodOptions(method string, opts ...CallOption) Option {
	return optionFunc(func(c *config) {
		if c.perMethod == nil {
			c.perMethod = make(byName[[]CallOption])
		}
		c.perMethod[method] = append(c.perMethod[method], opts...)
	})
}

// bases are the configurations of calls without options of their own, for methods that have some.
func (c *config) bases(base callConfig) byName[*callConfig] {
	if c.perMethod == nil {
		return nil
	}
	all := make(byName[*callConfig], len(c.perMethod))
	for name, opts := range c.perMethod {
		own := configured(base, opts)
		all[name] = &own
	}
	return all
}
