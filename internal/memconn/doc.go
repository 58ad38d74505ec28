// Package memconn is an in-memory network for tests: a net.Conn pair and a
// net.Listener whose waits all park on a sync.Cond and whose deadlines follow
// the clock of the bubble they are used in, so a test inside testing/synctest
// sees a connection that is quiet instead of one that is slow.
//
//	client                         server
//	┌──────┐   flow (buffer) ──►   ┌──────┐
//	│ Conn │                       │ Conn │
//	└──────┘   ◄── flow (buffer)   └──────┘
//
// Each direction is a flow of its own, with its own buffer, limit, stall and
// failure. Unlike net.Pipe a Write does not wait for a Read: bytes are
// buffered, without bound unless SetWriteLimit set one.
//
// Conn and Listener are safe for concurrent use in the way net.Conn and
// net.Listener are: any method from any goroutine, concurrent Writes are not
// interleaved.
package memconn
