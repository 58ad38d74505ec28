package cq_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cqrpc/cqrpc/cq"
)

// A program is a string of steps, one byte each: the step and its argument.
// machine runs it on a queue and on a model of one, and compares.
type machine struct {
	t     *testing.T
	q     *cq.Queue
	pluck bool

	// the model
	began    int        // operations without an end, alarms not counted
	ready    []cq.Event // ended and not harvested, oldest first
	swallow  []bool     // for each of ready: its finalizer keeps it from being delivered
	alarms   map[*cq.Alarm]int
	armed    []*cq.Alarm
	shutdown bool
}

const (
	tags     = 5 // few, so that they repeat
	numSteps = 10
)

// run executes the program, then shuts the queue down and drains it.
func run(t *testing.T, pluck bool, program []byte) {
	m := &machine{t: t, q: cq.New(), pluck: pluck, alarms: map[*cq.Alarm]int{}}
	if pluck {
		m.q = cq.NewPluck()
	}
	for _, b := range program {
		m.step(int(b)%numSteps, int(b)/numSteps)
		if t.Failed() {
			t.Fatalf("program %v, at %v", program, m.q)
		}
	}
	m.stepShutdown()
	for m.began > 0 {
		m.stepComplete(0)
	}
	for i := range tags * (len(m.ready) + 1) {
		m.stepHarvest(i)
	}
	if len(m.ready) != 0 || m.q.Begin() {
		t.Errorf("program %v: not drained: %v", program, m.q)
	}
}

func (m *machine) step(step, arg int) {
	switch step {
	case 0, 1:
		m.stepBegin()
	case 2, 3:
		m.stepComplete(arg)
	case 4:
		m.stepPost(arg)
	case 5, 6:
		m.stepHarvest(arg)
	case 7:
		m.stepHarvestMany(arg)
	case 8:
		m.stepAlarm(arg)
	case 9:
		if arg%4 == 0 {
			m.stepShutdown()
		} else {
			m.stepCancel()
		}
	}
}

// finished is invariant 3 of the catalogue: Begin succeeds iff pending > 0.
func (m *machine) finished() bool { return m.shutdown && m.began == 0 }

func (m *machine) stepBegin() {
	if got, want := m.q.Begin(), !m.finished(); got != want {
		m.t.Errorf("Begin is %v, want %v", got, want)
	} else if got {
		m.began++
	}
}

func (m *machine) stepComplete(arg int) {
	if m.began == 0 {
		return
	}
	m.began--
	ev := cq.Event{Kind: cq.OpComplete, Tag: arg % tags, OK: arg%2 == 0}
	swallow := arg%7 == 3
	c := cq.Completion{Tag: ev.Tag, OK: ev.OK}
	if swallow {
		c.Finalizer = finalize(func(*cq.Event) bool { return false })
	}
	m.push(ev, swallow)
	m.q.Complete(c)
}

func (m *machine) push(ev cq.Event, swallow bool) {
	m.ready = append(m.ready, ev)
	m.swallow = append(m.swallow, swallow)
}

func (m *machine) stepPost(arg int) {
	ev := completed(arg % tags)
	switch err := m.q.Post(ev.Tag, ev.OK); {
	case m.finished():
		wantErr(m.t, err, cq.ErrShutdown)
	case err != nil:
		m.t.Errorf("Post: %v", err)
	default:
		m.push(ev, false)
	}
}

// stepHarvest makes one check without waiting.
func (m *machine) stepHarvest(arg int) {
	var got cq.Event
	want := m.expect(func(ev cq.Event) bool { return !m.pluck || ev.Tag == arg%tags })
	if m.pluck {
		got = m.q.PluckUntil(past, arg%tags)
	} else {
		got = m.q.NextUntil(past)
	}
	wantEvent(m.t, got, want)
}

