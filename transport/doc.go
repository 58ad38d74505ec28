// Package transport is one HTTP/2 connection (RFC 9113), client or server by a
// Side value: streams, flow control, settings, pings, GOAWAY. It knows nothing
// of gRPC status or metadata.
//
// Applications set a [Config], with its [Keepalive], [Enforcement] and [Budgets], by the option
// WithTransport of packages client and server, and meet the errors below in what is logged and as
// causes of a call's error. All else is for those two packages, which own the connections.
//
//	Stream.Send / Reset / Consume          socket
//	        |                                 |
//	        v                                 v
//	  Conn.mu: tables, windows,         reader: one goroutine, frames in,
//	  control state to be sent          Receiver callbacks out
//	        |                                 |
//	        v                                 |
//	  flusher: spawned when there is    <-----+ acks, credit
//	  something to send, gone after
//
// # The life of a stream
//
//	client   NewStream ─► Send: opening ─► the flusher gives it an identifier: in the table ─► ended
//	server   HEADERS: in the table ─► OnStream, Accept ──────────────────────────────────────► ended
//
// What a stream has to send waits in its pending (pending.go). The stream itself waits
// for the flusher in one queue, or in none:
//
//	opening   it has no identifier yet: the peer's MAX_CONCURRENT_STREAMS is reached
//	ready     a frame of it can be planned; streams with little to send go first (ready.go)
//	stalled   the connection's window is used up
//	none      it has nothing to send, or its own window is used up: WINDOW_UPDATE brings it back
//
// It ends once: when both sides have sent END_STREAM, by RST_STREAM from either, because the
// peer broke a rule, or with its connection. OnClosed tells the Receiver, unless its owner
// has called Reset. Frames that arrive after the end are judged by how it ended (recent.go).
//
// # Who reads, and batches of frames
//
// One goroutine at a time reads a connection, and that one owns the fields that are marked
// "reader only". Most of the time it is the reader's own goroutine:
//
//	await ─► readBatch: what is buffered, frame by frame ─► lane.Flush ─► lend, if it pays ─► endBatch ─┐
//	  ▲        each frame: Receiver and Handler callbacks                                               │
//	  └─────────────────────────────────────────────────────────────────────────────────────────────────┘
//
// A batch is what one read has brought, at most 64 frames. While it lasts no flusher is started:
// callbacks, and whoever they wake, only note what is to be sent, and endBatch writes all of it
// at once. For the same reason completions are collected in the lane and delivered together.
//
// To lend is to let a goroutine read that waits for this connection anyway: a poller, a worker, a
// sync caller. Then nobody has to be woken. The reader gets the connection back when a frame is
// incomplete, when nothing comes for long, and at the end of the connection (loan.go,
// docs/decisions/016).
//
// # Who writes, and turns
//
// One goroutine at a time is the flusher, and owns Conn.w. It works in turns: it plans the turn
// under Conn.mu (plan.go), encodes and writes without the lock, and then tells the Receivers what
// was accepted (writer.go). The next turn is planned only when the last was written, so a full
// socket holds completions back instead of filling memory.
//
// # Windows and credit
//
// The connection's receive window is given back as bytes are read, a stream's as the application
// takes messages: Consume collects credit, which is announced when it reaches a quarter of the
// window. A receive that waits for a message gives the credit for all of it in advance, so that
// a message larger than the window does not get stuck. Windows begin small and grow with what the
// path can carry (bdp.go), but where the application does not keep up. Several streams share a window
// of the connection that is no larger than the path needs, so that small calls do not wait behind what
// large messages have on the way (connwindow.go, docs/decisions/022).
//
// # Where to find what
//
//	setup, config, conn, handshake, shutdown, timers     a connection from its beginning to its end
//	stream, state, table, fifo, recent, gone             streams, their states, where they are kept
//	reader, batch, dispatch                              frames, a batch at a time
//	headers, data, settings, ping, reset, goaway         what each type of frame does
//	flow, connwindow, bdp, busiest                       windows, and how they grow
//	writer, plan, ready, pending, outmessage, control    a turn, and what waits for it
//	loan, loanworth, busypoll, trust, rest, deadline     who reads, and how the socket is waited for
//	socket, fd, secure, cipher, security                 sockets used without waiting; TLS
//	budget, elders, instant                              what a peer may cost; time
//	receiver                                             what a connection reports to
//
// # Concurrency
//
// Every exported method may be called from any goroutine and none blocks on the
// network. Receiver and Handler callbacks run on the reader or the flusher with no
// lock held; they must not block. Conn.mu is never held over I/O, HPACK or a callback.
package transport
