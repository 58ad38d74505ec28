package profile

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestWhatIsAskedForIsWritten(t *testing.T) {
	defer runtime.SetBlockProfileRate(0)
	defer runtime.SetMutexProfileFraction(runtime.SetMutexProfileFraction(-1))
	var s Set
	f := flag.NewFlagSet("", flag.ContinueOnError)
	s.Flags(f)
	dir := t.TempDir()
	var args, files []string
	for _, name := range []string{"cpuprofile", "memprofile", "blockprofile", "mutexprofile"} {
		file := filepath.Join(dir, name)
		args, files = append(args, "-"+name, file), append(files, file)
	}
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := s.Around(func() error { return broken }); !errors.Is(err, broken) {
		t.Fatal(err)
	}
	for _, name := range files {
		if info, err := os.Stat(name); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v, %v", filepath.Base(name), info, err)
		}
	}
}

func TestNothingIsAskedFor(t *testing.T) {
	var s Set
	if err := s.Around(func() error { return nil }); err != nil {
		t.Fatal(err)
	}
}

func TestAFileThatCannotBeWrittenIsAnError(t *testing.T) {
	name := filepath.Join(t.TempDir(), "missing", "file")
	for _, s := range []Set{{CPU: name}, {Memory: name}} {
		if s.Around(func() error { return nil }) == nil {
			t.Errorf("%+v", s)
		}
	}
}
