// Package faultproxy is a bad network for tests: it stands between a client and
// a server and passes their bytes on late, in pieces, up to a point, or not.
//
//	client ──► Proxy ── Up: Delay, Jitter, Chunk, Fault at byte N ──► server
//	       ◄── Proxy ◄── Down: the same, of its own ◄───────────────
//
// Bytes of one direction never change and never overtake each other, as TCP
// promises; the directions, and connections, do overtake each other. What a Way
// does, it does by the clock and by counting bytes, so a run in a synctest
// bubble over memconn can be repeated, with the fault one byte further on.
//
// It works over any net.Listener and net.Conn. How a Cut looks depends on them:
// over TCP it is a RST, over memconn a failure with ECONNRESET, else a Close.
//
// Concurrency: all methods of Proxy may be called by any goroutine. The functions
// of a Plan are called by one goroutine at a time per direction.
package faultproxy
