package serviceconfig_test

import (
	"fmt"

	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/serviceconfig"
)

// A config that was written for another implementation of gRPC.
func ExampleOptions() {
	opts, err := serviceconfig.Options(`{
		"loadBalancingConfig": [{"round_robin": {}}],
		"methodConfig": [{
			"name": [{"service": "helloworld.Greeter"}],
			"timeout": "1.5s",
			"retryPolicy": {
				"maxAttempts": 3, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2,
				"retryableStatusCodes": ["UNAVAILABLE"]
			}
		}]
	}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	ch, err := client.NewChannel("dns:///greeter.example:50051", append(opts, client.WithTLS(nil))...)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ch.Close()
	fmt.Println(ch.State())
	// Output: IDLE
}
