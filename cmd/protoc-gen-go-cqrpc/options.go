package main

import (
	"fmt"
	"slices"
	"strings"
)

// options are the parameters of the plugin that protogen does not know.
type options struct {
	styles []string // of styleNames
	sides  []string // of sideNames
}

// The sides, and in file.go the styles, in the order they are generated in.
var sideNames = []string{"client", "server"}

func (o *options) setDefaults() {
	o.sides = sideNames
	for _, s := range styles {
		o.styles = append(o.styles, s.name)
	}
}

// set is called for every parameter; the last of one name counts.
func (o *options) set(name, value string) error {
	var all options
	all.setDefaults()
	var err error
	switch name {
	case "styles":
		o.styles, err = choose(name, value, all.styles)
	case "sides":
		o.sides, err = choose(name, value, all.sides)
	default:
		if slices.Contains(all.styles, name) || slices.Contains(all.sides, name) {
			return fmt.Errorf(`unknown option %q: names are joined by "+", as in styles=sync+future`, name)
		}
		err = fmt.Errorf("unknown option %q: want styles, sides, paths, module or M", name)
	}
	return err
}

// choose splits "a+b" into names that must be among known, and there at most
// once: the comma already separates options.
func choose(option, value string, known []string) ([]string, error) {
	chosen := strings.Split(value, "+")
	for i, name := range chosen {
		switch {
		case name == "async" && slices.Contains(known, "queue"):
			return nil, fmt.Errorf("%s=%s: the style of the packages named async is called queue", option, value)
		case !slices.Contains(known, name):
			return nil, fmt.Errorf("%s=%s: no %q: want some of %s", option, value, name, strings.Join(known, "+"))
		case slices.Contains(chosen[:i], name):
			return nil, fmt.Errorf("%s=%s: %q is there twice", option, value, name)
		}
	}
	return chosen, nil
}

func (o options) style(name string) bool { return slices.Contains(o.styles, name) }
func (o options) side(name string) bool  { return slices.Contains(o.sides, name) }
