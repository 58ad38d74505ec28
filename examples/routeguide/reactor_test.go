package main

import (
	"context"
	"log/slog"
	"slices"
	"testing"

	"github.com/cqrpc/cqrpc/client"
	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
)

// journal is a slog.Handler that hands records to the test.
type journal chan string

func (j journal) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.Value.String()
		return true
	})
	j <- line
	return nil
}

func (j journal) Enabled(context.Context, slog.Level) bool { return true }
func (j journal) WithAttrs([]slog.Attr) slog.Handler       { return j }
func (j journal) WithGroup(string) slog.Handler            { return j }

// The reactors of the server are told once of the end of their calls, and before
// the program has stopped.
func TestReactorsAreToldOfTheEnd(t *testing.T) {
	lines := make(journal, 100)
	o := defaults()
	o.log = slog.New(lines)
	s, err := styleNamed("reactor", "")
	if err != nil {
		t.Fatal(err)
	}
	addr, stop := serving(t, s, o)
	o.connect = addr
	printed(t, o)
	stop()
	close(lines)
	var told []string
	for line := range lines {
		told = append(told, line)
	}
	slices.Sort(told) // a reactor may still be at its end when the next call comes
	want := []string{
		"RPC completed GetFeature", "RPC completed GetFeature", "RPC completed ListFeatures",
		"RPC completed RecordRoute", "RPC completed RouteChat",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}

// A client that gives up makes OnCancel come, and OnDone after it.
func TestReactorIsToldOfCancellation(t *testing.T) {
	lines := make(journal, 10)
	o := defaults()
	o.log = slog.New(lines)
	s, err := styleNamed("reactor", "")
	if err != nil {
		t.Fatal(err)
	}
	addr, stop := serving(t, s, o)
	defer stop()
	channel, err := client.NewChannel(addr, client.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	defer channel.Close()
	chat, err := pb.NewRouteGuideSyncClient(channel).RouteChat(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the answer to the second note shows that the call is being served
		if err := chat.Send(note("anybody here?", 5, 5)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := chat.Recv(); err != nil {
		t.Fatal(err)
	}
	chat.Close()
	for _, want := range []string{"RPC cancelled RouteChat", "RPC completed RouteChat"} {
		if line := <-lines; line != want {
			t.Errorf("%q, want %q", line, want)
		}
	}
}