// expect takes the oldest selected event that is not swallowed from the model.
func (m *machine) expect(selected func(cq.Event) bool) cq.Event {
	for {
		i := slices.IndexFunc(m.ready, selected)
		if i < 0 {
			break
		}
		ev, swallow := m.ready[i], m.swallow[i]
		m.ready = slices.Delete(m.ready, i, i+1)
		m.swallow = slices.Delete(m.swallow, i, i+1)
		if !swallow {
			return ev
		}
	}
	if m.finished() {
		return shutdown
	}
	return cq.Event{Kind: cq.Timeout, Err: context.DeadlineExceeded}
}

func (m *machine) stepHarvestMany(arg int) {
	if m.pluck || !slices.Contains(m.swallow, false) {
		return
	}
	dst := make([]cq.Event, arg+1)
	n, kind := m.q.NextN(m.t.Context(), dst)
	if n == 0 || kind != cq.OpComplete {
		m.t.Errorf("NextN: got %d, %v", n, kind)
	}
	for _, got := range dst[:n] {
		wantEvent(m.t, got, m.expect(func(cq.Event) bool { return true }))
	}
	// NextN ran the finalizers of what it swallowed after the last it kept.
	for taken := len(m.ready) - m.q.Ready(); taken > 0; taken-- {
		if !m.swallow[0] {
			m.t.Errorf("NextN lost %+v", m.ready[0])
		}
		m.ready, m.swallow = m.ready[1:], m.swallow[1:]
	}
}

func (m *machine) stepAlarm(arg int) {
	if len(m.armed) > 3 {
		wantErr(m.t, m.armed[0].Set(m.q, farFuture, arg), cq.ErrAlarmArmed)
		return
	}
	when := farFuture
	if arg%3 == 0 {
		when = past
	}
	a, err := m.q.At(when, arg%tags)
	switch {
	case m.finished():
		wantErr(m.t, err, cq.ErrShutdown)
	case err != nil:
		m.t.Errorf("At: %v", err)
	case m.shutdown:
		m.push(cq.Event{Kind: cq.OpComplete, Tag: arg % tags, Err: cq.ErrShutdown}, false)
	case when == past:
		m.push(completed(arg%tags), false)
	default:
		m.armed = append(m.armed, a)
		m.alarms[a] = arg % tags
	}
}

func (m *machine) stepCancel() {
	if len(m.armed) == 0 {
		return
	}
	a := m.armed[0]
	m.armed = m.armed[1:]
	a.Cancel()
	a.Cancel()
	m.push(cq.Event{Kind: cq.OpComplete, Tag: m.alarms[a], Err: context.Canceled}, false)
}

func (m *machine) stepShutdown() {
	for _, a := range slices.Backward(m.armed) { // the latest armed ends first
		m.push(cq.Event{Kind: cq.OpComplete, Tag: m.alarms[a], Err: cq.ErrShutdown}, false)
	}
	m.armed, m.shutdown = nil, true
	m.q.Shutdown()
}

var programs = [][]byte{
	{},
	{4, 5, 9, 5, 4},                          // post, harvest, shutdown, harvest, post
	{0, 9, 0, 2, 12, 5, 5, 5, 0},             // begin, shutdown, begin again, both end, drain
	{0, 32, 0, 2, 5, 4, 7},                   // a swallowed completion before one that is kept
	{8, 18, 28, 38, 48, 19, 9, 5, 15, 25, 8}, // alarms due and armed, cancel, shutdown
	{4, 14, 24, 34, 44, 26, 16, 6, 36, 46, 56}, // pluck in another order
	{0, 1, 0, 1, 2, 3, 33, 32, 77, 9},          // harvest many across swallowed ones
	{0, 9, 8, 18, 2, 8},                        // alarms on a queue shut down but not finished
}

func FuzzNextProgram(f *testing.F) { fuzzProgram(f, false) }

func FuzzPluckProgram(f *testing.F) { fuzzProgram(f, true) }

func fuzzProgram(f *testing.F, pluck bool) {
	for _, p := range programs {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, program []byte) { run(t, pluck, program) })
}

func TestRandomPrograms(t *testing.T) {
	for seed := range uint64(2000) {
		r := rand.New(rand.NewPCG(seed, 1))
		program := make([]byte, r.IntN(300))
		for i := range program {
			program[i] = byte(r.Uint32())
		}
		run(t, seed%2 == 1, program)
	}
}
