package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// special is how a row is measured that puts no load on bench-server, and what is shown
// of it.
type special struct {
	with    []string
	shows   []metric
	measure func(context.Context, *bench, contender) (sample, error)
	// million: only if asked for, for it takes its time and its memory.
	million bool
}

// facts are what special rows find. What was not measured is zero.
type facts struct {
	Binary float64 `json:"binary_bytes,omitzero"`
	Open   float64 `json:"server_open_bytes,omitzero"` // resident, with all streams open
	After  float64 `json:"server_after_bytes,omitzero"`
	Peak   float64 `json:"server_peak_bytes,omitzero"`
	Client float64 `json:"client_bytes,omitzero"`
	Lost   float64 `json:"lost,omitzero"` // streams without the message
	Took   float64 `json:"took_s,omitzero"`
}

// The metrics of special rows.
var (
	binaryMB  = metric{"binary MB", func(s sample) float64 { return s.Special.Binary / 1e6 }, 0}
	openGB    = metric{"server GB, all open", func(s sample) float64 { return s.Special.Open / 1e9 }, 0}
	afterGB   = metric{"server GB, after it", func(s sample) float64 { return s.Special.After / 1e9 }, 0}
	peakGB    = metric{"server GB, peak", func(s sample) float64 { return s.Special.Peak / 1e9 }, 0}
	clientGB  = metric{"client GB, all open", func(s sample) float64 { return s.Special.Client / 1e9 }, 0}
	lost      = metric{"streams without the message", func(s sample) float64 { return s.Special.Lost }, 0}
	broadcast = metric{"seconds until all have it", func(s sample) float64 { return s.Special.Took }, 0}
)

// The special rows by name.
const (
	helloSize = "stripped hello-world server"
	millions  = "broadcast to 1M idle streams"
)

func specialRows() []row {
	return []row{
		{name: helloSize, special: &special{
			with: []string{sync, grpcGo}, shows: []metric{binaryMB}, measure: sizeOf,
		}},
		{name: millions, special: &special{
			with: []string{raw}, shows: []metric{openGB, afterGB, peakGB, clientGB, lost, broadcast},
			measure: fanout, million: true,
		}},
	}
}

// sizeOf builds a server that has nothing but what it needs.
func sizeOf(ctx context.Context, b *bench, c contender) (s sample, err error) {
	name := map[string]string{sync: "cqrpc", grpcGo: "grpcgo"}[c.name]
	file := filepath.Join(b.dir, "size-"+name)
	_, err = output(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", file, module+"/internal/size/"+name)
	if err != nil {
		return s, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return s, err
	}
	s.Special.Binary = float64(info.Size())
	return s, nil
}

// fanout runs cmd/fanout, whose last line it reads.
func fanout(ctx context.Context, b *bench, _ contender) (s sample, err error) {
	const streams = 1_000_000
	text, err := output(ctx, filepath.Join(b.dir, "fanout"), "-streams", strconv.Itoa(streams))
	if err != nil {
		return s, err
	}
	var rep struct {
		Open, After, Peak, Client, Arrived float64
		Took                               float64 `json:"broadcast_s"`
	}
	if err := json.Unmarshal([]byte(text), &rep); err != nil {
		return s, err
	}
	s.Special = facts{
		Open: rep.Open, After: rep.After, Peak: rep.Peak, Client: rep.Client, Lost: streams - rep.Arrived, Took: rep.Took,
	}
	return s, nil
}

// specials is what special rows have found.
func (r *results) specials(b *strings.Builder) {
	t := table{head: []string{"what", "with", "measured", "", "× grpc-go"}}
	for _, row := range r.plan.rows {
		if row.special == nil {
			continue
		}
		of := r.samples[row.name]
		for _, c := range r.plan.contenders {
			if !slices.Contains(row.special.with, c.name) || len(of[c.name]) == 0 {
				continue
			}
			for _, m := range row.special.shows {
				value := median(of[c.name], m.of)
				t.add(row.name, c.name, m.name, short(value), short(value/median(of[grpcGo], m.of)))
			}
		}
	}
	t.print(b)
}
