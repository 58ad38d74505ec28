package transport

const (
	fullTrust, halfTrust = 8, 4
	minPause             = 16
)

// trust decides whether the reader goes on doing something of which it cannot know beforehand
// whether it pays: to poll (busyPoll), to lend the connection (loanWorth).
//
//	          earn: level+1, at most 8
//	            ┌─────┐
//	            │     ▼
//	level 4 ──▶ tried each time ───────────── lose: level-n
//	              ▲                                 │ level 0
//	      level 4 │                                 ▼
//	              └──────── not tried: 16 times, and twice as often after each pause
type trust struct {
	level   int8  // 0 to fullTrust
	pause   int16 // how many times are left without a try
	next    int16 // the length of the next pause
	longest int16 // that next becomes
}

func newTrust(level int8, longest int16) trust {
	return trust{level: level, next: minPause, longest: longest}
}

// isTried reports whether to try now. A try after a pause begins with half of the trust.
func (t *trust) isTried() bool {
	switch {
	case t.level > 0:
		return true
	case t.pause > 0:
		t.pause--
		return false
	}
	t.level = halfTrust
	return true
}

// earn notes that a try has paid.
func (t *trust) earn() { t.level = min(t.level+1, fullTrust) }

// lose notes that a try has not paid. It reports whether that has begun a pause.
func (t *trust) lose(n int8) (paused bool) {
	if t.level = max(t.level-n, 0); t.level > 0 {
		return false
	}
	t.pause, t.next = t.next, min(2*t.next, t.longest)
	return true
}

// forgive makes the next pause a short one again.
func (t *trust) forgive() { t.next = minPause }
