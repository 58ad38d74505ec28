// Package profile lets the bench's programs write profiles of themselves, for
// "go tool pprof". A Set belongs to the goroutine of main.
package profile

import (
	"cmp"
	"errors"
	"flag"
	"os"
	"runtime"
	"runtime/pprof"
)

// blockRate is how many nanoseconds of blocking there are to a sample, on average: few
// enough to see what matters, and so many that sampling itself does not.
const blockRate = 10_000

// Set is the files to write; empty: not that profile.
type Set struct {
	CPU, Memory, Block, Mutex string

	cpu *os.File
}

// Flags adds a flag for each file to f.
func (s *Set) Flags(f *flag.FlagSet) {
	f.StringVar(&s.CPU, "cpuprofile", "", "file for a CPU profile, written at the end as the others are")
	f.StringVar(&s.Memory, "memprofile", "", "file for a profile of the heap: what is in use, what was allocated")
	f.StringVar(&s.Block, "blockprofile", "", "file for a profile of what goroutines waited for")
	f.StringVar(&s.Mutex, "mutexprofile", "", "file for a profile of contended locks")
}

// Around runs f and writes the files when it has ended, however that is.
func (s *Set) Around(f func() error) error {
	if err := s.start(); err != nil {
		return err
	}
	return errors.Join(f(), s.stop())
}

// start begins to observe what is asked for.
func (s *Set) start() (err error) {
	if s.Block != "" {
		runtime.SetBlockProfileRate(blockRate)
	}
	if s.Mutex != "" {
		runtime.SetMutexProfileFraction(1)
	}
	if s.CPU == "" {
		return nil
	}
	if s.cpu, err = os.Create(s.CPU); err != nil {
		return err
	}
	return pprof.StartCPUProfile(s.cpu)
}

// stop writes the files.
func (s *Set) stop() (err error) {
	if s.cpu != nil {
		pprof.StopCPUProfile()
		err = s.cpu.Close()
	}
	if s.Memory != "" {
		runtime.GC() // what is in use is counted as of the last collection
	}
	return errors.Join(err, write("heap", s.Memory), write("block", s.Block), write("mutex", s.Mutex))
}

func write(profile, name string) error {
	if name == "" {
		return nil
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	err = pprof.Lookup(profile).WriteTo(f, 0)
	return cmp.Or(err, f.Close())
}
