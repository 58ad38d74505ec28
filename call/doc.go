// Package call is the batch/tag engine: gRPC calls as sets of operations that
// complete, by tag, through a completion queue.
//
// A [Call] has a slot for each kind of operation of its side, six on a client
// and five on a server: at most one of a kind is outstanding. A batch fills
// slots; events of the stream and of the application empty them. When the last
// slot of a batch is empty its tag completes, exactly once.
//
//	StartBatch          Call.mu                       Stream
//	validate ──► encode ──► slots ──► Outgoing ─────► Send
//	                          ▲                         │
//	harvester ◄── lane ◄── settle ◄── OnHeaders, OnData, OnSent, OnClosed
//	  Finalize: decode, return credit, write out-parameters
//
// # Who needs what
//
//   - Applications: [Method], which generated code declares; [Filter] with [Start] and [End]; [RetryPolicy]
//     and [RetryThrottling]; [Peer] and [Propagation]; [Buffer] and [Encode]. Those that use a queue without
//     a style get a [Call] from client.Channel.NewCall or server.Server.RequestCall, and do everything with
//     [Call.StartBatch], the operations ([Op]) and their [Flags]. [BatchError] is a mistake in the program.
//   - Styles, which turn these into something to program with: [Misuse], [Drop], [ContextError],
//     [SplitMethod], [Config.Filter], and the methods that [Call] lists for them.
//   - Packages client and server, which make the calls: [NewClient], [NewServer], [Config], [Settings],
//     [ClientCall] and [RequestError]. [Opener], [Stream] and [Attempt] are what they put between a call and
//     the transport.
//
// # The life of a call
//
// The call as a whole is running, then over. In between a client's call is draining if its OK
// has come before its messages were taken. Each direction has a state of its own. A slot holds
// the batch whose operation is outstanding (state.go, batch.go).
//
//	client   NewClient ─► SendInitialMetadata ─► Opener.Open ─► Bind: a stream ─► … ─► verdict
//	server   request ─► NewServer ─► BindCompleter ──────────────────────────────► … ─► verdict
//
// Whatever ends it, a status, a lost stream, a deadline, Cancel, becomes a verdict, and
// concludeLocked decides whether that counts: the first one does, but an OK is tentative for a
// while, see below. Then every outstanding operation completes (end.go). A client's call whose
// stream was refused unprocessed does not end: it gets another stream, and what it has sent
// is sent again (replay.go). So does a call that has failed and whose policy allows another
// attempt, after a pause in which it rests (retry.go).
//
// # How a method is made
//
// Every event, a batch that starts or a report of the stream, is handled in three steps, so that
// no lock is held while other packages are called:
//
//	c.mu.Lock()
//	c.…Locked(…, &a, lane)   decide: change states, empty slots
//	c.mu.Unlock()
//	a.perform(c)             what concerns the stream, the opener, the family, filters (after.go)
//	lane.Flush()             completions, unless the lane is the transport's, which flushes it later
//
// # Credit
//
// Bytes that arrive are owed to the peer as credit until the application takes their message:
// Stream.Consume gives them back when the RecvMessage is harvested. While a RecvMessage is
// outstanding, the credit for the message that it waits for is given in advance, all of it once
// its length is known, so that no window is too small for a message (recv.go).
//
// # Where to find what
//
//	call, client, server, settings, method    what a call is made of; the call as others see it
//	op, batch, buffer                         operations, the slots they take, the messages they send
//	parcel, headers, coding, lists            sends become header lists and framed messages
//	send, outbox, replay                      what the stream is given, and when; what may be sent again
//	retry, throttle                           whether it is sent again: a call's policy, a channel's tokens
//	recv, fields, inbox, page                 header blocks and messages that arrive; how much may wait
//	harvest                                   decoding, where the event is taken
//	state, end, status, errors, cause         phases, verdicts, their codes and causes
//	deadline, alarm, watch, parent            what else can end a call
//	filter, passage, passing                  filters
//	stream, after, await                      the seams: transport, opener, whoever waits
//
// # Concurrency
//
// Every method of Call is safe for concurrent use, never blocks (except Await) and
// starts no goroutine. Encoding happens in StartBatch on the caller's goroutine, decoding
// on the goroutine that harvests the event. Filters are called there, too, see [Filter],
// and should not block either. Call.mu is never held while a Stream, an Opener, a
// cq.Completer, a codec or user code is called. What was passed to an operation by
// pointer is written only while its event is being harvested, and must not be touched
// before.
//
// # Where this differs from C-core
//
//   - A rejected batch changes nothing; the caller keeps its buffers.
//   - A slot is free when its operation completes, not when its tag is popped.
//   - Messages do not wait for RecvInitialMetadata to be started; the initial
//     metadata stays readable later.
//   - Whole messages that arrived are never discarded unless this side gave up
//     (cancel, deadline, undecodable message, Close): after a status other than
//     OK they can still be read. A status of OK waits for them to be taken.
//   - Until the application has taken the last message, an OK that arrived is
//     tentative: a cancel, a deadline or a message that does not decode replaces
//     it, so that nobody takes a truncated sequence for a complete one.
//   - Server: a status without initial metadata but with a message implies empty
//     initial metadata instead of waiting for it.
//   - Metadata larger than the peer's MAX_HEADER_LIST_SIZE is not sent but ends the
//     call with RESOURCE_EXHAUSTED; of a status, details and text are cut first.
//   - BufferHint completes a message as soon as it fits the write buffer, but
//     holds nothing back: the connection coalesces writes by itself. WriteThrough
//     changes nothing: without the hint a send is reported after its write.
package call
