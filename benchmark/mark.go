package main

import (
	"fmt"
	"math"
	"slices"
)

// metric is what is compared.
type metric struct {
	name  string
	of    func(sample) float64
	slack float64 // by how much it may exceed a bound of atMost
}

// poolLoss is what the collector takes out of pools and has to be allocated anew.
const poolLoss = 0.15

// perProcess allows for the few goroutines that a process has for all it holds.
const perProcess = 0.03

// The metrics that marks are about.
var (
	rate        = metric{"rate", func(s sample) float64 { return s.Rate }, 0}
	p50         = metric{"p50", func(s sample) float64 { return s.P50 }, 0}
	p99         = metric{"p99", func(s sample) float64 { return s.P99 }, 0}
	serverCPU   = metric{"server CPU", func(s sample) float64 { return s.ServerCPU }, 0}
	bothCPU     = metric{"CPU of both", func(s sample) float64 { return s.ClientCPU + s.ServerCPU }, 0}
	bothAllocs  = metric{"allocs of both", func(s sample) float64 { return s.ClientAllocs + s.ServerAllocs }, poolLoss}
	serverBytes = metric{"server bytes", func(s sample) float64 { return s.ServerBytes }, 0}
	clientBytes = metric{"client bytes", func(s sample) float64 { return s.ClientBytes }, 0}
	serverGos   = metric{"server goroutines", func(s sample) float64 { return s.ServerGoroutines }, perProcess}
	clientGos   = metric{"client goroutines", func(s sample) float64 { return s.ClientGoroutines }, perProcess}
)

// relation is how a mark compares.
type relation uint8

const (
	atLeastTimes relation = iota // value >= bound × the other's
	atMostTimes                  // value <= bound × the other's
	atMost                       // value <= bound
	atMostMore                   // value <= the other's + bound
)

// mark is a number that a contender is to reach in a row. Marks are goals: the report
// says which hold, and docs/performance.md why others do not.
type mark struct {
	row     string
	with    string
	metric  metric
	is      relation
	bound   float64
	against string // contender; empty for atMost
}

var marks = append([]mark{
	{h2load32, queue, rate, atLeastTimes, 4.0, grpcGo},
	{h2load32, inline, rate, atLeastTimes, 4.0, grpcGo},
	{h2load32, sync, rate, atLeastTimes, 2.5, grpcGo},
	{h2load32, queue, rate, atLeastTimes, 1.0, nghttpd},
	{h2load32, inline, rate, atLeastTimes, 1.0, nghttpd},
	{h2load32, inline, serverCPU, atMostTimes, 0.2, grpcGo},
	{h2load32, queue, serverCPU, atMostTimes, 0.25, grpcGo},
	{h2load32, sync, serverCPU, atMostTimes, 0.4, grpcGo},
	{unary100, queue, rate, atLeastTimes, 5, grpcGo},
	{unary100, sync, rate, atLeastTimes, 2.5, grpcGo},
	{unary1, queue, p50, atMostTimes, 0.45, grpcGo},
	{unary1, inline, p50, atMostTimes, 0.45, grpcGo},
	{unary1, queue, p50, atMostTimes, 2.2, rawTCP},
	{openLoop, queue, p99, atMostTimes, 0.1, grpcGo},
	{openLoop, queue, p99, atMostTimes, 1, grpcCpp},
	{pingPong, queue, rate, atLeastTimes, 3, grpcGo},
	{pingPong, inline, rate, atLeastTimes, 3, grpcGo},
	{down1K, queue, rate, atLeastTimes, 2, grpcGo},
	{h2load16K, queue, rate, atLeastTimes, 1, grpcCpp},
	{h2load16K, queue, rate, atLeastTimes, 1, grpcGo},
	{down32, queue, rate, atLeastTimes, 2.5, grpcGo},
	{unary100, raw, bothAllocs, atMost, 6, ""},
	{unary100, queue, bothAllocs, atMost, 6, ""},
	{unary100, sync, bothAllocs, atMost, 25, ""},
	{idleStream, queue, serverBytes, atMost, 1024, ""},
	{idleStream, reactor, serverBytes, atMost, 1024, ""},
	{idleStream, queue, clientBytes, atMost, 1536, ""},
	{idleStream, reactor, clientBytes, atMost, 1536, ""},
	{idleConn, queue, serverBytes, atMost, 8192, ""},
	{idleConn, queue, serverGos, atMost, 1, ""},
	{down1K, raw, rate, atLeastTimes, 2, grpcGo},
	// With each message in new memory.
	{unary100, queueAlloc, rate, atLeastTimes, 5, grpcGo},
	{pingPong, queueAlloc, rate, atLeastTimes, 3, grpcGo},
	{down1K, queueAlloc, rate, atLeastTimes, 2, grpcGo},
	{down32, queueAlloc, rate, atLeastTimes, 2.5, grpcGo},
	// Inline reactors, which use the memory of messages again.
	{down32, inline, rate, atLeastTimes, 2.5, grpcGo},
	{down1K, inline, rate, atLeastTimes, 2, grpcGo},
	// With the methods of vtprotobuf.
	{h2load32, inlineVT, serverCPU, atMostTimes, 0.2, grpcGo},
	{h2load32, queueVT, serverCPU, atMostTimes, 0.25, grpcGo},
	{unary100, queueVT, rate, atLeastTimes, 5, grpcGo},
	{pingPong, inlineVT, rate, atLeastTimes, 3, grpcGo},
	{down1K, queueVT, rate, atLeastTimes, 2, grpcGo},
	{down32, queueVT, rate, atLeastTimes, 2.5, grpcGo},
	// What a style adds to batches, and holds while nothing happens.
	{unary100, queue, bothCPU, atMostTimes, 1.15, raw},
	{unary100, inline, bothCPU, atMostTimes, 1.15, raw},
	{unary100, queue, bothAllocs, atMostMore, 2, raw},
	{unary100, inline, bothAllocs, atMostMore, 2, raw},
	{pingPong, queue, bothCPU, atMostTimes, 1.15, raw},
	{pingPong, inline, bothCPU, atMostTimes, 1.15, raw},
	{idleStream, queue, serverGos, atMost, 0, ""},
	{idleStream, reactor, serverGos, atMost, 0, ""},
	{idleStream, future, serverGos, atMost, 0, ""},
	{idleStream, queue, clientGos, atMost, 0, ""},
	{idleStream, reactor, clientGos, atMost, 0, ""},
	{idleStream, future, clientGos, atMost, 0, ""},
	{farUp, queue, rate, atLeastTimes, 1, grpcGo},
	{farDown, queue, rate, atLeastTimes, 1, grpcGo},
	{helloSize, sync, binaryMB, atMost, 7.5, ""},
	{millions, raw, openGB, atMost, 1.5, ""},
	{millions, raw, afterGB, atMost, 1.5, ""},
	{millions, raw, lost, atMost, 0, ""},
}, bulkMarks()...)

