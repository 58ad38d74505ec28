package main

import (
	"context"
	"fmt"
	"time"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/client/async"
	"github.com/cqrpc/cqrpc/cq"
	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
)

// queueTraveller starts operations and takes their ends from its completion
// queue. It has one call at a time, so the tag of an operation is what it is;
// with many calls a tag is the address of the call's own state, as in
// queue_server.go.
type queueTraveller struct {
	stub  *pb.RouteGuideAsyncClient
	queue *cq.Queue
	out   *screen
}

// operation is the tag of an operation.
type operation string

const (
	started  operation = "started"
	read     operation = "read"
	written  operation = "written"
	closed   operation = "writes done"
	rested   operation = "rested" // an alarm
	finished operation = "finished"
)

func joinQueue(ch *client.Channel, out *screen) traveller {
	return &queueTraveller{pb.NewRouteGuideAsyncClient(ch), cq.New(), out}
}

func (t *queueTraveller) close() error { return t.queue.Close(context.Background()) }

// await starts one operation, by start, and waits for its end. It is for the
// stretches of a call where nothing else goes on. ok is the operation's: what
// went wrong is in the status that Finish tells.
func (t *queueTraveller) await(tag operation, start error) (ok bool, err error) {
	if start != nil {
		return false, start // a mistake of ours: no event will come
	}
	ev := t.queue.Next(context.Background()) // the call's own context ends it
	if ev.Kind != cq.OpComplete || ev.Tag != tag {
		return false, fmt.Errorf("%v event of %v while waiting for %v: %w", ev.Kind, ev.Tag, tag, ev.Err)
	}
	return ev.OK, nil
}

func (t *queueTraveller) getFeature(ctx context.Context, at *pb.Point) error {
	var f pb.Feature
	var status cqrpc.Status
	rpc := t.stub.AsyncGetFeature(ctx, at, t.queue)
	if _, err := t.await(finished, rpc.Finish(&f, &status, finished)); err != nil {
		return err
	}
	if status.Code == cqrpc.CodeOK {
		t.out.found(&f)
	}
	return status.Err()
}

func (t *queueTraveller) listFeatures(ctx context.Context, area *pb.Rectangle) error {
	reader, start := t.stub.AsyncListFeatures(ctx, area, t.queue, started)
	ok, err := t.await(started, start)
	for ok && err == nil {
		var f pb.Feature
		if ok, err = t.await(read, reader.Read(&f, read)); ok {
			t.out.found(&f)
		}
	}
	if err != nil {
		return err
	}
	var status cqrpc.Status
	if _, err := t.await(finished, reader.Finish(&status, finished)); err != nil {
		return err
	}
	return status.Err()
}

func (t *queueTraveller) recordRoute(ctx context.Context, r *route) (*pb.RouteSummary, error) {
	summary := new(pb.RouteSummary) // filled when Finish has ended
	writer, start := t.stub.AsyncRecordRoute(ctx, summary, t.queue, started)
	ok, err := t.await(started, start)
	for p := r.next(); p != nil && ok && err == nil; p = r.next() {
		t.out.visiting(p)
		if ok, err = t.await(written, writer.Write(p, written)); !ok || err != nil {
			break
		}
		var pause cq.Alarm // an event of the same queue
		ok, err = t.await(rested, pause.Set(t.queue, time.Now().Add(r.delay()), rested))
	}
	if ok && err == nil {
		_, err = t.await(closed, writer.WritesDone(closed))
	}
	if err != nil {
		return nil, err
	}
	var status cqrpc.Status
	if _, err := t.await(finished, writer.Finish(&status, finished)); err != nil {
		return nil, err
	}
	return summary, status.Err()
}

func (t *queueTraveller) routeChat(ctx context.Context, notes []*pb.RouteNote) error {
	stream, start := t.stub.AsyncRouteChat(ctx, t.queue, started)
	ok, err := t.await(started, start)
	if ok && err == nil {
		err = t.converse(stream, notes)
	}
	if err != nil {
		return err
	}
	var status cqrpc.Status
	if _, err := t.await(finished, stream.Finish(&status, finished)); err != nil {
		return err
	}
	return status.Err()
}

// converse has one read and one write under way at the same time; the tag says
// which of them has ended.
func (t *queueTraveller) converse(stream chatStream, notes []*pb.RouteNote) error {
	var answer pb.RouteNote
	if err := stream.Read(&answer, read); err != nil {
		return err
	}
	notes, err := t.say(stream, notes)
	for outstanding := 2; outstanding > 0 && err == nil; {
		ev := t.queue.Next(context.Background())
		switch {
		case ev.Tag == read && ev.OK:
			t.out.got(&answer)
			err = stream.Read(&answer, read)
		case ev.Tag == written && ev.OK:
			notes, err = t.say(stream, notes)
		default: // nothing more to read, all is written, or the call is dead
			outstanding--
		}
	}
	return err
}

// say starts to write the next note, or to half-close after the last one. It
// returns the notes that are left.
func (t *queueTraveller) say(stream chatStream, notes []*pb.RouteNote) ([]*pb.RouteNote, error) {
	if len(notes) == 0 {
		return nil, stream.WritesDone(closed)
	}
	t.out.sending(notes[0])
	return notes[1:], stream.Write(notes[0], written)
}

// chatStream is the call of RouteChat.
type chatStream = *async.ReaderWriter[pb.RouteNote, pb.RouteNote]
