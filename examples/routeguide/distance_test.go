package main

import (
	"math"
	"testing"

	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
)

func TestDistance(t *testing.T) {
	const degree = math.Pi / 180 * earthRadius // of a great circle
	for name, row := range map[string]struct {
		from, to *pb.Point
		want     float64
	}{
		"nowhere":              {point(40*e7, -75*e7), point(40*e7, -75*e7), 0},
		"north":                {point(40*e7, -75*e7), point(41*e7, -75*e7), degree},
		"along the equator":    {point(0, 0), point(0, -90*e7), 90 * degree},
		"to the other side":    {point(0, 0), point(0, 180*e7), 180 * degree},
		"over the pole":        {point(80*e7, 0), point(80*e7, 180*e7), 20 * degree},
		"a degree of latitude": {point(60*e7, 10*e7), point(60*e7, 11*e7), 55597.5},
	} {
		for _, got := range []float64{distance(row.from, row.to), distance(row.to, row.from)} {
			if math.Abs(got-row.want) > 2 {
				t.Errorf("%s: %.0f m, want %.0f", name, got, row.want)
			}
		}
	}
}
