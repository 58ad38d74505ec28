package main

import (
	"testing"

	pb "github.com/cqrpc/cqrpc/examples/routeguide/routeguidepb"
)

func database(t *testing.T) features {
	t.Helper()
	places, err := loadFeatures()
	if err != nil {
		t.Fatal(err)
	}
	return places
}

func TestFeaturesAreFoundByPlace(t *testing.T) {
	places := database(t)
	named := 0
	for _, f := range places {
		if got := places.nameAt(f.GetLocation()); got != f.GetName() {
			t.Errorf("%v is called %q, want %q", f.GetLocation(), got, f.GetName())
		}
		if f.GetName() != "" {
			named++
		}
	}
	if len(places) < 100 || named == 0 || named == len(places) {
		t.Errorf("%d of %d places have a name: the example wants many, some without", named, len(places))
	}
	if got := places.nameAt(point(0, 0)); got != "" {
		t.Errorf("there is %q in the ocean", got)
	}
}

// The corners of a rectangle may be any two that are opposite; its edges belong
// to it.
func TestFeaturesWithin(t *testing.T) {
	places := features{
		{Name: "south-west", Location: point(10, -20)},
		{Name: "north-east", Location: point(30, 40)},
		{Name: "too far north", Location: point(31, 0)},
		{Name: "too far south", Location: point(9, 0)},
		{Name: "too far west", Location: point(20, -21)},
		{Name: "too far east", Location: point(20, 41)},
		{Name: "inside", Location: point(20, 0)},
	}
	for _, r := range []*pb.Rectangle{
		{Lo: point(10, -20), Hi: point(30, 40)}, {Lo: point(30, 40), Hi: point(10, -20)},
		{Lo: point(10, 40), Hi: point(30, -20)}, {Lo: point(30, -20), Hi: point(10, 40)},
	} {
		var names []string
		for _, f := range places.within(r) {
			names = append(names, f.GetName())
		}
		if len(names) != 3 || names[0] != "south-west" || names[1] != "north-east" || names[2] != "inside" {
			t.Errorf("%v: %q", r, names)
		}
	}
	if n := len(places.within(&pb.Rectangle{})); n != 0 {
		t.Errorf("%d places within a rectangle without corners", n)
	}
}
