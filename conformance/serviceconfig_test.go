package conformance

import (
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cqrpc/cqrpc/client/serviceconfig"
)

// TestServiceConfigs has grpc-go judge which service configs are valid. It is no judge of throttling:
// it takes values that gRFC A6 wants refused.
func TestServiceConfigs(t *testing.T) {
	method := func(fields string) string {
		return `{"methodConfig": [{"name": [{"service": "a.B"}], ` + fields + `}]}`
	}
	retry := func(changed string) string {
		return method(`"retryPolicy": {"maxAttempts": 4, "initialBackoff": "0.1s", "maxBackoff": "1s",
			"backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]` + changed + `}`)
	}
	for _, text := range []string{
		`{}`,
		`{"future": 1}`,
		`[]`,
		`{"methodConfig": {}}`,
		`{"methodConfig": [{"name": [{}]}]}`,
		`{"methodConfig": [{"name": [{}]}, {"name": [{}]}]}`,
		`{"methodConfig": [{"name": [{"service": "a.B", "method": "C"}]}, {"name": [{"service": "a.B", "method": "D"}]}]}`,
		`{"methodConfig": [{"name": [{"method": "C"}]}]}`,
		method(`"waitForReady": true`),
		method(`"waitForReady": "yes"`),
		method(`"timeout": "1s"`),
		method(`"timeout": "0.000000001s"`),
		method(`"timeout": ".5s"`),
		method(`"timeout": "1."`),
		method(`"timeout": 1`),
		method(`"timeout": "1m"`),
		method(`"timeout": "1 s"`),
		method(`"timeout": "0.0000000001s"`),
		method(`"maxRequestMessageBytes": 1, "maxResponseMessageBytes": 4294967295`),
		method(`"maxRequestMessageBytes": "x"`),
		retry(``),
		retry(`, "maxAttempts": 10`),
		retry(`, "maxAttempts": 1`),
		retry(`, "initialBackoff": "0s"`),
		retry(`, "maxBackoff": "-1s"`),
		retry(`, "backoffMultiplier": 0`),
		retry(`, "retryableStatusCodes": []`),
		retry(`, "retryableStatusCodes": [14, "ABORTED"]`),
		retry(`, "retryableStatusCodes": ["BUSY"]`),
		retry(`, "retryableStatusCodes": [99]`),
		`{"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}}`,
		`{"retryThrottling": {"maxTokens": 1000, "tokenRatio": 0.1}}`,
		`{"healthCheckConfig": {"serviceName": "x"}}`,
		`{"healthCheckConfig": {}}`,
		`{"healthCheckConfig": null}`,
		`{"healthCheckConfig": {"serviceName": 1}}`,
		`{"healthCheckConfig": "x"}`,
		`{"loadBalancingConfig": [{"round_robin": {}}]}`,
		`{"loadBalancingConfig": [{"nobody_knows": {}}, {"pick_first": {}}]}`,
		`{"loadBalancingConfig": [{"nobody_knows": {}}]}`,
		`{"loadBalancingConfig": [{"round_robin": {}, "pick_first": {}}]}`,
	} {
		_, ours := serviceconfig.Options(text)
		conn, theirs := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultServiceConfig(text))
		if conn != nil {
			conn.Close()
		}
		if (ours == nil) != (theirs == nil) {
			t.Errorf("%s: %v; grpc-go: %v", text, ours, theirs)
		}
	}
}
