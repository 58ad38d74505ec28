// Package call is the batch/tag engine: gRPC calls as sets of operations that
// complete, by tag, through a completion queue.
//
// A [Call] has a slot for each kind of operation of its side, six on a client
// and five on a server: at most one of a kind is outstanding. A batch fills
// slots; events of the stream and of the application empty them; the last one
// to empty completes the batch's tag, exactly once.
//
//	StartBatch          Call.mu                       Stream
//	validate ──► encode ──► slots ──► Outgoing ─────► Send
//	                          ▲                         │
//	harvester ◄── lane ◄── settle ◄── OnHeaders, OnData, OnSent, OnClosed
//	  Finalize: decode, return credit, write out-parameters
//
// # Concurrency
//
// Every method of Call is safe for concurrent use, never blocks and starts no
// goroutine. Encoding happens in StartBatch on the caller's goroutine, decoding
// in the goroutine that harvests the event; so are filters, see [Filter], called
// there, which should not block either. Call.mu is never held while a
// Stream, an Opener, a cq.Completer, a codec or user code is called. What was
// passed to an operation by pointer is written only while its event is being
// harvested, and must not be touched before.
//
// # Where this differs from C-core
//
//   - A rejected batch changes nothing; the caller keeps its buffers.
//   - A slot is free when its operation completes, not when its tag is popped.
//   - Messages are not held back until RecvInitialMetadata was started; the
//     initial metadata stays readable later.
//   - Whole messages that arrived are never discarded unless this side gave up
//     (cancel, deadline, undecodable message, Close): after a status other than
//     OK they can still be read. A status of OK waits for them to be taken.
//   - Until the application has taken the last message, an OK that arrived is
//     tentative: a cancel, a deadline or a message that does not decode replaces
//     it, so that nobody takes a cut sequence for a complete one.
//   - Server: a status without initial metadata but with a message implies empty
//     initial metadata instead of waiting for it.
//   - Metadata larger than the peer's MAX_HEADER_LIST_SIZE is not sent but ends the
//     call with RESOURCE_EXHAUSTED; of a status, details and text give way first.
//   - BufferHint completes a message as soon as it fits the write buffer, but
//     holds nothing back: the connection coalesces writes by itself. WriteThrough
//     changes nothing: without the hint a send is reported after its write.
package call
