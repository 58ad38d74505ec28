package cq

import "errors"

var (
	// ErrShutdown is returned by everything that would start an operation on a
	// finished queue, and is the Err of an alarm that a Shutdown cancelled.
	ErrShutdown = errors.New("cq: queue is shut down")
	// ErrWrongKind is the Err of a Misuse event: Next on a queue made by
	// NewPluck or NewCallback, Pluck on one made by New or NewCallback.
	ErrWrongKind = errors.New("cq: this kind of queue is not harvested by this method")
	// ErrUncomparableTag is the Err of a Misuse event: Pluck finds its tag with
	// ==, which is not defined for values holding slices, maps or functions.
	ErrUncomparableTag = errors.New("cq: pluck of a tag that cannot be compared")
	// ErrNotBegun is the Err of a Misuse event: Wait on a Waiter with no
	// operation outstanding, which would never return.
	ErrNotBegun = errors.New("cq: wait without an operation begun")
	// ErrAlarmArmed is returned by Set on an alarm that is still armed.
	ErrAlarmArmed = errors.New("cq: alarm is already armed")
)

// misuse is the event of a call that is not allowed on this queue.
func misuse(err error) Event { return Event{Kind: Misuse, Err: err} }
