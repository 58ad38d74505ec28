// Routeguide is the route guide of gRPC's tutorials on cqrpc, client and server
// in each of the four styles. The reactors follow the tutorial on the callback
// API line by line; the other styles do the same, and print the same.
//
//	go run ./examples/routeguide                                  every style, here
//	go run ./examples/routeguide -style reactor                   one of them
//	go run ./examples/routeguide -client-style sync -server-style queue
//	go run ./examples/routeguide -listen 127.0.0.1:50051          only serves, until interrupted
//	go run ./examples/routeguide -connect 127.0.0.1:50051         only travels
//
// Any gRPC client and server of the route guide can be the other side.
//
// # Where to find what
//
//	sync, queue, reactor, future   a client and a server in each style: start here
//	main, style, host              the command line, and what it starts
//	guide, features, distance      what the servers know
//	traveller, route, screen       what the clients want, and how they show it
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/cqrpc/cqrpc/client"
)

// options is the command line, and what a test wants to decide.
type options struct {
	style, clientStyle, serverStyle string
	listen, connect                 string
	maxDelay                        time.Duration

	now func() time.Time
	log *slog.Logger
}

func main() {
	o := options{now: time.Now, log: slog.New(slog.DiscardHandler)}
	flag.StringVar(&o.style, "style", "", "sync, queue, reactor or future; without it all, or reactor if one is wanted")
	flag.StringVar(&o.clientStyle, "client-style", "", "style of the client, if not -style")
	flag.StringVar(&o.serverStyle, "server-style", "", "style of the server, if not -style")
	flag.StringVar(&o.listen, "listen", "", "serve on this address instead of running the demonstration")
	flag.StringVar(&o.connect, "connect", "", "travel with the server at this address instead")
	flag.DurationVar(&o.maxDelay, "delay", 45*time.Millisecond, "the longest pause at a point of a route")
	verbose := flag.Bool("v", false, "log what the server sees of its calls, to standard error")
	flag.Parse()
	if *verbose {
		o.log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, &screen{w: os.Stdout}, o); err != nil {
		fmt.Fprintln(os.Stderr, "routeguide:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out *screen, o options) error {
	places, err := loadFeatures()
	if err != nil {
		return err
	}
	pairs, err := o.pairs()
	switch {
	case err != nil:
		return err
	case o.maxDelay < 0:
		return errors.New("-delay must not be negative")
	case o.listen != "" && o.connect != "":
		return errors.New("-listen and -connect exclude each other")
	case o.listen != "":
		return listenAndServe(ctx, out, o, pairs[0].server, places)
	case o.connect != "":
		return visit(ctx, out, o, pairs[0].client, o.connect, places)
	}
	for _, p := range pairs {
		if err := demonstrate(ctx, out, o, p, places); err != nil {
			return fmt.Errorf("%s client, %s server: %w", p.client.name, p.server.name, err)
		}
	}
	return nil
}

// pair is the styles of the two sides.
type pair struct{ client, server style }

// pairs lists what is to be demonstrated; the first is what runs alone.
func (o options) pairs() ([]pair, error) {
	if o.style == "" && o.clientStyle == "" && o.serverStyle == "" {
		var all []pair
		for _, s := range styles() {
			all = append(all, pair{s, s})
		}
		return all, nil
	}
	fallback := o.style
	if fallback == "" {
		fallback = styles()[0].name
	}
	var p pair
	var err, serverErr error
	p.client, err = styleNamed(o.clientStyle, fallback)
	p.server, serverErr = styleNamed(o.serverStyle, fallback)
	return []pair{p}, errors.Join(err, serverErr)
}

// demonstrate starts a server on a free loopback port and travels with it.
func demonstrate(ctx context.Context, out *screen, o options, p pair, places features) error {
	out.linef("============== %s client, %s server ==============", p.client.name, p.server.name)
	h, err := newHost("127.0.0.1:0", p.server, o.guide(places))
	if err != nil {
		return err
	}
	return errors.Join(visit(ctx, out, o, p.client, h.addr(), places), h.stop())
}

func (o options) guide(places features) *guide {
	return &guide{features: places, now: o.now, log: o.log}
}

// listenAndServe serves until ctx ends.
func listenAndServe(ctx context.Context, out *screen, o options, s style, places features) error {
	h, err := newHost(o.listen, s, o.guide(places))
	if err != nil {
		return err
	}
	out.linef("serving on %s, interrupt to stop", h.addr())
	<-ctx.Done()
	return h.stop()
}

// visit travels with the server at addr.
func visit(ctx context.Context, out *screen, o options, s style, addr string, places features) error {
	channel, err := client.NewChannel(addr, client.WithInsecure())
	if err != nil {
		return err
	}
	defer channel.Close()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	t := s.join(channel, out)
	return errors.Join(travel(ctx, out, t, places, o.maxDelay), t.close())
}
