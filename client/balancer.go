package client

import "github.com/cqrpc/cqrpc/transport"

// This file is the seam between a channel and its connections, be they one or
// several. Channel knows no implementation of balancer.

// balancer makes and keeps a channel's connections. It tells the channel its
// state, and what picks among the connections, by updates.
//
// A subchannel is one, of one connection; a rotation has several. Methods do not
// block and may be called concurrently.
type balancer interface {
	// connect asks for connections where there are none.
	connect()
	// resetBackoff ends waiting between rounds of attempts.
	resetBackoff()
	// release gives back a connection that takes no more streams.
	release(conn *transport.Conn, cause error)
	// idle gives up all connections until the next connect.
	idle()
	// close makes no more connections. The channel closes those that there are.
	close()
}

// sharedParts is what the subchannels of a channel have in common.
type sharedParts struct {
	cfg   *config
	pace  *pingPace
	conns *connSet

	health *healthChecks // nil: none is made
}

func newBalancer(t target, cfg *config, conns *connSet, health *healthChecks, watcher func(update)) balancer {
	all := sharedParts{cfg, newPingPace(cfg.transport.Keepalive.Time), conns, health}
	if cfg.balancing == PickFirst && cfg.connections == 1 && cfg.resolver == nil {
		return newSubchannel(t, nil, all, watcher)
	}
	return newRotation(t, all, watcher)
}

// update is what a balancer tells its channel. Updates may overtake each other
// on their way; one with a lower seq than seen before is out of date.
type update struct {
	seq   uint64
	state State
	pick  picker // Ready only
	err   error  // TransientFailure, Idle: why
}
