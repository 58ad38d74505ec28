package main

import (
	"context"
	"syscall"

	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	"github.com/cqrpc/cqrpc/benchmark/internal/longpipe"
	"github.com/cqrpc/cqrpc/benchmark/internal/usage"
)

// measureBeside measures what calls cost while idle streams are open on the same
// connection. Opening these, collecting the garbage of that, and ending them are not
// part of it.
func (b *bench) measureBeside(ctx context.Context, r row, c contender, addr string, server *process) (sample, error) {
	client, err := b.startClient(ctx, r, c, addr)
	if err != nil {
		return sample{}, err
	}
	defer client.stop()
	if _, err := client.line(); err != nil { // all are open
		return sample{}, err
	}
	before, err := server.settled()
	if err != nil {
		return sample{}, err
	}
	if err := client.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		return sample{}, err
	}
	rep, err := client.report()
	if err != nil {
		return sample{}, err
	}
	after, err := server.usage()
	return sampleOf(rep, after.Since(before)), err
}

// settled is usage, with CPU time that includes what telling it has taken, so that this
// is not counted for what follows.
func (p *process) settled() (usage.Usage, error) {
	told, err := p.usage()
	if err != nil {
		return told, err
	}
	seen, err := usage.Of(p.cmd.Process.Pid)
	told.CPU = seen.CPU
	return told, err
}

// driveFar is drive over a long fat network.
func (b *bench) driveFar(ctx context.Context, r row, c contender, addr string) (rep load.Report, err error) {
	network, err := longpipe.Listen(addr, longpipe.LongFat())
	if err != nil {
		return rep, err
	}
	defer network.Close()
	return b.drive(ctx, r, c, network.Addr())
}
