package reaction

import "fmt"

// Terms are what a style has agreed with its mailboxes.
type Terms struct {
	// Needs must have ended before Done.
	Needs Set
	// Passive kinds bring no reaction in which the application could start anything. A
	// reactor is exhausted if no other kind is outstanding, it has no hold, and of Needs
	// only Last is missing.
	Passive Set
	Last    Set
	// IsLasting: the reactor is never exhausted.
	IsLasting bool
	// IsQuiet: Done need not be called.
	IsQuiet bool
	// IsEntered: an Exit follows, as after Enter.
	IsEntered bool
}

// Answer is what Begin says.
type Answer uint8

const (
	// Go: start the operation, then call Leave.
	Go Answer = iota
	// Queued: Take returns it when it can be started.
	Queued
	// Over: Done has been called, or is being called.
	Over
	// Barred: an earlier operation was the last of this kind.
	Barred
	// Outstanding: one of the kind, or one that it clashes with, is outstanding.
	Outstanding
	// Unheld: the reactor was exhausted.
	Unheld
)

var answerNames = [...]string{"go", "queued", "over", "barred", "outstanding", "unheld"}

func (a Answer) String() string {
	if int(a) < len(answerNames) {
		return answerNames[a]
	}
	return fmt.Sprintf("Answer(%d)", uint8(a))
}
