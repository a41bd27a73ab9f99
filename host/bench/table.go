package main

import (
	"fmt"
	"strings"
)

// tables are the ratios, then the figures that they were made of.
func (r *results) tables() string {
	var w strings.Builder
	w.WriteString("## Ratios\n\n| row | of | weir | beside | ratio | bound | met |\n| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, x := range r.ratios {
		bound := ""
		if x.limit > 0 {
			sign := "≤"
			if x.atLeast {
				sign = "≥"
			}
			bound = fmt.Sprintf("%s %.4g", sign, x.limit)
		}
		value := fmt.Sprintf("%.2f", x.ratio)
		if x.note != "" {
			value += " (" + x.note + ")"
		}
		fmt.Fprintf(&w, "| %s | %s | %s | %s | %s | %s | %s |\n", x.row, x.cell, x.weir, x.against, value, bound, x.met())
	}
	w.WriteString(figuresHead)
	seen := map[[3]string]bool{}
	for _, s := range r.entries {
		k := [3]string{s.row, s.cell, s.who}
		if !seen[k] {
			seen[k] = true
			w.WriteString(r.line(s))
		}
	}
	return w.String()
}

const figuresHead = `
## Figures
Medians of the rounds, times in ms. CPU: the server's user and system time for 10^9 bytes that viewers got; held: rounds in which each viewer had at least
92 % of the stream and no gap over 500 ms; foreign: the most that other processes took meanwhile, in percent of a core.

| row | of | who | CPU s/GB | core % | bytes a send | worst gap ms | gap p50 | first byte p50/max | latency p50/p99 | resident KB a viewer | held | foreign |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
`

// line is one contender's figures in one cell.
func (r *results) line(s entry) string {
	get := func(f func(shot) float64) float64 { return r.figure(s.row, s.cell, s.who, f) }
	all := r.of(s.row, s.cell, s.who)
	held, foreign := 0, 0.0
	for _, x := range all {
		foreign = max(foreign, x.foreign)
		if x.held() {
			held++
		}
	}
	latency := ""
	if get(func(x shot) float64 { return x.Latency.Max }) > 0 {
		latency = pair(get(func(x shot) float64 { return x.Latency.P50 }), get(func(x shot) float64 { return x.Latency.P99 }))
	}
	return fmt.Sprintf("| %s | %s | %s | %.3g | %.0f | %s | %.0f | %.0f | %s | %s | %.1f | %d/%d | %.0f |\n", s.row, s.cell, s.who,
		get(cpuPerGB), 100*get(func(x shot) float64 { return x.cpuShare }), blank(get(func(x shot) float64 { return x.bytesPerSend })),
		get(worstGap), get(func(x shot) float64 { return x.Gap.P50 }),
		pair(get(func(x shot) float64 { return x.FirstByte.P50 }), get(func(x shot) float64 { return x.FirstByte.Max })), latency,
		get(func(x shot) float64 { return x.RSS }), held, len(all), foreign)
}

func pair(a, b float64) string { return fmt.Sprintf("%.3g/%.3g", a, b) }

func blank(v float64) string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", v)
}

// page is RESULTS.md.
func (r *results) page() string {
	var w strings.Builder
	w.WriteString(pageHead)
	for _, line := range r.machine {
		w.WriteString("- " + line + "\n")
	}
	for _, line := range r.missing {
		w.WriteString("- not measured: " + line + "\n")
	}
	for _, line := range r.problems {
		w.WriteString("- failed: " + line + "\n")
	}
	return w.String() + "\n" + r.tables() + notes
}

const pageHead = `# What weir costs, beside the floor and beside others

Written by ` + "`make bench`" + `; run it to have it for another machine. The server has a core for itself, source and viewers the other; what is compared ran
in turns, in one run. Compare ratios; times hold for this machine alone.

`

const notes = `
## How to read it
- **floor** is ` + "`writefan`" + `, one C thread that writes one shared buffer to all viewers: as many bytes with each send as weir did in that round.
  Its datagrams are whole: it is measured with the number below weir's mean and the one above, and the two are mixed to that mean.
- **A peer at its gap**: what a send costs hardly depends on its size, so whoever holds media back longer is cheaper. Each peer is therefore compared
  with weir at a ` + "`latency`" + ` at which weir's worst gap is not longer than the peer's. Viewers read every 5 ms: a difference of up to 5 ms is none.
- On loopback the receiver's TCP work runs in the sender's context and is in every server's figure alike.
- nginx-rtmp's viewers speak RTMP and its stream is FLV of the same rate, 25 pictures a second; vlc takes the stream apart and builds it anew.
- TLS: nginx as a proxy opens a connection for each viewer to a floor on the other core and encrypts what it reads there; its file is in the page cache, sent
  at the stream's rate, so nothing is live in it. Viewers shake hands, then let the kernel drop what comes.
- memory: heap and stack of weir are read while its garbage is collected at once (GOGC=1), so that they hold what is in use; resident memory is of the usual run.
- "not held" stands where in some round not every viewer had the whole stream; what such a server costs is for less than was asked.
`
