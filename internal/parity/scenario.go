package parity

import (
	"slices"
	"testing"
)

// Scenario is one thing that any gRPC client and server must do together.
type Scenario struct {
	// Name is the rule, as a sentence.
	Name string
	// Of names the tests of gRPC's own suites that this re-expresses, see
	// catalogue_test.go: "cancel_after_invoke, End2endTest.ClientCancelsBidi".
	Of string
	// About is the end that the scenario is about; at the other is a peer of the
	// scenario's own.
	About End
	// Heavy scenarios take seconds each.
	Heavy bool
	// Needs is what a peer may lack.
	Needs Feature

	run func(t *testing.T, p *Pairing)
}

// End is an end of a call.
type End uint8

// The ends.
const (
	Both End = iota
	CallerEnd
	HostEnd
)

// Run runs s as a test of p.
func (s *Scenario) Run(t *testing.T, p *Pairing) { s.run(t, p) }

// Pick returns those of all that s is to run with: that have what it needs, and
// of a scenario about one end each style once per link.
func (s *Scenario) Pick(all []*Pairing) []*Pairing {
	type end struct {
		name     string
		isSecure bool
	}
	var picked []*Pairing
	seen := make(map[end]bool)
	for _, p := range all {
		name, lacks := p.Name(), slices.Concat(p.Caller.Lacks, p.Host.Lacks)
		switch s.About {
		case CallerEnd:
			name, lacks = p.Caller.Name, p.Caller.Lacks
		case HostEnd:
			name, lacks = p.Host.Name, p.Host.Lacks
		case Both:
		}
		one := end{name, p.Credentials != nil}
		if !seen[one] && !slices.Contains(lacks, s.Needs) {
			seen[one] = true
			picked = append(picked, p)
		}
	}
	return picked
}
