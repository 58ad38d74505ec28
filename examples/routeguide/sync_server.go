package main

import (
	"context"
	"errors"
	"io"

	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
	"github.com/cqrpc/cqrpc/server"
)

// syncGuide serves with functions that may block: each call has a goroutine of
// its own, and what the function returns ends the call.
type syncGuide struct {
	pb.UnimplementedRouteGuideSyncServer
	*guide
}

func serveSync(s *server.Server, g *guide) (drain func() error, err error) {
	return func() error { return nil }, pb.RegisterRouteGuideSyncServer(s, &syncGuide{guide: g})
}

// GetFeature implements pb.RouteGuideSyncServer.
func (g *syncGuide) GetFeature(_ context.Context, at *pb.Point) (*pb.Feature, error) {
	return g.feature(at), nil
}

// ListFeatures implements pb.RouteGuideSyncServer.
func (g *syncGuide) ListFeatures(_ context.Context, area *pb.Rectangle, out *server.Sender[pb.Feature]) error {
	for _, f := range g.features.within(area) {
		if err := out.Send(f); err != nil {
			return err
		}
	}
	return nil
}

// RecordRoute implements pb.RouteGuideSyncServer.
func (g *syncGuide) RecordRoute(_ context.Context, in *server.Receiver[pb.Point]) (*pb.RouteSummary, error) {
	j := g.newJourney()
	for {
		p, err := in.Recv()
		if errors.Is(err, io.EOF) { // the client has half-closed
			return j.summary(), nil
		}
		if err != nil {
			return nil, err
		}
		j.visit(p)
	}
}

// RouteChat implements pb.RouteGuideSyncServer.
func (g *syncGuide) RouteChat(
	_ context.Context, in *server.Receiver[pb.RouteNote], out *server.Sender[pb.RouteNote],
) error {
	for note, err := range in.All() {
		if err != nil {
			return err
		}
		for _, earlier := range g.leave(note) {
			if err := out.Send(earlier); err != nil {
				return err
			}
		}
	}
	return nil
}
