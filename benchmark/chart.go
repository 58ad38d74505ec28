package main

import (
	"fmt"
	"html"
	"math"
	"strings"
)

// The chart's measures, in pixels.
const (
	chartLeft   = 210 // of the bars
	chartWidth  = 640 // of the bars
	barHeight   = 11
	groupMargin = 14
)

// colours of the contenders of a chart.
var colours = map[string]string{
	raw: "#9ecae1", queue: "#2171b5", reactor: "#74c476", inline: "#238b45", future: "#9e9ac8", sync: "#fd8d3c",
	grpcGo: "#737373", "grpc-go workers": "#a6a6a6", connectGo: "#d0d0d0", grpcCpp: "#e7298a",
	queueAlloc: "#6baed6", inlineAlloc: "#41ab5d", queueVT: "#08306b", inlineVT: "#00441b",
	nghttpd: "#252525", nginx: "#525252", rawTCP: "#000000",
}

// chart draws operations per second relative to grpc-go, as bars. It leaves out an open
// loop, whose rate is given.
func (r *results) chart() string {
	var bars strings.Builder
	y, most := 40, r.highest()
	last := ""
	r.each(false, func(row row, c contender, of samples) {
		ratio := median(of[c.name], rate.of) / median(of[grpcGo], rate.of)
		if row.load.Rate > 0 || math.IsNaN(ratio) {
			return
		}
		if row.name != last {
			last = row.name
			y += groupMargin
			fmt.Fprintf(&bars, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n",
				chartLeft-8, y+barHeight, html.EscapeString(row.name))
		}
		width := int(ratio / most * chartWidth)
		fmt.Fprintf(&bars, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n",
			chartLeft, y, width, barHeight-1, colours[c.name])
		fmt.Fprintf(&bars, `<text x="%d" y="%d" class="s">%s× %s</text>`+"\n",
			chartLeft+width+4, y+barHeight-2, short(ratio), html.EscapeString(c.name))
		y += barHeight
	})
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="%[2]d" viewBox="0 0 %[1]d %[2]d">
<style>text{font:12px sans-serif}.s{font-size:9px}</style>
<rect width="%[1]d" height="%[2]d" fill="white"/>
<text x="%[3]d" y="24" font-weight="bold">operations per second, relative to grpc-go (longer is better)</text>
%[4]s</svg>
`, chartLeft+chartWidth+150, y+20, chartLeft, bars.String())
}

// highest is the longest bar.
func (r *results) highest() float64 {
	most := 1.0
	r.each(false, func(row row, c contender, of samples) {
		ratio := median(of[c.name], rate.of) / median(of[grpcGo], rate.of)
		if row.load.Rate == 0 && ratio > most {
			most = ratio
		}
	})
	return most
}
