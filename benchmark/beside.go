package main

import (
	"context"
	"syscall"

	"github.com/cqrpc/cqrpc/benchmark/internal/load"
	"github.com/cqrpc/cqrpc/benchmark/internal/longpipe"
	"github.com/cqrpc/cqrpc/benchmark/internal/usage"
)

// beside is what calls cost while streams are open on the same connection. What
// it cost to open them is not part of it, nor is collecting what that has left,
// nor what it costs to end them.
func (b *bench) beside(ctx context.Context, r row, c contender, addr string, server *process) (sample, error) {
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

// settled is usage, with the CPU time that telling it has taken.
func (p *process) settled() (usage.Usage, error) {
	told, err := p.usage()
	if err != nil {
		return told, err
	}
	seen, err := usage.Of(p.cmd.Process.Pid)
	told.CPU = seen.CPU
	return told, err
}

// distant is driven over a long fat network.
func (b *bench) distant(ctx context.Context, r row, c contender, addr string) (rep load.Report, err error) {
	network, err := longpipe.Listen(addr, longpipe.LongFat())
	if err != nil {
		return rep, err
	}
	defer network.Close()
	return b.driven(ctx, r, c, network.Addr())
}
