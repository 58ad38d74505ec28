package own

import (
	"runtime"
	"time"

	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	"github.com/cqrpc/cqrpc/benchmark/internal/service"
	"github.com/cqrpc/cqrpc/client"
	"github.com/cqrpc/cqrpc/codec"
)

// roots is the channels of a client, and the streams to be ended before them.
type roots struct {
	setup    load.Setup
	channels []*client.Channel
	streams  []interface{ end() }
}

func (r *roots) channel() (*client.Channel, error) {
	security := client.WithInsecure()
	if r.setup.TLS {
		security = client.WithTLS(service.ClientTLS())
	}
	ch, err := client.NewChannel(r.setup.Addr, security, client.WithCodec(codecOf(r.setup.Reuse)),
		client.WithDefaultCallOptions(client.WithMaxRecvMessage(service.MaxMessage)))
	if err == nil {
		r.channels = append(r.channels, ch)
	}
	return ch, err
}

// codecOf returns a codec that receives messages into new memory or, with reuse, into
// that of the message before.
func codecOf(reuse bool) codec.Codec {
	if reuse {
		return codec.ProtoReusing()
	}
	return codec.Proto()
}

// options are those of a unary call, in the styles that take its deadline from an option.
func (r *roots) options() []client.CallOption {
	if r.setup.Deadline == 0 {
		return nil
	}
	return []client.CallOption{client.WithDeadline(time.Now().Add(r.setup.Deadline))}
}

// hold remembers a slot with a stream.
func (r *roots) hold(s interface{ end() }) { r.streams = append(r.streams, s) }

// end ends streams and connections.
func (r *roots) end() {
	for _, s := range r.streams {
		s.end()
	}
	for _, ch := range r.channels {
		_ = ch.Close()
	}
}

// clientQueues is how many completion queues a client has.
func clientQueues(setup load.Setup) int {
	if setup.Queues > 0 {
		return setup.Queues
	}
	return min(max(setup.Conns, 1), runtime.GOMAXPROCS(0))
}
