package server_test

import (
	"slices"
	"testing"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/server"
)

// A service is served if one of its methods is, in whatever way.
func TestServices(t *testing.T) {
	s := server.New()
	if got := s.Services(); len(got) != 0 {
		t.Errorf("a new server serves %q", got)
	}
	err := s.Register(
		serverUnaryEcho,
		server.NewHandler("/test.Zoo/Feed", call.BidiStream, func(server.Accepted) {}),
		server.NewHandler("/test.Zoo/Visit", call.BidiStream, func(server.Accepted) {}),
		server.NewHandler("", call.BidiStream, func(server.Accepted) {}), // a generic one
	)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.RegisterMethod("/test.Asked/For", server.PayloadOnly); err != nil {
		t.Fatal(err)
	}
	want := []string{"test.Asked", "test.Echo", "test.Zoo"}
	for c := 'a'; c <= 'z'; c++ { // sorted they come by no accident
		name := "test.z" + string(c)
		if err := s.Register(server.NewHandler("/"+name+"/M", call.Unary, func(server.Accepted) {})); err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	if got := s.Services(); !slices.Equal(got, want) {
		t.Errorf("it serves %q, want %q", got, want)
	}
}
