// Package transport is one HTTP/2 connection (RFC 9113), client or server by a
// Side value: streams, flow control, settings, pings, GOAWAY. It knows nothing
// of gRPC status or metadata.
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
// The reader lends its work to a goroutine that waits for the connection anyway, where that
// pays: see loan.go. "The reader" is whoever does it.
//
// Concurrency: every exported method may be called from any goroutine and none
// blocks on the network. Receiver and Handler callbacks run on the reader or the
// flusher with no lock held; they must not block. Conn.mu is never held over
// I/O, HPACK or a callback.
package transport
