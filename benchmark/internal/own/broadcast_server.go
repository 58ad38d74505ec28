package own

import (
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/cqrpc/cqrpc/benchmark/internal/service"
	"github.com/cqrpc/cqrpc/call"
	"github.com/cqrpc/cqrpc/cq"
	"github.com/cqrpc/cqrpc/server"
)

// broadcasting is how many sends of a broadcast are under way: enough to fill
// writes, few enough that their memory does not matter.
const broadcasting = 4096

// BroadcastServer keeps every ping-pong stream that is opened and sends nothing
// until it is asked to, and then one message to all. A stream costs it one
// pointer: its tags are shared.
type BroadcastServer struct {
	host
	method *server.Method

	mu sync.Mutex
	// guarded by mu
	streams []*call.Call
}

// NewBroadcastServer returns one; Serve and Close are those of every server here.
func NewBroadcastServer() (*BroadcastServer, error) {
	s := &BroadcastServer{host: host{Server: newServer(service.Setting{})}}
	var err error
	if s.method, err = s.RegisterMethod(service.PingPongName, server.PayloadNone); err != nil {
		return nil, err
	}
	st := newStation(serverQueues(service.Setting{}))
	s.drain = func() {
		for _, c := range s.open() {
			c.Close()
		}
		st.close()
	}
	for _, q := range st.queues {
		if err := s.AddQueue(q); err != nil {
			return nil, err
		}
		for range prepost {
			(&door{server: s, queue: q}).request()
		}
	}
	return s, nil
}

// open is the streams so far.
func (s *BroadcastServer) open() []*call.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.streams[:len(s.streams):len(s.streams)]
}

// Open is how many streams there are.
func (s *BroadcastServer) Open() int { return len(s.open()) }

// door lets in one stream after the other.
type door struct {
	server *BroadcastServer
	queue  *cq.Queue
	slot   server.IncomingCall
}

func (d *door) request() {
	_ = d.server.RequestRegisteredCall(d.server.method, &d.slot, d.queue, d.queue, d)
}

// Proceed implements cq.Proceeder. The client learns from the headers that its
// stream is here.
func (d *door) Proceed(ok bool) {
	if !ok {
		return
	}
	c := d.slot.Call
	d.server.mu.Lock()
	d.server.streams = append(d.server.streams, c)
	d.server.mu.Unlock()
	ops := [...]call.Op{call.SendInitialMetadata(nil)}
	must(c.StartBatch(ops[:], ignored{}))
	d.request()
}

// Broadcast sends a message with size bytes of payload to all streams and
// returns to how many it was written. It is marshalled once; all sends share its
// bytes.
func (s *BroadcastServer) Broadcast(size int) (int, error) {
	data, err := proto.Marshal(service.Flood(service.RequestDown(size)))
	if err != nil {
		return 0, err
	}
	b := &broadcast{streams: s.open(), message: call.NewBuffer(data)}
	for range min(broadcasting, len(b.streams)) {
		b.senders.Add(1)
		b.send()
	}
	b.senders.Wait()
	b.message.Free()
	return int(b.sent.Load()), nil
}

// broadcast is the tag of all its sends.
type broadcast struct {
	streams []*call.Call
	message *call.Buffer
	senders sync.WaitGroup // those that find a stream
	next    atomic.Int64
	sent    atomic.Int64
}

// send sends to the next stream that there is.
func (b *broadcast) send() {
	for {
		i := b.next.Add(1) - 1
		if i >= int64(len(b.streams)) {
			b.senders.Done()
			return
		}
		ops := [...]call.Op{call.SendMessage(b.message.Ref())}
		if b.streams[i].StartBatch(ops[:], b) == nil {
			return
		}
		b.message.Free()
	}
}

// Proceed implements cq.Proceeder.
func (b *broadcast) Proceed(ok bool) {
	if ok {
		b.sent.Add(1)
	}
	b.send()
}
