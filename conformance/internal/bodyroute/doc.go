// Package bodyroute is an HTTP/2 server on transport.Conn that answers any
// request with 200 and a body, as h2spec expects of an HTTP server: gRPC's own
// answer to a GET has no body, so that some cases would mean nothing. It is
// for tests of the transport; nothing of it is in the library.
//
//	HEADERS ... END_STREAM ──► 200, DATA of Body octets ──► END_STREAM
//
// The body goes the way of every message, through flow control and the flusher.
//
// Concurrency: a Server may be used by any goroutine. Its exchanges belong to
// the reader of their connection.
package bodyroute
