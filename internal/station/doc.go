// Package station is where the calls of the future style live: a queue with its poller, and
// what is known of the calls on it, so that the end of a future.Environment finds them. An
// environment has some, client/future and server/future put calls there.
//
//	Start ─► poller: AfterStart ─► events, each runs its tag ─► queue drained ─► BeforeStop
//
//	Enter ─► in flight ─► Leave        Evict: nobody enters any more, the tenants are told to end
//
// Concurrency: all functions and methods may be called by any goroutine. Station.mu is never
// held over a tenant's method or a hook.
package station
