package serviceconfig

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cqrpc/cqrpc/client"
)

// balancing is a policy, by its name, with its own config: a LoadBalancingConfig.
type balancing map[string]json.RawMessage

// policies are those that channels have.
var policies = []client.Balancing{client.PickFirst, client.RoundRobin, client.LeastRequest}

func policy(name string) (client.Balancing, bool) {
	for _, b := range policies {
		if b.String() == name {
			return b, true
		}
	}
	return 0, false
}

// balancing takes the first policy of the list that channels have. If there is a list the deprecated
// field does not count.
func (c *serviceConfig) balancing() ([]client.Option, error) {
	var unknown []string
	for _, one := range c.LoadBalancingConfig {
		if len(one) != 1 {
			return nil, fmt.Errorf("loadBalancingConfig: an element has %d policies; want 1", len(one))
		}
		for name, own := range one {
			if b, ok := policy(name); ok {
				return []client.Option{client.WithBalancing(b)}, checkPolicy(b, own)
			}
			unknown = append(unknown, name)
		}
	}
	switch name := strings.ToLower(c.LoadBalancingPolicy); {
	case len(unknown) > 0:
		return nil, fmt.Errorf("loadBalancingConfig: channels have none of %s", strings.Join(unknown, ", "))
	case name == "":
		return nil, nil
	default:
		b, ok := policy(name)
		if !ok {
			return nil, fmt.Errorf("loadBalancingPolicy: channels have no %s", c.LoadBalancingPolicy)
		}
		return []client.Option{client.WithBalancing(b)}, nil
	}
}

// checkPolicy refuses what a policy's own config wants and channels cannot do. A choiceCount of
// least_request is two, whatever it says: more choose hardly better.
func checkPolicy(b client.Balancing, own json.RawMessage) error {
	var asked struct {
		ShuffleAddressList bool    `json:"shuffleAddressList"`
		ChoiceCount        *number `json:"choiceCount"`
	}
	if err := json.Unmarshal(own, &asked); err != nil {
		return fmt.Errorf("%v: %w", b, err)
	}
	switch {
	case asked.ShuffleAddressList:
		return fmt.Errorf("%v: shuffleAddressList: channels keep the order of addresses", b)
	case asked.ChoiceCount != nil && *asked.ChoiceCount < 2:
		return fmt.Errorf("%v: choiceCount is %v; want at least 2", b, *asked.ChoiceCount)
	}
	return nil
}
