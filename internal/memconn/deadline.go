package memconn

import "time"

// deadline is the expiry of the reads or the writes of one flow. All of it is
// guarded by the mu of that flow.
type deadline struct {
	timer   *time.Timer
	setting int // counts the changes, so that a late timer knows it is late
	expired bool
}

// disarm takes back the expiry, past or to come.
func (d *deadline) disarm() {
	if d.timer != nil {
		d.timer.Stop()
	}
	*d = deadline{setting: d.setting + 1}
}

// arm makes d expire at the given time on f's clock; the zero time is never.
func (d *deadline) arm(f *flow, at time.Time) {
	d.disarm()
	if at.IsZero() {
		return
	}
	wait := time.Until(at)
	if wait <= 0 {
		d.expired = true
		return
	}
	setting := d.setting
	d.timer = time.AfterFunc(wait, func() {
		f.update(func() { d.expired = d.expired || d.setting == setting })
	})
}
