package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// crowd is one cell of a row: how many viewers of what.
type crowd struct {
	viewers, kbit int
}

func (c crowd) String() string {
	return fmt.Sprintf("%d × %g Mbit/s", c.viewers, float64(c.kbit)/1000)
}

// cpuRow measures what a gigabyte costs: weir, the floor with weir's own bytes a send, and each peer, which is met at its own worst gap.
type cpuRow struct {
	*bench
	name    string
	form    form
	peers   []*contender
	bounds  []*contender            // beside which weir need not be cheaper: what the language costs
	matched map[int][]time.Duration // by rate: latencies of weir besides the default that may meet some peer's gap
}

// floorSame is the floor that writes as many bytes with each send as weir did.
const floorSame = "floor, weir's bytes a send"

// gapReading is how far apart two worst gaps are that do not differ: viewers read each 5 ms (fanload -b).
const gapReading = 5.0 // ms

func cpu(f form) func(context.Context, *bench) error {
	return func(ctx context.Context, b *bench) error { return cpuOf(ctx, b, f) }
}

func cpuOf(ctx context.Context, b *bench, f form) error {
	r := &cpuRow{bench: b, name: "cpu-" + string(f), form: f, matched: map[int][]time.Duration{}}
	counts, rates := []int{200, 1000}, []int{1000, 4000}
	if b.short {
		counts, rates = counts[:1], rates[:1]
	} else {
		r.peers, r.bounds = b.here(f, peers...), b.here(f, gor, shard)
	}
	for round := range b.rounds {
		b.results.round = round
		for _, kbit := range rates {
			if err := r.round(ctx, round, kbit, counts); err != nil {
				return err
			}
		}
	}
	for _, kbit := range rates {
		for _, n := range counts {
			r.compare(crowd{n, kbit})
		}
	}
	return nil
}

// load is how the viewers of a cell come.
func (r *cpuRow) load(c *contender, n int) load {
	l := load{viewers: n, perSec: 1000, settle: 1.2, window: 3.8, patience: 5}
	if c.joins > 0 {
		l.perSec = c.joins
	}
	if r.short {
		l.settle, l.window = 1, 2
	}
	return l
}

func (r *cpuRow) round(ctx context.Context, round, kbit int, counts []int) error {
	if err := r.measure(ctx, weir, "weir", job{form: r.form, kbit: kbit}, counts); err != nil {
		return err
	}
	for _, n := range counts {
		all := r.results.of(r.name, crowd{n, kbit}.String(), "weir")
		j := job{form: r.form, kbit: kbit, chunk: sendSize(all[len(all)-1], kbit)}
		if err := r.measure(ctx, floor, floorSame, j, []int{n}); err != nil {
			return err
		}
	}
	for _, p := range r.peers {
		if round > 0 && p.once {
			continue
		}
		if err := r.measure(ctx, p, p.name, job{form: r.form, kbit: kbit}, counts); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.say("  %v", err)
			r.results.problem(r.name, err)
		}
	}
	if round == 0 {
		r.matched[kbit] = r.match(kbit, counts)
	}
	for _, l := range r.matched[kbit] {
		if err := r.measure(ctx, weir, weirAt(l), job{form: r.form, kbit: kbit, latency: l}, counts); err != nil {
			return err
		}
	}
	if round > 0 || r.short {
		return nil
	}
	for _, c := range r.bounds {
		if err := r.measure(ctx, c, c.name, job{form: r.form, kbit: kbit}, counts); err != nil {
			return err
		}
	}
	if r.form == formTS {
		return r.measure(ctx, floor, "floor, 1,316 bytes a send", job{form: r.form, kbit: kbit, chunk: 1316}, counts)
	}
	return nil
}

func weirAt(l time.Duration) string { return fmt.Sprintf("weir, latency %v", l) }

// sendSize is what the floor writes with each send so that it writes as weir did. Without weir's word it is what a point gathers by default.
func sendSize(s shot, kbit int) int {
	if s.bytesPerSend > 0 {
		return int(s.bytesPerSend)
	}
	return kbit * 40 / 8
}

// measure boots a contender once and shows it to each number of viewers.
func (r *cpuRow) measure(ctx context.Context, c *contender, who string, j job, counts []int) error {
	s, err := r.boot(ctx, c, j)
	if err != nil {
		return err
	}
	defer s.close()
	for _, n := range counts {
		x, err := r.steady(ctx, s, r.load(c, n))
		if err != nil {
			return fmt.Errorf("%s: %w", who, err)
		}
		r.keep(r.name, crowd{n, j.kbit}.String(), who, x)
	}
	return nil
}

