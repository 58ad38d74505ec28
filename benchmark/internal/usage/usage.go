// Package usage is what a process has taken from the machine: of this process
// from the runtime, of any other from /proc. Everything may be called by any
// goroutine.
package usage

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Usage is what a process has used so far. What cannot be known of a process is
// zero.
type Usage struct {
	CPU        time.Duration `json:"cpu_ns"`     // user and system
	Resident   int64         `json:"resident"`   // bytes of memory
	Mallocs    int64         `json:"mallocs"`    // of this process, or one that tells
	Allocated  int64         `json:"allocated"`  // bytes, likewise
	Goroutines int           `json:"goroutines"` // likewise
}

// Since returns what was used after before was taken.
func (u Usage) Since(before Usage) Usage {
	return Usage{
		CPU:        u.CPU - before.CPU,
		Resident:   u.Resident - before.Resident,
		Mallocs:    u.Mallocs - before.Mallocs,
		Allocated:  u.Allocated - before.Allocated,
		Goroutines: u.Goroutines - before.Goroutines,
	}
}

// Self is the usage of this process.
func Self() Usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	resident, _ := residentOf("self")
	return Usage{
		CPU: ownCPU(), Resident: resident, Mallocs: int64(m.Mallocs), Allocated: int64(m.TotalAlloc),
		Goroutines: runtime.NumGoroutine(),
	}
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Of is the usage of another process, whatever it is written in: its CPU time
// and its memory.
func Of(pid int) (Usage, error) {
	name := strconv.Itoa(pid)
	cpu, err := cpuOf(name)
	if err != nil {
		return Usage{}, err
	}
	resident, err := residentOf(name)
	return Usage{CPU: cpu, Resident: resident}, err
}

// clockTick is USER_HZ, which Linux gives as 100 on every architecture of Go.
const clockTick = time.Second / 100

// cpuOf reads fields 14 and 15 of proc_pid_stat(5). The second field is a name
// in parentheses that may hold anything.
func cpuOf(pid string) (time.Duration, error) {
	data, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%s/stat: %q", pid, data)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * clockTick, err
}

// Peak is the most memory that this process has ever had, of proc_pid_status(5).
func Peak() (int64, error) {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(data), "VmHWM:")
	var kilobytes int64
	if _, err := fmt.Sscan(rest, &kilobytes); err != nil {
		return 0, fmt.Errorf("VmHWM of /proc/self/status: %w", err)
	}
	return kilobytes << 10, nil
}

// residentOf reads the second field of proc_pid_statm(5).
func residentOf(pid string) (int64, error) {
	data, err := os.ReadFile("/proc/" + pid + "/statm")
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/%s/statm: %q", pid, data)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}
