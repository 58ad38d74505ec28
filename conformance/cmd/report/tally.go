package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// tally is what a suite came to.
type tally struct{ cases, passed int }

// event is a line of go test -json (cmd/test2json).
type event struct{ Action, Test, Output string }

// count reads what go test -json says. A test whose subtests have not run
// counts as a case, and so does one with a line of its own, like
//
//	suite: h2spec 2.2.1 -S; cases: 146; passed: 146
//
// for the cases that a program has run. output is what to show of a failure.
func count(r io.Reader) (t tally, output string) {
	var told []tally
	fates := make(map[string]bool) // of tests that have ended: passed
	parents := make(map[string]bool)
	shown := make(map[string]*strings.Builder)
	in := bufio.NewScanner(r)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e event
		if json.Unmarshal(in.Bytes(), &e) != nil {
			output += in.Text() + "\n" // not a test's: the build's
			continue
		}
		switch e.Action {
		case "run":
			if i := strings.LastIndexByte(e.Test, '/'); i >= 0 {
				parents[e.Test[:i]] = true
			}
		case "pass", "fail", "skip":
			fates[e.Test] = e.Action == "pass"
		case "output":
			if shown[e.Test] == nil {
				shown[e.Test] = new(strings.Builder)
			}
			shown[e.Test].WriteString(e.Output)
			if told1, ok := parseLine(e.Output); ok {
				told = append(told, told1)
			}
		}
	}
	for test, passed := range fates {
		if !passed && shown[test] != nil {
			output += shown[test].String()
		}
		if test != "" && !parents[test] && len(told) == 0 {
			t.cases++
			t.passed += number(passed)
		}
	}
	for _, one := range told {
		t.cases += one.cases
		t.passed += one.passed
	}
	return t, output
}

func number(is bool) int {
	if is {
		return 1
	}
	return 0
}

// parseLine finds the tally of a suite in a line of output.
func parseLine(line string) (tally, bool) {
	var t tally
	_, rest, ok := strings.Cut(line, "suite: ")
	if !ok {
		return t, false
	}
	_, rest, ok = strings.Cut(rest, "; ")
	if !ok {
		return t, false
	}
	n, _ := fmt.Sscanf(rest, "cases: %d; passed: %d", &t.cases, &t.passed)
	return t, n == 2
}