// bulkMarks are those of streams of large messages: as bytes that nobody looks at (raw),
// as messages of protobuf in memory that is used again or in new memory (allocating), and
// with the methods of vtprotobuf.
func bulkMarks() (all []mark) {
	for _, row := range []string{down64K, down1M, up64K, up1M} {
		for _, with := range []string{raw, queue, inline, queueAlloc, queueVT} {
			all = append(all,
				mark{row, with, rate, atLeastTimes, 2.5, grpcGo},
				mark{row, with, rate, atLeastTimes, 1, grpcCpp},
				mark{row, with, rate, atLeastTimes, 0.8, rawTCP})
		}
	}
	return all
}

// String is the mark in a table's cell.
func (m mark) String() string {
	switch m.is {
	case atLeastTimes:
		return fmt.Sprintf("%s ≥ %.4g× %s", m.metric.name, m.bound, m.against)
	case atMostTimes:
		return fmt.Sprintf("%s ≤ %.4g× %s", m.metric.name, m.bound, m.against)
	case atMostMore:
		return fmt.Sprintf("%s ≤ %s + %.4g", m.metric.name, m.against, m.bound)
	default:
		return fmt.Sprintf("%s ≤ %.4g", m.metric.name, m.bound)
	}
}

// verdict is the number that decides about a mark, and whether it holds; false
// if what it compares was not measured.
func (m mark) verdict(of samples) (value float64, holds, ok bool) {
	value, other := median(of[m.with], m.metric.of), median(of[m.against], m.metric.of)
	switch m.is {
	case atLeastTimes:
		value /= other
		holds = value >= m.bound
	case atMostTimes:
		value /= other
		holds = value <= m.bound
	case atMostMore:
		value -= other
		holds = value <= m.bound
	case atMost:
		holds = value <= m.bound+m.metric.slack
	}
	return value, holds, !math.IsNaN(value) && !math.IsInf(value, 0)
}

// median of nothing is not a number.
func median(of []sample, f func(sample) float64) float64 {
	if len(of) == 0 {
		return math.NaN()
	}
	values := make([]float64, len(of))
	for i, s := range of {
		values[i] = f(s)
	}
	slices.Sort(values)
	if n := len(values); n%2 == 0 {
		return (values[n/2-1] + values[n/2]) / 2
	}
	return values[len(values)/2]
}
