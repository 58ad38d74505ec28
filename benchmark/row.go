package main

import (
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/cqrpc/cqrpc/benchmark/internal/load"
)

// row is one kind of work.
type row struct {
	name string
	unit string // what is counted
	load load.Plan
	// neutral: driven by h2load, against the server alone.
	neutral bool
	// far: over longpipe.LongFat.
	far bool
	// special, if not nil: measured in a way of its own.
	special *special
}

// The rows by name, for the marks.
const (
	unary1     = "unary 1×1"
	unary100   = "unary 1×100"
	timed100   = "unary 1×100, deadline 1 s"
	tls1       = "unary 1×1, TLS"
	tls100     = "unary 1×100, TLS"
	openLoop   = "unary open loop 20k/s"
	pingPong1  = "ping-pong 1 stream"
	pingPong   = "ping-pong 100 streams"
	down32     = "down 32 B"
	down1K     = "down 1 KiB"
	down100    = "down 1 KiB, 100 streams"
	down64K    = "down 64 KiB"
	down1M     = "down 1 MiB"
	tlsDown1M  = "down 1 MiB, TLS"
	up64K      = "up 64 KiB"
	up1M       = "up 1 MiB"
	h2load32   = "h2load unary 32 B 1×100"
	h2load16K  = "h2load unary 16 KiB 10×10"
	idleStream = "idle streams"
	idleConn   = "idle connections"
	tlsConn    = "idle connections, TLS"
	beside1    = "unary 1×64 beside 1 stream"
	beside100  = "unary 1×64 beside 100 streams"
	beside10k  = "unary 1×64 beside 10k streams"
	beside100k = "unary 1×64 beside 100k streams"
	besideBusy = "unary 1×1 beside 50 busy streams"
	besideSlow = "unary 1×1 beside 200 slow readers"
	farUp      = "64 MiB up, 50 ms 1 Gbit/s"
	farDown    = "64 MiB down, 50 ms 1 Gbit/s"
)

// allRows returns the rows in the order of the report.
func allRows(p plan) []row {
	of := func(name, unit string, m load.Mode, conns, streams, size int, rate float64) row {
		return row{name: name, unit: unit, load: load.Plan{
			Mode: m, Conns: conns, Streams: streams, Size: size, Rate: rate, Warmup: p.warmup, Duration: p.duration,
		}}
	}
	settled := func(r row) row {
		r.load.Duration = p.settle
		return r
	}
	h2load := func(name string, conns, streams, size int) row {
		r := of(name, "calls/s", load.Unary, conns, streams, size, 0)
		r.neutral = true
		return r
	}
	timed := func(name string, deadline time.Duration) row {
		r := of(name, "calls/s", load.Unary, 1, 100, 32, 0)
		r.load.Deadline = deadline
		return r
	}
	encrypted := func(name string, plain row) row {
		plain.name, plain.load.TLS = name, true
		return plain
	}
	beside := func(name string, held int) row {
		r := of(name, "calls/s", load.Unary, 1, 64, 32, 0)
		r.load.Held = held
		return r
	}
	crowded := func(name string, crowd load.Crowd) row {
		r := of(name, "calls/s", load.Unary, 1, 1, 32, 0)
		r.load.Crowd = crowd
		return r
	}
	far := func(name string, m load.Mode) row {
		r := of(name, "msgs/s", m, 1, 1, 64<<20, 0)
		r.far = true
		return r
	}
	return append([]row{
		of(unary1, "calls/s", load.Unary, 1, 1, 32, 0),
		of(unary100, "calls/s", load.Unary, 1, 100, 32, 0),
		timed(timed100, time.Second),
		encrypted(tls1, of("", "calls/s", load.Unary, 1, 1, 32, 0)),
		encrypted(tls100, of("", "calls/s", load.Unary, 1, 100, 32, 0)),
		of(openLoop, "calls/s", load.Unary, 1, 1000, 32, 20_000),
		h2load(h2load32, 1, 100, 32),
		h2load(h2load16K, 10, 10, 16<<10),
		of(pingPong1, "msgs/s", load.PingPong, 1, 1, 32, 0),
		of(pingPong, "msgs/s", load.PingPong, 1, 100, 32, 0),
		of(down32, "msgs/s", load.Down, 1, 1, 32, 0),
		of(down1K, "msgs/s", load.Down, 1, 1, 1<<10, 0),
		of(down100, "msgs/s", load.Down, 1, 100, 1<<10, 0),
		of(down64K, "msgs/s", load.Down, 1, 1, 64<<10, 0),
		of(down1M, "msgs/s", load.Down, 1, 1, 1<<20, 0),
		encrypted(tlsDown1M, of("", "msgs/s", load.Down, 1, 1, 1<<20, 0)),
		of(up64K, "msgs/s", load.Up, 1, 1, 64<<10, 0),
		of(up1M, "msgs/s", load.Up, 1, 1, 1<<20, 0),
		of(idleStream, "held", load.IdleStreams, 1, p.streams, 32, 0),
		settled(of(idleConn, "held", load.IdleConns, p.conns, 1, 32, 0)),
		encrypted(tlsConn, settled(of("", "held", load.IdleConns, p.conns, 1, 32, 0))),
		beside(beside1, 1),
		beside(beside100, 100),
		beside(beside10k, 10_000),
		beside(beside100k, 100_000),
		crowded(besideBusy, load.Crowd{Streams: 50, Size: 1 << 10}),
		crowded(besideSlow, load.Crowd{Streams: 200, Size: 1 << 10, Rate: 20_000}),
		far(farUp, load.Send),
		far(farDown, load.Fetch),
	}, specialRows()...)
}

