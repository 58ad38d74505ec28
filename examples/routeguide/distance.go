package main

import (
	"math"

	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
)

const (
	earthRadius = 6371000 // metres
	e7          = 1e7     // units of a Point in a degree
)

// distance is the way between two points along the surface of a spherical
// earth, in metres (haversine formula).
func distance(from, to *pb.Point) float64 {
	lat1, lat2 := radians(from.GetLatitude()), radians(to.GetLatitude())
	dLat := lat2 - lat1
	dLon := radians(to.GetLongitude()) - radians(from.GetLongitude())
	a := square(math.Sin(dLat/2)) + math.Cos(lat1)*math.Cos(lat2)*square(math.Sin(dLon/2))
	return earthRadius * 2 * math.Atan2(math.Sqrt(a), math.Sqrt(1-a))
}

func radians(coordinate int32) float64 { return float64(coordinate) / e7 * math.Pi / 180 }

func square(x float64) float64 { return x * x }
