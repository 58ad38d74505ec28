package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
	"github.com/cqrpc/cqrpc/server"
)

// guide is a backend, which knows of no proxy.
type guide struct {
	pb.UnimplementedRouteGuideSyncServer
}

// GetFeature tells what it can see of its call, beside the name of a place.
func (guide) GetFeature(ctx context.Context, at *pb.Point) (*pb.Feature, error) {
	in, _ := server.Incoming(ctx)
	err := errors.Join(
		server.SetHeader(ctx, cqrpc.Pairs("who-asks", in.Metadata.Get("who"))),
		server.SetTrailer(ctx, cqrpc.Pairs("map-bin", "\x00\xff")))
	if at.Latitude == 0 {
		return nil, cqrpc.Errorf(cqrpc.CodeNotFound, "the sea")
	}
	return &pb.Feature{Name: fmt.Sprintf("hill %d", at.Latitude), Location: at}, err
}

// ListFeatures fails in the end, so that its messages race with a status.
func (guide) ListFeatures(_ context.Context, area *pb.Rectangle, out *server.Sender[pb.Feature]) error {
	for i := range area.GetHi().GetLatitude() {
		if err := out.Send(&pb.Feature{Name: fmt.Sprint("hill ", i)}); err != nil {
			return err
		}
	}
	return cqrpc.Errorf(cqrpc.CodeDataLoss, "the rest of the map is torn off")
}

// RouteChat answers every note.
func (guide) RouteChat(
	_ context.Context, in *server.Receiver[pb.RouteNote], out *server.Sender[pb.RouteNote],
) error {
	for note, err := range in.All() {
		if err != nil {
			return err
		}
		note.Message += "?"
		if err := out.Send(note); err != nil {
			return err
		}
	}
	return nil
}

// withGuide has a guide while f runs.
func withGuide(f func(address string) error) error {
	s := server.New()
	if err := pb.RegisterRouteGuideSyncServer(s, guide{}); err != nil {
		return err
	}
	return serving(s, f)
}

// serving serves on a free port of loopback while f runs.
func serving(s *server.Server, f func(address string) error) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	err = errors.Join(f(listener.Addr().String()), s.Close())
	if end := <-served; !errors.Is(end, server.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	return err
}

// demonstrate has a traveller ask the guide through a proxy.
func demonstrate(ctx context.Context, out io.Writer) error {
	return withGuide(func(guide string) error {
		return withProxy("127.0.0.1:0", guide, func(proxy string) error {
			ch, err := client.NewChannel(proxy, client.WithInsecure())
			if err != nil {
				return err
			}
			defer ch.Close()
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			return travel(ctx, pb.NewRouteGuideSyncClient(ch), out)
		})
	})
}

// travel makes calls of three shapes. That a method fails is part of it.
func travel(ctx context.Context, stub *pb.RouteGuideSyncClient, out io.Writer) error {
	var header, trailer cqrpc.Metadata
	f, err := stub.GetFeature(ctx, &pb.Point{Latitude: 7},
		client.WithMetadata(cqrpc.Pairs("who", "me")), client.HeaderTo(&header), client.TrailerTo(&trailer))
	fmt.Fprintf(out, "GetFeature: %q, %v, header %q, trailer %q\n",
		f.GetName(), err, header.Get("who-asks"), trailer.Get("map-bin"))
	_, err = stub.GetFeature(ctx, &pb.Point{})
	fmt.Fprintln(out, "GetFeature of nothing:", err)

	list, err := stub.ListFeatures(ctx, &pb.Rectangle{Hi: &pb.Point{Latitude: 3}})
	if err != nil {
		return err
	}
	for f, err := range list.All() {
		fmt.Fprintf(out, "ListFeatures: %q, %v\n", f.GetName(), err)
	}
	chat, err := stub.RouteChat(ctx)
	if err != nil {
		return err
	}
	for _, note := range []string{"here", "there"} {
		if err := chat.Send(&pb.RouteNote{Message: note}); err != nil {
			return err
		}
		answer, err := chat.Recv()
		fmt.Fprintf(out, "RouteChat: %q, %v\n", answer.GetMessage(), err)
	}
	err = chat.CloseSend()
	_, end := chat.Recv()
	fmt.Fprintln(out, "RouteChat:", end)
	return err
}
