package main

import (
	"fmt"
	"math"
)

// growth is a mark about one contender in two rows: how much more the greater
// work may cost than the smaller.
type growth struct {
	row, from string
	with      string
	metric    metric
	bound     float64
}

var growths = flat(1.5, beside1, []string{beside100, beside10k, beside100k},
	raw, queue, reactor, inline, future, sync)

// flat says that the CPU time of both ends stays below bound times that of the
// row from.
func flat(bound float64, from string, rows []string, with ...string) (all []growth) {
	for _, row := range rows {
		for _, name := range with {
			all = append(all, growth{row, from, name, bothCPU, bound})
		}
	}
	return all
}

// String is the mark in a table's cell.
func (g growth) String() string {
	return fmt.Sprintf("%s ≤ %.4g× “%s”", g.metric.name, g.bound, g.from)
}

// verdict is like a mark's, of the samples of all rows.
func (g growth) verdict(of map[string]samples) (value float64, holds, ok bool) {
	value = median(of[g.row][g.with], g.metric.of) / median(of[g.from][g.with], g.metric.of)
	return value, value <= g.bound, !math.IsNaN(value) && !math.IsInf(value, 0)
}
