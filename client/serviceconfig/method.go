package serviceconfig

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
)

// methodConfig is for the methods that it names. What is nil it does not say.
type methodConfig struct {
	Name                    []name       `json:"name"`
	WaitForReady            *bool        `json:"waitForReady"`
	Timeout                 *duration    `json:"timeout"`
	MaxRequestMessageBytes  *number      `json:"maxRequestMessageBytes"`
	MaxResponseMessageBytes *number      `json:"maxResponseMessageBytes"`
	RetryPolicy             *retryPolicy `json:"retryPolicy"`
}

// name is a method; without method all of a service; without both every method.
type name struct {
	Service string `json:"service"`
	Method  string `json:"method"`
}

// option is n as options of channels have it.
func (n name) option() (string, error) {
	switch {
	case n.Service == "" && n.Method == "":
		return "", nil
	case n.Service == "":
		return "", fmt.Errorf("method %q without a service", n.Method)
	}
	return "/" + n.Service + "/" + n.Method, nil
}

// methodOptions are the options for methods. The config with the most specific name is the only one
// that counts for a method, for its retries, too: so where any has a policy, those without say so.
func methodOptions(configs []methodConfig) (opts []client.Option, err error) {
	haveRetries := slices.ContainsFunc(configs, func(c methodConfig) bool { return c.RetryPolicy != nil })
	seen := make(map[string]bool)
	for _, c := range configs {
		own, err := c.options()
		if err != nil {
			return nil, fmt.Errorf("methodConfig of %v: %w", c.Name, err)
		}
		retries, err := c.RetryPolicy.policy()
		if err != nil {
			return nil, fmt.Errorf("methodConfig of %v: %w", c.Name, err)
		}
		for _, n := range c.Name {
			method, err := n.option()
			if err != nil {
				return nil, fmt.Errorf("methodConfig: %w", err)
			}
			if seen[method] {
				return nil, fmt.Errorf("methodConfig: two for service %q, method %q", n.Service, n.Method)
			}
			seen[method] = true
			opts = append(opts, client.WithMethodOptions(method, own...))
			if haveRetries {
				opts = append(opts, client.WithRetry(retries, method))
			}
		}
	}
	return opts, nil
}

// options are all but the retries.
func (c *methodConfig) options() (opts []client.CallOption, err error) {
	if c.WaitForReady != nil {
		opts = append(opts, client.WithWaitForReady(*c.WaitForReady))
	}
	if t := c.Timeout; t != nil {
		if *t <= 0 {
			return nil, errors.New("timeout: want more than zero")
		}
		opts = append(opts, client.WithTimeout(t.std()))
	}
	for _, limit := range []struct {
		name   string
		n      *number
		option func(int) client.CallOption
	}{
		{"maxRequestMessageBytes", c.MaxRequestMessageBytes, client.WithMaxSendMessage},
		{"maxResponseMessageBytes", c.MaxResponseMessageBytes, client.WithMaxRecvMessage},
	} {
		if limit.n == nil {
			continue
		}
		n, err := limit.n.whole()
		if err == nil && n == 0 {
			err = errors.New("want more than zero")
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", limit.name, err)
		}
		opts = append(opts, limit.option(n))
	}
	return opts, nil
}

// retryPolicy is gRFC A6's.
type retryPolicy struct {
	MaxAttempts          number   `json:"maxAttempts"`
	InitialBackoff       duration `json:"initialBackoff"`
	MaxBackoff           duration `json:"maxBackoff"`
	BackoffMultiplier    number   `json:"backoffMultiplier"`
	RetryableStatusCodes []code   `json:"retryableStatusCodes"`
}

// policy is the zero policy if there is none.
func (p *retryPolicy) policy() (call.RetryPolicy, error) {
	if p == nil {
		return call.RetryPolicy{}, nil
	}
	attempts, err := p.MaxAttempts.whole()
	if err != nil {
		return call.RetryPolicy{}, fmt.Errorf("retryPolicy: maxAttempts: %w", err)
	}
	policy := call.RetryPolicy{
		MaxAttempts: attempts, InitialBackoff: p.InitialBackoff.std(), MaxBackoff: p.MaxBackoff.std(),
		BackoffMultiplier: float64(p.BackoffMultiplier),
	}
	for _, c := range p.RetryableStatusCodes {
		policy.Codes = append(policy.Codes, c.Code)
	}
	return policy, policy.Validate()
}
