package main

import (
	"slices"
	"testing"
)

func TestEverythingIsGeneratedByDefault(t *testing.T) {
	var o options
	o.setDefaults()
	for _, name := range []string{"sync", "queue", "reactor", "future"} {
		if !o.style(name) {
			t.Errorf("not the style %s", name)
		}
	}
	if !o.side("client") || !o.side("server") {
		t.Errorf("only the sides %v", o.sides)
	}
}

func TestOptionsChoose(t *testing.T) {
	var o options
	o.setDefaults()
	for name, value := range map[string]string{"styles": "reactor+sync", "sides": "server"} {
		if err := o.set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(o.styles, []string{"reactor", "sync"}) || !slices.Equal(o.sides, []string{"server"}) {
		t.Errorf("got %+v", o)
	}
}

func TestLastOptionOfANameCounts(t *testing.T) {
	var o options
	for _, value := range []string{"sync", "future+queue"} {
		if err := o.set("styles", value); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(o.styles, []string{"future", "queue"}) {
		t.Errorf("styles are %v", o.styles)
	}
}

func TestBadOptions(t *testing.T) {
	for _, test := range []struct{ name, value, want string }{
		{"styles", "async", `styles=async: the style of the packages named async is called queue`},
		{"future", "", `unknown option "future": names are joined by "+", as in styles=sync+future`},
		{"styles", "", `styles=: no "": want some of sync+queue+reactor+future`},
		{"styles", "sync+", `styles=sync+: no "": want some of sync+queue+reactor+future`},
		{"styles", "sync+queue+sync", `styles=sync+queue+sync: "sync" is there twice`},
		{"sides", "both", `sides=both: no "both": want some of client+server`},
		{"style", "sync", `unknown option "style": want styles, sides, paths, module or M`},
	} {
		var o options
		if err := o.set(test.name, test.value); err == nil || err.Error() != test.want {
			t.Errorf("%s=%s: error %v, want %q", test.name, test.value, err, test.want)
		}
	}
}
