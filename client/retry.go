package client

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cqrpc/cqrpc/call"
)

// WithRetry sets the policy by which calls of methods are sent again when they fail (gRFC A6).
// A method is "/pkg.Service/Method", or "/pkg.Service/" for all methods of a service; without
// methods the policy is for all that the channel calls. The most specific name wins, of the same
// name the later option; the zero policy is none. If a policy or a name is not valid NewChannel
// returns an error. Default: a call is repeated only if the server provably did not act on it.
func WithRetry(policy call.RetryPolicy, methods ...string) Option {
	p := kept(policy)
	return optionFunc(func(c *config) {
		if c.retries == nil {
			c.retries = make(retries)
		}
		if len(methods) == 0 {
			c.retries[""] = p
		}
		for _, m := range methods {
			c.retries[m] = p
		}
	})
}

// WithRetryThrottling keeps calls from being repeated while many calls of the channel fail, see
// [call.RetryThrottling]. Default and zero: no throttling.
func WithRetryThrottling(t call.RetryThrottling) Option {
	return optionFunc(func(c *config) { c.throttling = t })
}

// WithCallRetry sets the call's own policy in place of that of WithRetry; the zero policy is none.
// A policy that is not valid ends the call with INTERNAL. In [WithDefaultCallOptions] it is for
// calls that no WithRetry is for.
func WithCallRetry(policy call.RetryPolicy) CallOption {
	p := kept(policy)
	return callOptionFunc(func(c *callConfig) { c.Retry = p })
}

// kept is a policy for calls to keep, nil if it is none.
func kept(p call.RetryPolicy) *call.RetryPolicy {
	if p.MaxAttempts == 0 && p.InitialBackoff == 0 && p.MaxBackoff == 0 && p.BackoffMultiplier == 0 &&
		len(p.Codes) == 0 && p.Buffer == 0 {
		return nil
	}
	p.Codes = slices.Clone(p.Codes)
	return &p
}

// retries are a channel's policies by method, by service with a slash at both ends, and of
// "" for all others.
type retries map[string]*call.RetryPolicy

// of returns the policy of a method, other if there is none.
func (r retries) of(method string, other *call.RetryPolicy) *call.RetryPolicy {
	if p, ok := r[method]; ok {
		return p
	}
	if p, ok := r[method[:strings.LastIndexByte(method, '/')+1]]; ok {
		return p
	}
	if p, ok := r[""]; ok {
		return p
	}
	return other
}

// checkRetries reports what is wrong with them.
func (c *config) checkRetries() error {
	for name, p := range c.retries {
		service := strings.TrimSuffix(name, "/")
		_, _, isMethod := call.SplitMethod(name)
		isService := service != name && strings.LastIndexByte(service, '/') == 0 && len(service) > 1
		if name != "" && !isMethod && !isService {
			return fmt.Errorf("retry of %q: want /pkg.Service/Method or /pkg.Service/", name)
		}
		if p == nil {
			continue
		}
		if err := p.Validate(); err != nil {
			return err
		}
	}
	return c.throttling.Validate()
}
