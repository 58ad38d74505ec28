package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
)

// guide is what the servers of all styles know and remember: the style is only
// how they hear and answer. Its methods may be called concurrently.
type guide struct {
	// immutable
	features features
	now      func() time.Time
	log      *slog.Logger

	mu sync.Mutex
	// guarded by mu
	notes []*pb.RouteNote // of all chats, in order of arrival
}

// feature answers GetFeature.
func (g *guide) feature(at *pb.Point) *pb.Feature {
	return &pb.Feature{Name: g.features.nameAt(at), Location: at}
}

// leave leaves a note and returns those that were left at its location before.
func (g *guide) leave(note *pb.RouteNote) []*pb.RouteNote {
	g.mu.Lock()
	defer g.mu.Unlock()
	var earlier []*pb.RouteNote
	for _, n := range g.notes {
		if proto.Equal(n.GetLocation(), note.GetLocation()) {
			earlier = append(earlier, n)
		}
	}
	g.notes = append(g.notes, note)
	return earlier
}

// journey is one RecordRoute so far. One goroutine at a time may use it.
type journey struct {
	guide    *guide
	began    time.Time
	previous *pb.Point // nil before the first
	points   int32
	features int32
	metres   float64
}

func (g *guide) newJourney() *journey { return &journey{guide: g, began: g.now()} }

// visit counts a point, which the caller must not change afterwards.
func (j *journey) visit(p *pb.Point) {
	j.points++
	if j.guide.features.nameAt(p) != "" {
		j.features++
	}
	if j.previous != nil {
		j.metres += distance(j.previous, p)
	}
	j.previous = p
}

// summary answers RecordRoute.
func (j *journey) summary() *pb.RouteSummary {
	return &pb.RouteSummary{
		PointCount:   j.points,
		FeatureCount: j.features,
		Distance:     int32(j.metres),
		ElapsedTime:  int32(j.guide.now().Sub(j.began).Seconds()),
	}
}

// logsCalls reports whether somebody wants to read how calls end.
func (g *guide) logsCalls() bool { return g.log.Enabled(context.Background(), slog.LevelInfo) }