// isBusy reports whether messages are a good part of what the row measures.
func (r row) isBusy() bool {
	isStream := r.load.Mode == load.Down || r.load.Mode == load.Up
	isMany := (r.load.Mode == load.Unary || r.load.Mode == load.PingPong) && r.load.Conns*r.load.Streams > 1
	return isStream || isMany && r.load.Rate == 0 && r.load.Held == 0
}

// args is what the client is told.
func (r row) args() []string {
	args := []string{
		"-mode", string(r.load.Mode), "-conns", strconv.Itoa(r.load.Conns), "-streams", strconv.Itoa(r.load.Streams),
		"-size", strconv.Itoa(r.load.Size), "-rate", strconv.FormatFloat(r.load.Rate, 'f', -1, 64),
		"-warmup", r.load.Warmup.String(), "-d", r.load.Duration.String(),
	}
	if r.load.Deadline > 0 {
		args = append(args, "-deadline", r.load.Deadline.String())
	}
	if r.load.TLS {
		args = append(args, "-tls")
	}
	if crowd := r.load.Crowd; crowd.Streams > 0 {
		args = append(args, "-crowd", strconv.Itoa(crowd.Streams), "-crowd-size", strconv.Itoa(crowd.Size),
			"-crowd-rate", strconv.FormatFloat(crowd.Rate, 'f', -1, 64))
	}
	if r.load.Held > 0 {
		args = append(args, "-held", strconv.Itoa(r.load.Held), "-gate")
	}
	return args
}

// serverArgs is what the server is told.
func (r row) serverArgs() []string {
	if r.load.TLS {
		return []string{"-tls"}
	}
	return nil
}

// ends is the programs at both ends. Where there is no client, the server serves a file,
// in neutral rows.
type ends struct{ server, client string }

// The programs that are built for a run.
var (
	goEnds  = ends{"bench-server", "bench-client"}
	vtEnds  = ends{"bench-server-vt", "bench-client-vt"} // with the build tag vtproto
	cppEnds = ends{"bench_server", "bench_client"}
)

// contender is an implementation and style at both ends.
type contender struct {
	name   string
	ends   ends
	args   []string // of server and client
	server []string // of the server alone
	static staticArgs
	floor  bool // TCP without a protocol: only in rows where a message is a write in cqrpc, too
}

// The contenders that marks name.
const (
	grpcGo  = "grpc-go"
	grpcCpp = "grpc C++"
	raw     = "cqrpc raw"
	sync    = "cqrpc sync"
	queue   = "cqrpc queue"
	reactor = "cqrpc reactor"
	inline  = "cqrpc reactor inline"
	future  = "cqrpc future"
	nghttpd = "nghttpd"
	nginx   = "nginx"
	rawTCP  = "raw TCP"

	queueAlloc  = "cqrpc queue, allocating"
	inlineAlloc = "cqrpc reactor inline, allocating"
	queueVT     = "cqrpc queue, vtproto"
	inlineVT    = "cqrpc reactor inline, vtproto"
	connectGo   = "connect-go"
)

// noReuse tells both ends to receive each message into new memory.
const noReuse = "-reuse=false"

// allContenders returns them in the order of the report.
func allContenders() []contender {
	style := func(name, style string, more ...string) contender {
		return contender{name: name, ends: goEnds, args: append([]string{"-impl", "cqrpc", "-style", style}, more...)}
	}
	vt := func(c contender, name string) contender {
		c.name, c.ends = name, vtEnds
		return c
	}
	peer := func(name, impl string, server ...string) contender {
		return contender{name: name, ends: goEnds, args: []string{"-impl", impl}, server: server}
	}
	return []contender{
		style(raw, "raw"), style(queue, "queue"), style(reactor, "reactor", "-inline=false"), style(inline, "reactor"),
		style(future, "future"), style(sync, "sync"),
		style(queueAlloc, "queue", noReuse), style(inlineAlloc, "reactor", noReuse),
		vt(style("", "queue"), queueVT), vt(style("", "reactor"), inlineVT),
		peer(grpcGo, "grpc-go"),
		peer("grpc-go workers", "grpc-go", "-workers", strconv.Itoa(runtime.NumCPU())), // NumStreamWorkers
		peer(connectGo, "connect-go"),
		{name: grpcCpp, ends: cppEnds},
		{name: nghttpd, ends: ends{server: "nghttpd"}, static: nghttpdArgs},
		{name: nginx, ends: ends{server: "nginx"}, static: nginxArgs},
		{name: rawTCP, ends: goEnds, args: []string{"-impl", "tcp"}, floor: true},
	}
}

// takesPart reports whether there is a measurement of c for r.
func (c contender) takesPart(r row) bool {
	switch {
	case r.special != nil:
		return slices.Contains(r.special.with, c.name)
	case c.static != nil:
		return r.neutral
	case c.ends == vtEnds, slices.Contains(c.args, noReuse):
		return r.isBusy()
	case r.load.TLS && (c.ends == cppEnds || c.name == connectGo || c.floor):
		return false // see roster.Entry.CheckTLS
	case c.ends == cppEnds:
		return r.load.Held == 0 && r.load.Crowd.Streams == 0 && r.load.Deadline == 0 && !r.far // it has no such modes
	case c.name == connectGo:
		return r.load.Held < 10_000 // it takes minutes to open so many
	case c.floor:
		echo := r.load.Mode == load.Unary || r.load.Mode == load.PingPong
		one := !r.neutral && !r.far && r.load.Crowd.Streams == 0 && !r.load.Mode.Idle() && r.load.Conns*r.load.Streams == 1
		return one && (echo || r.load.Size >= 64<<10)
	default:
		return true
	}
}
