package main

import (
	"math/rand/v2"
	"time"

	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
)

// route is the points that a client visits: ten at random, but the same ones
// every time, with a pause after each. One goroutine at a time may use it.
type route struct {
	places   features
	choices  *rand.Rand // where to
	pauses   *rand.Rand // and how long to stay: the one does not change the other
	left     int
	maxDelay time.Duration
}

func newRoute(places features, maxDelay time.Duration) *route {
	return &route{
		places: places, choices: rand.New(rand.NewPCG(2015, 2)), pauses: rand.New(rand.NewPCG(2015, 3)),
		left: 10, maxDelay: maxDelay,
	}
}

// next returns the point to visit now, nil when the journey has ended.
func (r *route) next() *pb.Point {
	if r.left == 0 {
		return nil
	}
	r.left--
	return r.places[r.choices.IntN(len(r.places))].GetLocation()
}

// delay is how long to stay at a point.
func (r *route) delay() time.Duration {
	return r.maxDelay/3 + time.Duration(r.pauses.Int64N(int64(r.maxDelay)*2/3+1))
}
