package own

import (
	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/cq"
)

// polledClient is what the clients of completion queues have in common: each
// connection has one of the queues.
type polledClient struct {
	roots
	station *station
}

func newPolledClient(setup load.Setup) *polledClient {
	return &polledClient{roots: roots{setup: setup}, station: newStation(clientQueues(setup))}
}

// Close implements load.Client.
func (c *polledClient) Close() error {
	c.end()
	c.station.close()
	return nil
}

// polledConn is one connection.
type polledConn struct {
	client  *polledClient
	channel *client.Channel
	queue   *cq.Queue
}

func (c *polledClient) dial() (polledConn, error) {
	ch, err := c.channel()
	return polledConn{c, ch, c.station.pick()}, err
}
