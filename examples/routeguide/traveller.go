package main

import (
	"context"
	"fmt"
	"time"

	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
)

// traveller is the client's side in one style: a method of the service each,
// done when it returns. It prints what it sends and gets.
type traveller interface {
	getFeature(ctx context.Context, at *pb.Point) error
	listFeatures(ctx context.Context, area *pb.Rectangle) error
	recordRoute(ctx context.Context, r *route) (*pb.RouteSummary, error)
	routeChat(ctx context.Context, notes []*pb.RouteNote) error
	// close releases what the style keeps between calls.
	close() error
}

// travel does with any traveller what the tutorials' client does.
func travel(ctx context.Context, out *screen, t traveller, places features, maxDelay time.Duration) error {
	out.linef("-------------- GetFeature --------------")
	for _, at := range []*pb.Point{places[0].GetLocation(), point(0, 0)} {
		if err := t.getFeature(ctx, at); err != nil {
			return fmt.Errorf("GetFeature rpc failed: %w", err)
		}
	}

	out.linef("-------------- ListFeatures --------------")
	out.linef("Looking for features between 40, -75 and 42, -73")
	area := &pb.Rectangle{Lo: point(40*e7, -75*e7), Hi: point(42*e7, -73*e7)}
	if err := t.listFeatures(ctx, area); err != nil {
		return fmt.Errorf("ListFeatures rpc failed: %w", err)
	}
	out.linef("ListFeatures rpc succeeded.")

	out.linef("-------------- RecordRoute --------------")
	summary, err := t.recordRoute(ctx, newRoute(places, maxDelay))
	if err != nil {
		return fmt.Errorf("RecordRoute rpc failed: %w", err)
	}
	out.finished(summary)

	out.linef("-------------- RouteChat --------------")
	notes := []*pb.RouteNote{
		note("First message", 0, 0), note("Second message", 0, 1), note("Third message", 1, 0), note("Fourth message", 0, 0),
	}
	if err := t.routeChat(ctx, notes); err != nil {
		return fmt.Errorf("RouteChat rpc failed: %w", err)
	}
	return nil
}

func point(lat, lon int32) *pb.Point { return &pb.Point{Latitude: lat, Longitude: lon} }

func note(text string, lat, lon int32) *pb.RouteNote {
	return &pb.RouteNote{Message: text, Location: point(lat, lon)}
}