// match chooses latencies at which weir's worst gap may be as long as a peer's, and is worth measuring: those that fit a gap that is under weir's own, and those
// with which weir may hold media back as long as a peer that is above.
func (r *cpuRow) match(kbit int, counts []int) []time.Duration {
	var all []time.Duration
	for _, p := range r.peers {
		for _, n := range counts {
			cell := crowd{n, kbit}.String()
			gap, own := r.results.figure(r.name, cell, p.name, worstGap), r.results.figure(r.name, cell, "weir", worstGap)
			if gap > 0 && math.Abs(gap-own) > gapReading {
				all = append(all, fitting(gap, kbit)...)
			}
		}
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(l time.Duration) bool { return l == ordinaryLatency })
}

// ordinaryLatency is a point's, if nothing else is asked for.
const ordinaryLatency = 40 * time.Millisecond

// fitting gives the longest latencies with which a gap, in ms, is kept: one if chunks of the source come as they like, where a gap is the latency, the distance of
// two chunks and what fanload adds, and one if they come on time, where it is the whole chunks that the latency reaches. The shortest fits always.
func fitting(gap float64, kbit int) []time.Duration {
	chunk := 1316 * 8 / float64(kbit) // ms
	sure, bold := 5, 5
	for _, l := range []int{10, 15, 20, 25, 30, 40, 60, 80, 100, 150, 200} {
		if float64(l)+chunk+gapReading <= gap {
			sure = l
		}
		if math.Ceil(float64(l)/chunk)*chunk+gapReading <= gap {
			bold = l
		}
	}
	return []time.Duration{time.Duration(sure) * time.Millisecond, time.Duration(bold) * time.Millisecond}
}

// compare adds a cell's ratios: to the floor, then to each peer at its gap.
func (r *cpuRow) compare(c crowd) {
	cell, res := c.String(), &r.results
	own, under := res.figure(r.name, cell, "weir", cpuPerGB), res.figure(r.name, cell, floorSame, cpuPerGB)
	bytes := res.figure(r.name, cell, "weir", func(s shot) float64 { return s.bytesPerSend })
	res.ratios = append(res.ratios, ratio{row: r.name, cell: cell, weir: fmt.Sprintf("%.3g s/GB, %.0f bytes a send", own, bytes),
		against: fmt.Sprintf("floor %.3g s/GB", under), ratio: res.quotient(r.name, cell, "weir", floorSame, cpuPerGB), limit: 1.15})
	for _, p := range r.peers {
		gap, cost := res.figure(r.name, cell, p.name, worstGap), res.figure(r.name, cell, p.name, cpuPerGB)
		if cost == 0 {
			continue
		}
		who, note := r.cheapest(c, gap)
		x := ratio{row: r.name, cell: cell, limit: 1, note: note}
		x.against = fmt.Sprintf("%s %.3g s/GB, gap %.0f ms%s", p.name, cost, gap, res.heldNote(r.name, cell, p.name))
		x.weir = fmt.Sprintf("%s: %.3g s/GB, gap %.0f ms", who, res.figure(r.name, cell, who, cpuPerGB), res.figure(r.name, cell, who, worstGap))
		x.ratio = res.quotient(r.name, cell, who, p.name, cpuPerGB)
		res.ratios = append(res.ratios, x)
	}
}

// cheapest is weir at the latency that costs the least of those whose worst gap is no longer than this one.
func (r *cpuRow) cheapest(c crowd, gap float64) (who, note string) {
	names := []string{"weir"}
	for _, l := range r.matched[c.kbit] {
		names = append(names, weirAt(l))
	}
	cell := c.String()
	best, shortest := "", names[0]
	for _, n := range names {
		g := r.results.figure(r.name, cell, n, worstGap)
		if g < r.results.figure(r.name, cell, shortest, worstGap) {
			shortest = n
		}
		if g <= gap+gapReading && (best == "" || r.results.figure(r.name, cell, n, cpuPerGB) < r.results.figure(r.name, cell, best, cpuPerGB)) {
			best = n
		}
	}
	if best == "" {
		return shortest, "its gap is longer"
	}
	return best, ""
}

func (r *results) heldNote(row, cell, who string) string {
	for _, s := range r.of(row, cell, who) {
		if !s.held() {
			return ", not held"
		}
	}
	return ""
}
