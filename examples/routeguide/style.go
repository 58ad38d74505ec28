package main

import (
	"fmt"

	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/server"
)

// style is one way to program against calls: the same service and the same
// client, written in it.
type style struct {
	name string
	// serve registers the service. drain is called when the server has been shut
	// down and waits for what the style has running.
	serve func(s *server.Server, g *guide) (drain func() error, err error)
	join  func(ch *client.Channel, out *screen) traveller
}

// styles lists them all, the tutorial's first.
func styles() []style {
	return []style{
		{"reactor", serveReactor, joinReactor},
		{"queue", serveQueue, joinQueue},
		{"future", serveFuture, joinFuture},
		{"sync", serveSync, joinSync},
	}
}

// styleNamed finds a style by its name, or by fallback if name is empty.
func styleNamed(name, fallback string) (style, error) {
	if name == "" {
		name = fallback
	}
	for _, s := range styles() {
		if s.name == name {
			return s, nil
		}
	}
	return style{}, fmt.Errorf("style %q: want sync, queue, reactor or future", name)
}
