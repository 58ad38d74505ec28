// Package mem holds the reference-counted, pooled byte buffers that carry
// message bytes from the socket to the application and back.
//
//	Get ──► owner ──pass──► owner ──Ref──► two owners ──Free, Free──► pool
//	          └──Sub──► view, an owner of the same memory ──Free──┘
//
// A Buffer has one owner at a time; passing it to a function that documents
// "takes ownership" transfers it. Ref adds an owner, Free drops one; the last
// Free returns pooled memory. Bytes of a Buffer with more than one owner are
// read-only. Pools hold buffers up to 4 MiB until they have been idle through two
// garbage collections, and large ones, 16 MiB at most, until a second after their last
// use.
//
// Ref, Sub, Free and reading the bytes may run concurrently, each on behalf of an
// owner of its own; what changes a buffer is for a sole owner. A buffer must not be
// touched after its owner's Free: in tests, [Track] overwrites freed pooled memory so
// that doing so shows.
package mem
