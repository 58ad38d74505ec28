// Package quota counts the memory that connections make their server keep. There is one
// [Quota] in a server; a connection has an [Account], which its calls charge (package call).
package quota

import "sync/atomic"

// Quota bounds the memory of messages that nobody has taken yet, over all connections of a
// server: what clients can make it keep by sending. Flow control bounds only each stream,
// and there may be many. A message counts with the part that has come, and with its full
// size once an eighth has come, for then there is memory for the rest.
//
// Beyond the limit a connection may still hold its share, the limit divided by the
// number of connections that hold anything: one that fills the quota does not shut out the
// others. So at most twice the limit is held. Calls that hold 4 KiB or less are not counted.
// All methods may be called concurrently.
type Quota struct {
	limit int64 // bytes; negative: none

	used    atomic.Int64
	holders atomic.Int64 // accounts with anything
}

// New returns a quota of limit bytes; negative: unlimited, only counted.
func New(limit int64) *Quota { return &Quota{limit: limit} }

// Used is how many bytes are held.
func (q *Quota) Used() int64 { return q.used.Load() }

// Account is what one connection holds of a quota. Its zero value counts nothing.
type Account struct {
	quota *Quota // immutable
	used  atomic.Int64
}

// Open makes a zero account one of q.
func (a *Account) Open(q *Quota) { a.quota = q }

// Charge counts n bytes more, and reports whether there may be that many. They are
// counted even if not: the caller drops and releases them.
func (a *Account) Charge(n int64) bool {
	q := a.quota
	if q == nil {
		return true
	}
	mine := a.used.Add(n)
	if mine == n {
		q.holders.Add(1)
	}
	total := q.used.Add(n)
	return q.limit < 0 || total <= q.limit || mine <= q.limit/max(q.holders.Load(), 1)
}

// Release counts n bytes less.
func (a *Account) Release(n int64) {
	q := a.quota
	if q == nil || n == 0 {
		return
	}
	if a.used.Add(-n) == 0 {
		q.holders.Add(-1)
	}
	q.used.Add(-n)
}
