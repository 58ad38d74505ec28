package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// counter counts finished operations. One goroutine at a time may be too few:
// it is sharded no further because an operation costs microseconds.
type counter struct{ n atomic.Int64 }

func (c *counter) add(n int) { c.n.Add(int64(n)) }

// result is what a client process reports.
type result struct {
	Ops    int64   // during the measured time
	Wall   float64 // seconds
	CPU    float64 // seconds of user and system time of the client
	Allocs uint64  // of the client
}

// usage is what a server process reports of itself.
type usage struct {
	RSS        int64 // bytes resident, after returning what is free
	Goroutines int
	CPU        float64 // seconds so far
	Mallocs    uint64
}

// warmup precedes every measurement.
const warmup = 300 * time.Millisecond

// runClient is the client process: it measures one scenario, or opens idle
// streams and holds them until its input ends.
func runClient(name, scenario, addr string, d time.Duration) error {
	impl, err := find(name)
	if err != nil {
		return err
	}
	dr, err := impl.dial(addr)
	if err != nil {
		return err
	}
	defer dr.close()
	if n, isIdle := strings.CutPrefix(scenario, "idle "); isIdle {
		return holdStreams(dr, n)
	}
	if n, isIdle := strings.CutPrefix(scenario, "conns "); isIdle {
		return holdConns(impl, addr, n)
	}
	for _, m := range measurements {
		if m.name == scenario {
			return measure(dr, m, d)
		}
	}
	return fmt.Errorf("no measurement %q", scenario)
}

func holdStreams(dr driver, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	if err := dr.idle(n); err != nil {
		return err
	}
	return hold()
}

func holdConns(impl implementation, addr, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	for range n {
		dr, err := impl.dial(addr)
		if err != nil {
			return err
		}
		defer dr.close()
		if err := dr.idle(1); err != nil {
			return err
		}
	}
	return hold()
}

// hold says that all is open and waits for the end of the input.
func hold() error {
	fmt.Println("held")
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

func measure(dr driver, m measurement, d time.Duration) error {
	var done counter
	stop := make(chan struct{})
	failed := make(chan error, 1)
	go func() { failed <- m.run(dr, &done, stop) }()
	select {
	case err := <-failed:
		return fmt.Errorf("%s ended early: %w", m.name, err)
	case <-time.After(warmup):
	}
	n0, cpu0, allocs0, t0 := done.n.Load(), cpuTime(), mallocs(), time.Now()
	select {
	case err := <-failed:
		return fmt.Errorf("%s ended early: %w", m.name, err)
	case <-time.After(d):
	}
	r := result{
		Ops: done.n.Load() - n0, Wall: time.Since(t0).Seconds(), CPU: cpuTime() - cpu0, Allocs: mallocs() - allocs0,
	}
	close(stop)
	if err := <-failed; err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// runServer is the server process: it prints its address, then answers each
// line of its input with its usage, until the input ends.
func runServer(name string) error {
	impl, err := find(name)
	if err != nil {
		return err
	}
	failed := make(chan error, 1)
	go func() { failed <- impl.serve(func(addr string) { fmt.Println(addr) }) }()
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		select {
		case err := <-failed:
			return err
		default:
		}
		if lines.Text() == "settle" {
			debug.FreeOSMemory()
		}
		if err := json.NewEncoder(os.Stdout).Encode(ownUsage()); err != nil {
			return err
		}
	}
	return lines.Err()
}

func ownUsage() usage {
	return usage{RSS: rss(), Goroutines: runtime.NumGoroutine(), CPU: cpuTime(), Mallocs: mallocs()}
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

func cpuTime() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// rss reads the resident set from /proc; 0 where there is none.
func rss() int64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// child is a process of this program.
type child struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(args ...string) (*child, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.Command(exe, args...)}
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewScanner(out)
	return c, c.cmd.Start()
}

func (c *child) line() (string, error) {
	if !c.out.Scan() {
		return "", errors.Join(errors.New("a child process ended early"), c.out.Err(), c.cmd.Wait())
	}
	return c.out.Text(), nil
}

// stop ends a child by ending its input, and by force if that is not enough.
func (c *child) stop() {
	_ = c.in.Close()
	timer := time.AfterFunc(5*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer timer.Stop()
	_ = c.cmd.Wait()
}

func (c *child) usage(settle bool) (u usage, err error) {
	request := "usage\n"
	if settle {
		request = "settle\n"
	}
	if _, err := io.WriteString(c.in, request); err != nil {
		return u, err
	}
	text, err := c.line()
	if err != nil {
		return u, err
	}
	return u, json.Unmarshal([]byte(text), &u)
}
