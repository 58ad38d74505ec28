package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	"github.com/cqrpc/cqrpc/benchmark/internal/usage"
)

// module is the path of the programs' module.
const module = "github.com/cqrpc/cqrpc/benchmark"

// bench is the programs for one run.
type bench struct {
	dir      string
	programs map[string]string // where they are: those that are built, and those that are installed
}

// h2load is the program that drives a server in neutral rows.
const h2load = "h2load"

// newBench finds and builds the programs that the contenders need, as far as that can be
// done on this machine.
func newBench(ctx context.Context, contenders []contender) (*bench, error) {
	dir, err := os.MkdirTemp("", "benchmark")
	if err != nil {
		return nil, err
	}
	b := &bench{dir: dir, programs: make(map[string]string)}
	b.findInstalled()
	if err := b.build(ctx, contenders); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// findInstalled looks for the programs that are not built here.
func (b *bench) findInstalled() {
	for _, name := range []string{h2load, nghttpd, nginx} {
		if path, err := exec.LookPath(name); err == nil {
			b.programs[name] = path
		}
	}
}

// build builds the programs that contenders need, but for those of C++ where it lacks
// something for that.
func (b *bench) build(ctx context.Context, contenders []contender) error {
	needs := func(e ends) bool {
		return slices.ContainsFunc(contenders, func(c contender) bool { return c.ends == e })
	}
	err := b.buildGo(ctx)
	if err == nil && needs(vtEnds) {
		err = b.buildVT(ctx)
	}
	if err == nil && needs(cppEnds) && lackOfCpp(ctx) == nil {
		err = b.buildCpp(ctx)
	}
	return err
}

func (b *bench) buildGo(ctx context.Context) error {
	_, err := output(ctx, "go", "build", "-o", b.dir+string(filepath.Separator),
		module+"/cmd/"+goEnds.server, module+"/cmd/"+goEnds.client, module+"/cmd/fanout")
	b.built(goEnds)
	return err
}

// buildVT builds the programs whose messages have the methods of vtprotobuf.
func (b *bench) buildVT(ctx context.Context) error {
	b.built(vtEnds)
	for name, command := range map[string]string{vtEnds.server: goEnds.server, vtEnds.client: goEnds.client} {
		_, err := output(ctx, "go", "build", "-tags", "vtproto", "-o", b.programs[name], module+"/cmd/"+command)
		if err != nil {
			return err
		}
	}
	return nil
}

// built says that the programs at both ends are there.
func (b *bench) built(e ends) {
	for _, name := range []string{e.server, e.client} {
		b.programs[name] = filepath.Join(b.dir, name)
	}
}

// moduleDir is where the programs' sources are.
func moduleDir(ctx context.Context) (string, error) {
	dir, err := output(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module)
	return strings.TrimSpace(dir), err
}

func (b *bench) close() { _ = os.RemoveAll(b.dir) }

// process is a program that runs, and prints lines.
type process struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	tells bool // prints its usage at SIGUSR2
}

// start starts a program; the end of ctx kills it.
func start(ctx context.Context, name string, args ...string) (*process, error) {
	p := &process{cmd: exec.CommandContext(ctx, name, args...)}
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.lines = bufio.NewScanner(out)
	return p, p.cmd.Start()
}

func (b *bench) startServer(ctx context.Context, c contender, more ...string) (p *process, addr string, err error) {
	args := slices.Concat([]string{"-addr", "127.0.0.1:0"}, c.args, c.server, more)
	if p, err = start(ctx, b.programs[c.ends.server], args...); err != nil {
		return nil, "", err
	}
	p.tells = true
	addr, err = p.line()
	return p, addr, err
}

// line waits for the next line of a process's output.
func (p *process) line() (string, error) {
	if !p.lines.Scan() {
		return "", fmt.Errorf("%s ended early: %w", p.cmd, errors.Join(p.lines.Err(), p.cmd.Wait()))
	}
	return p.lines.Text(), nil
}

// report waits for a client's report, which is its next line.
func (p *process) report() (rep load.Report, err error) {
	text, err := p.line()
	if err != nil {
		return rep, err
	}
	return rep, json.Unmarshal([]byte(text), &rep)
}

// last waits for the end of the output and returns the last line.
func (p *process) last() (text string, err error) {
	for p.lines.Scan() {
		text = p.lines.Text()
	}
	if err := errors.Join(p.lines.Err(), p.cmd.Wait()); err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(p.cmd.Args, " "), err)
	}
	return text, nil
}

// stop ends a process, by force if asking is not enough.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.AfterFunc(5*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	for p.lines.Scan() {
	}
	_ = p.cmd.Wait()
}

// usage is what a process has used by its own account, with the CPU time that the system
// reports. The CPU time in which a server gives memory back before it tells is not in it.
func (p *process) usage() (usage.Usage, error) {
	seen, err := usage.Of(p.cmd.Process.Pid)
	if err != nil || !p.tells {
		return seen, err
	}
	if err := p.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
		return seen, err
	}
	text, err := p.line()
	if err != nil {
		return seen, err
	}
	told := usage.Usage{}
	err = json.Unmarshal([]byte(text), &told)
	told.CPU = seen.CPU
	return told, err
}

// output runs a program to its end and returns what it prints.
func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w\n%s%s", name, err, text, errs.String())
	}
	return string(text), nil
}
