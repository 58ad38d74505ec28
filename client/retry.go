package client

import (
	"slices"

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
			c.retries = make(byName[*call.RetryPolicy])
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
// A policy that is not valid ends the call with INTERNAL. In [WithDefaultCallOptions] and
// [WithMethodOptions] it is for calls that no WithRetry is for.
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

// checkRetries reports what is wrong with policies and throttling.
func (c *config) checkRetries() error {
	if err := c.retries.check("retry of"); err != nil {
		return err
	}
	for _, p := range c.retries {
		if p == nil {
			continue
		}
		if err := p.Validate(); err != nil {
			return err
		}
	}
	return c.throttling.Validate()
}
