package server_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/server"
)

// Without a name a handler is for all methods that are not registered. That takes messages as bytes, in any number:
// a handler of another shape, or the zero Handler, has lost its name.
func TestHandlersWithoutName(t *testing.T) {
	s := server.New()
	for what, h := range map[string]server.Handler{
		"zero":        {},
		"sync":        server.Unary(call.Method[text, text]{}, func(context.Context, *text) (*text, error) { return nil, nil }),
		"other style": server.NewHandler("", call.ServerStream, func(server.Accepted) {}),
	} {
		err := s.Register(h)
		if err == nil || !strings.Contains(err.Error(), "not of the form /package.Service/Method") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := s.Register(server.NewHandler("", call.BidiStream, func(server.Accepted) {})); err != nil {
		t.Error(err)
	}
}

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
