package main

import (
	"context"
	"time"

	"github.com/cqrpc/cqrpc/client"
	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
)

// syncTraveller makes calls that block until there is a result.
type syncTraveller struct {
	stub *pb.RouteGuideSyncClient
	out  *screen
}

func joinSync(ch *client.Channel, out *screen) traveller {
	return &syncTraveller{pb.NewRouteGuideSyncClient(ch), out}
}

func (t *syncTraveller) getFeature(ctx context.Context, at *pb.Point) error {
	f, err := t.stub.GetFeature(ctx, at)
	if err != nil {
		return err
	}
	t.out.found(f)
	return nil
}

func (t *syncTraveller) listFeatures(ctx context.Context, area *pb.Rectangle) error {
	stream, err := t.stub.ListFeatures(ctx, area)
	if err != nil {
		return err
	}
	for f, err := range stream.All() {
		if err != nil {
			return err
		}
		t.out.found(f)
	}
	return nil
}

func (t *syncTraveller) recordRoute(ctx context.Context, r *route) (*pb.RouteSummary, error) {
	stream, err := t.stub.RecordRoute(ctx)
	if err != nil {
		return nil, err
	}
	defer stream.Close() // cancels the call, unless it has ended
	for p := r.next(); p != nil; p = r.next() {
		t.out.visiting(p)
		if err := stream.Send(p); err != nil {
			break // CloseAndRecv says why
		}
		if err := sleep(ctx, r.delay()); err != nil {
			return nil, err
		}
	}
	return stream.CloseAndRecv()
}

// routeChat sends on this goroutine and receives on another.
func (t *syncTraveller) routeChat(ctx context.Context, notes []*pb.RouteNote) error {
	stream, err := t.stub.RouteChat(ctx)
	if err != nil {
		return err
	}
	received := make(chan error, 1)
	go func() { received <- t.listen(stream) }()
	for _, n := range notes {
		t.out.sending(n)
		if err := stream.Send(n); err != nil {
			break // the receiver is told why
		}
	}
	if err := stream.CloseSend(); err != nil {
		stream.Close()
	}
	return <-received
}

func (t *syncTraveller) listen(stream *client.BidiStreamCall[pb.RouteNote, pb.RouteNote]) error {
	for n, err := range stream.All() {
		if err != nil {
			return err
		}
		t.out.got(n)
	}
	return nil
}

func (*syncTraveller) close() error { return nil }

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
