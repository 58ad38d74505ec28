// Package routeguidepb is the messages and stubs of the route guide in gRPC's
// tutorials.
package routeguidepb

//go:generate go -C ../../../internal/genproto run . ../.. examples/routeguide/routeguidepb/route_guide.proto
