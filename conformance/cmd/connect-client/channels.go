package main

import (
	"net"
	"strconv"
	"sync"

	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
	"github.com/cqrpc/cqrpc/codec/compressors"
	"github.com/cqrpc/cqrpc/conformance/internal/connect"
	"github.com/cqrpc/cqrpc/conformance/internal/connectpb"
)

// channels are those to the suite's servers, one for each address and pair of
// certificates.
type channels struct {
	mu   sync.Mutex
	byID map[string]*client.Channel
}

// to returns the channel for a request. Any goroutine may call it.
func (c *channels) to(r *connectpb.ClientCompatRequest) (*client.Channel, error) {
	address := net.JoinHostPort(r.GetHost(), strconv.FormatUint(uint64(r.GetPort()), 10))
	id := address + "\n" + string(r.GetServerTlsCert()) + "\n" + string(r.GetClientTlsCreds().GetCert())
	c.mu.Lock()
	defer c.mu.Unlock()
	if ch := c.byID[id]; ch != nil {
		return ch, nil
	}
	ch, err := dial(address, r)
	if err != nil {
		return nil, err
	}
	if c.byID == nil {
		c.byID = make(map[string]*client.Channel)
	}
	c.byID[id] = ch
	return ch, nil
}

func dial(address string, r *connectpb.ClientCompatRequest) (*client.Channel, error) {
	secure, err := connect.ClientTLS(r)
	if err != nil {
		return nil, err
	}
	security := client.WithInsecure()
	if secure != nil {
		security = client.WithTLS(secure)
	}
	return client.NewChannel(address, security, client.WithCompressors(codec.NewCompressors(codec.Gzip(),
		compressors.Brotli(), compressors.Zstd(), compressors.Deflate(), compressors.Snappy())))
}

func (c *channels) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range c.byID {
		ch.Close() // the calls are over
	}
}
