// Package envelope lets the callers and hosts of package parity, whose messages
// are bytes in an envelope, talk to peers that know no envelope: what is inside
// is the message on the wire.
//
//	parity.Message{Value: b}  ──Append──►  b  ──Unmarshal──►  parity.Message{Value: b}
//
// Concurrency: everything here may be used concurrently.
package envelope
