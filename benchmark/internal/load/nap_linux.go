package load

import (
	"syscall"
	"time"
)

// nap sleeps in the kernel: the runtime's timers, in a process with nothing
// else to do, are late by up to a millisecond.
func nap(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&ts, nil) // woken early by a signal, an operation begins early
}
