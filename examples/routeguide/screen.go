package main

import (
	"fmt"
	"io"
	"sync"

	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
)

// screen is where the clients print, line by line, from any goroutine.
type screen struct {
	mu sync.Mutex
	w  io.Writer // guarded by mu
}

func (s *screen) linef(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.w, format+"\n", args...)
}

// found prints an answer of GetFeature or ListFeatures.
func (s *screen) found(f *pb.Feature) {
	switch {
	case f.GetLocation() == nil:
		s.linef("Server returns incomplete feature.")
	case f.GetName() == "":
		s.linef("Found no feature at %v", place{f.GetLocation()})
	default:
		s.linef("Found feature called %s at %v", f.GetName(), place{f.GetLocation()})
	}
}

func (s *screen) visiting(p *pb.Point) { s.linef("Visiting point %v", place{p}) }

func (s *screen) finished(sum *pb.RouteSummary) {
	s.linef("Finished trip with %d points", sum.GetPointCount())
	s.linef("Passed %d features", sum.GetFeatureCount())
	s.linef("Travelled %d meters", sum.GetDistance())
	s.linef("It took %d seconds", sum.GetElapsedTime())
}

// The tutorials print the locations of notes as they are, not in degrees.
func (s *screen) sending(n *pb.RouteNote) {
	s.linef("Sending message %s at %d, %d", n.GetMessage(), n.GetLocation().GetLatitude(), n.GetLocation().GetLongitude())
}

func (s *screen) got(n *pb.RouteNote) {
	s.linef("Got message %s at %d, %d", n.GetMessage(), n.GetLocation().GetLatitude(), n.GetLocation().GetLongitude())
}

// place prints a point in degrees.
type place struct{ *pb.Point }

// String implements fmt.Stringer.
func (p place) String() string {
	return fmt.Sprintf("%.6g, %.6g", float64(p.GetLatitude())/e7, float64(p.GetLongitude())/e7)
}
