package main

import (
	_ "embed"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
)

//go:embed features.json
var featuresJSON []byte

// features is the database: places in the order of the file, some without a
// name. It is read only.
type features []*pb.Feature

func loadFeatures() (features, error) {
	var file pb.FeatureDatabase
	if err := protojson.Unmarshal(featuresJSON, &file); err != nil {
		return nil, err
	}
	return file.GetFeature(), nil
}

// nameAt returns the name of the place at p, "" if there is none.
func (f features) nameAt(p *pb.Point) string {
	for _, place := range f {
		if proto.Equal(place.GetLocation(), p) {
			return place.GetName()
		}
	}
	return ""
}

// within lists the places in an area, its edges included.
func (f features) within(r *pb.Rectangle) []*pb.Feature {
	left, right := ordered(r.GetLo().GetLongitude(), r.GetHi().GetLongitude())
	bottom, top := ordered(r.GetLo().GetLatitude(), r.GetHi().GetLatitude())
	var found []*pb.Feature
	for _, place := range f {
		x, y := place.GetLocation().GetLongitude(), place.GetLocation().GetLatitude()
		if left <= x && x <= right && bottom <= y && y <= top {
			found = append(found, place)
		}
	}
	return found
}

// ordered returns the smaller and the larger of two corners.
func ordered(a, b int32) (low, high int32) { return min(a, b), max(a, b) }
