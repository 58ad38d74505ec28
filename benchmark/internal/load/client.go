package load

import (
	"context"
	"time"
)

// Client is one implementation in one style.
type Client interface {
	// Dial makes a connection of its own. It may connect later.
	Dial() (Conn, error)
	// Close ends all connections and waits for what the client started. All
	// slots rest.
	Close() error
}

// Conn makes slots for one kind of work on one connection. Slots are made by one
// goroutine.
type Conn interface {
	Unary(t *Turn) Slot    // a call
	PingPong(t *Turn) Slot // a message there and one back, on one stream
	Down(t *Turn) Slot     // a message received, on one stream
	Up(t *Turn) Slot       // a message sent, on one stream
}

// Slot does one operation at a time, and again as long as its Turn says so. A
// slot with a stream opens it with the first operation and leaves it open until
// its client is closed.
type Slot interface {
	// Start begins an operation and does not wait for it: Turn.Done is called by
	// whichever goroutine finds out that it has ended.
	Start()
}

// Setup is what is common to the clients.
type Setup struct {
	Addr   string
	Size   int  // of a message's payload, in bytes
	Up     int  // payload of a unary call's request, see Plan.Payloads
	Down   int  // payload of its response
	Queues int  // completion queues or pollers; 0: one per connection, at most one per processor
	Conns  int  // how many connections there will be
	Inline bool // reactor: react on the engine's goroutine
	Reuse  bool // raw, queue, reactor: receive each message into the memory of the one before

	Deadline time.Duration // of a unary call; 0: none
	TLS      bool          // encrypt, with service.ClientTLS
}

// Follow fills in what p says of the calls.
func (s *Setup) Follow(p Plan) {
	s.Size, s.Conns, s.Deadline, s.TLS = p.Size, p.Conns, p.Deadline, p.TLS
	s.Up, s.Down = p.Payloads()
	if p.Crowd.Streams > 0 {
		s.Size = p.Crowd.Size // of messages on streams: calls have Up and Down
	}
}

// Context is that of a unary call whose API takes its deadline from there.
func (s *Setup) Context() (context.Context, context.CancelFunc) {
	if s.Deadline == 0 {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), s.Deadline)
}

// Blocking makes a slot of a function that waits: it has a goroutine while it
// is at work, and none while it rests.
func Blocking(t *Turn, operation func() error) Slot { return &blocking{t, operation} }

type blocking struct {
	turn      *Turn
	operation func() error
}

func (b *blocking) Start() { go b.run() }

func (b *blocking) run() {
	for b.turn.Done(b.operation()) {
	}
}
