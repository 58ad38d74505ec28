// Package ledger keeps the books of batches: each that was accepted must come
// back, exactly once, and each that was rejected never (CONTRIBUTING.md, invariant 4).
//
//	Start ──► Entry, which is the batch's Completer ──► Begin, Complete ──► Wait
//	                          │
//	                          └── Book: Audit says what came never or twice
//
// Caller and Mount are a client and a server of parity's Service that do nothing
// but batches and have each in a Book, to be run through bad weather by tests
// and by the soak.
//
// Concurrency: all methods of Book may be called by any goroutine; those of an
// Entry by the goroutine that started it, and the engine.
package ledger
