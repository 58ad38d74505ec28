package serviceconfig

import (
	"encoding/json"
	"fmt"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/client"
)

// serviceConfig is grpc.service_config.ServiceConfig, in protobuf's JSON.
type serviceConfig struct {
	LoadBalancingPolicy string           `json:"loadBalancingPolicy"` // deprecated
	LoadBalancingConfig []balancing      `json:"loadBalancingConfig"`
	MethodConfig        []methodConfig   `json:"methodConfig"`
	RetryThrottling     *retryThrottling `json:"retryThrottling"`
	HealthCheckConfig   *healthCheck     `json:"healthCheckConfig"`
}

// healthCheck is gRFC A17's. Without a name it is the health of all services.
type healthCheck struct {
	ServiceName string `json:"serviceName"`
}

// Options reads a service config and returns options of a channel that mean the same. Other
// options may stand before or after them; of options that exclude each other the last counts. The
// error says what is not valid, or asks for something that is not here.
func Options(text string) ([]client.Option, error) {
	opts, err := options([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("service config: %w", err)
	}
	return opts, nil
}

func options(text []byte) ([]client.Option, error) {
	var c serviceConfig
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, err
	}
	opts, err := c.balancing()
	if err != nil {
		return nil, err
	}
	methods, err := methodOptions(c.MethodConfig)
	if err != nil {
		return nil, err
	}
	opts = append(opts, methods...)
	if c.RetryThrottling != nil {
		throttling, err := c.RetryThrottling.throttling()
		if err != nil {
			return nil, err
		}
		opts = append(opts, client.WithRetryThrottling(throttling))
	}
	if h := c.HealthCheckConfig; h != nil {
		opts = append(opts, client.WithHealthCheck(h.ServiceName))
	}
	return opts, nil
}

// retryThrottling is gRFC A6's.
type retryThrottling struct {
	MaxTokens  number `json:"maxTokens"`
	TokenRatio number `json:"tokenRatio"`
}

func (t *retryThrottling) throttling() (call.RetryThrottling, error) {
	most, err := t.MaxTokens.whole()
	if err != nil || most == 0 {
		return call.RetryThrottling{}, fmt.Errorf("retryThrottling: maxTokens is %v; want 1 to 1000", float64(t.MaxTokens))
	}
	throttling := call.RetryThrottling{MaxTokens: most, TokenRatio: float64(t.TokenRatio)}
	return throttling, throttling.Validate()
}
