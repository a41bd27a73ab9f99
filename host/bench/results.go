package main

import (
	"fmt"
	"slices"
	"strings"
)

// results are all shots of a run, and what they were compared for.
type results struct {
	machine  []string // lines that say where this was measured
	entries  []entry
	round    int // of what is added
	ratios   []ratio
	missing  []string
	problems []string
}

// entry is one shot and what it belongs to.
type entry struct {
	row, cell, who string
	round          int
	shot
}

// ratio is one line of the table that counts.
type ratio struct {
	row, cell     string
	weir, against string // figures, with what they are
	ratio         float64
	limit         float64 // the most that ratio may be; with atLeast, the least; 0: it is only shown
	atLeast       bool
	note          string
}

func (r ratio) met() string {
	switch {
	case r.limit == 0:
		return ""
	case r.atLeast && r.ratio >= r.limit, !r.atLeast && r.ratio <= r.limit:
		return "yes"
	}
	return "**no**"
}

func (r *results) add(row, cell, who string, s shot) {
	r.entries = append(r.entries, entry{row, cell, who, r.round, s})
}

func (r *results) problem(row string, err error) {
	r.problems = append(r.problems, fmt.Sprintf("%s: %s", row, strings.ReplaceAll(err.Error(), "\n", " ")))
}

func (r *results) absent(name, why string) {
	line := name + ": " + why
	if !slices.Contains(r.missing, line) {
		r.missing = append(r.missing, line)
	}
}

// of gives the shots of one contender in a cell.
func (r *results) of(row, cell, who string) []shot {
	var all []shot
	for _, s := range r.entries {
		if s.row == row && s.cell == cell && s.who == who {
			all = append(all, s.shot)
		}
	}
	return all
}

// figure is the median of one of a contender's figures in a cell; 0 without shots.
func (r *results) figure(row, cell, who string, f func(shot) float64) float64 {
	var all []float64
	for _, s := range r.of(row, cell, who) {
		all = append(all, f(s))
	}
	return median(all)
}

// quotient is the median, over rounds, of one contender's figure divided by another's in the same round.
func (r *results) quotient(row, cell, who, other string, f func(shot) float64) float64 {
	figures := func(who string) map[int]float64 {
		m := map[int]float64{}
		for _, s := range r.entries {
			if s.row == row && s.cell == cell && s.who == who {
				m[s.round] = f(s.shot)
			}
		}
		return m
	}
	own := figures(who)
	var all []float64
	for round, v := range figures(other) {
		if o, ok := own[round]; ok && v > 0 {
			all = append(all, o/v)
		}
	}
	return median(all)
}

func median(all []float64) float64 {
	if len(all) == 0 {
		return 0
	}
	s := slices.Clone(all)
	slices.Sort(s)
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

func cpuPerGB(s shot) float64 { return s.cpuPerGB }
func worstGap(s shot) float64 { return s.Gap.Max }
