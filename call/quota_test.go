package call

import (
	"strings"
	"testing"

	"github.com/cqrpc/cqrpc"
	"github.com/cqrpc/cqrpc/internal/quota"
)

// accountsOf returns accounts of connections.
func accountsOf(q *quota.Quota, n int) []*quota.Account {
	list := make([]*quota.Account, n)
	for i := range list {
		list[i] = new(quota.Account)
		list[i].Open(q)
	}
	return list
}

func wantUsed(t *testing.T, when string, q *quota.Quota, n int) {
	t.Helper()
	if got := q.Used(); got != int64(n) {
		t.Errorf("%s: %d bytes are held, want %d", when, got, n)
	}
}

// large is a message that counts, on the wire.
var large = wire(strings.Repeat("x", 2*uncounted))

// Messages that nobody has taken are charged, as they come and until they are taken.
func TestQuotaCountsWhatIsUnread(t *testing.T) {
	q := quota.New(-1)
	r := newServerRig(t, Config{Account: accountsOf(q, 1)[0]})
	half := len(large) / 2
	r.data(large[:uncounted], false)
	wantUsed(t, "little enough", q, 0)
	r.data(large[uncounted:]+large[:half], false)
	wantUsed(t, "one and a half", q, len(large)+half)
	var b *Buffer
	r.start("recv", RecvMessage(&b))
	wantUsed(t, "the first is taken", q, half)
	r.want("one", "recv")
	take(b)
	r.start("recv", RecvMessage(&b))
	r.data(large[half:]+large[:1], false)
	wantUsed(t, "the second was waited for", q, 1)
	r.want("two", "recv")
	take(b)
	r.data(large[1:]+large, false)
	wantUsed(t, "two more", q, 2*len(large))
	r.c.StopReceiving()
	wantUsed(t, "nobody wants them", q, 0)
}

// Memory that is reserved for a message is charged before the message has come.
func TestQuotaCountsWhatIsReserved(t *testing.T) {
	q := quota.New(-1)
	r := newServerRig(t, Config{Account: accountsOf(q, 1)[0]})
	whole := wire(strings.Repeat("x", 64*uncounted))
	at := 0
	send := func(n int) {
		r.data(whole[at:at+n], false)
		at += n
	}
	send(2 * uncounted)
	wantUsed(t, "too little to be believed", q, at)
	send(len(whole) / 4)
	wantUsed(t, "a good part", q, len(whole))
	send(len(whole) / 4)
	wantUsed(t, "more of it", q, len(whole))
	send(len(whole) - at)
	wantUsed(t, "all of it", q, len(whole))
	var b *Buffer
	r.start("recv", RecvMessage(&b))
	wantUsed(t, "taken", q, 0)
	r.want("taken", "recv")
	take(b)
}

// Whatever ends a call, its charge is given back.
func TestQuotaAtTheEnd(t *testing.T) {
	for name, end := range map[string]func(r *rig){
		"cancelled": func(r *rig) { r.c.Cancel() },
		"closed":    func(r *rig) { r.c.Close() },
		"reset":     func(r *rig) { r.closed(nil); r.c.Close() },
		"answered": func(r *rig) {
			r.start("st", SendStatus(cqrpc.Status{}, nil))
			r.accept()
			r.want("answered", "st")
		},
		"malformed": func(r *rig) { r.data("\x07", false); r.c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			q := quota.New(-1)
			r := newServerRig(t, Config{Account: accountsOf(q, 1)[0]})
			r.data(large, false)
			wantUsed(t, "received", q, len(large))
			end(r)
			wantUsed(t, "ended", q, 0)
		})
	}
}

// A call that goes beyond the limit ends, and its memory is freed.
func TestQuotaIsPassed(t *testing.T) {
	q := quota.New(int64(len(large)))
	account := accountsOf(q, 1)[0]
	account.Charge(1) // another call's
	r := newServerRig(t, Config{Account: account})
	var b *Buffer
	r.start("recv", RecvMessage(&b))
	r.data(large, false)
	r.want("what is waited for and comes at once passes", "recv")
	take(b)
	r.data(large[:uncounted], false)
	if err := r.c.Err(); err != nil {
		t.Errorf("a call with little ends with %v", err)
	}
	r.data(large[uncounted:], false)
	if err := r.c.Err(); cqrpc.CodeOf(err) != cqrpc.CodeResourceExhausted {
		t.Errorf("the call ends with %v", err)
	}
	wantUsed(t, "refused", q, 1)
}
