package main

import (
	"context"
	"fmt"
	"strings"
)

// memoryBound is what a plain viewer may take of heap and stack, in bytes.
const memoryBound = 1024

func memory(ctx context.Context, b *bench) error {
	const kbit = 100
	n := pick(b, min(10000, b.ceiling()), 200)
	l := pick(b, load{viewers: n, perSec: 2000, settle: 4, window: 4, patience: 10, once: true}, load{viewers: n, settle: 1, window: 2})
	cell := fmt.Sprintf("%d viewers", n)
	j := job{form: formTS, kbit: kbit}
	if _, err := b.try(ctx, "memory", cell, "weir", weir, j, l); err != nil {
		return err
	}
	j.tidy = true
	x, err := b.tidied(ctx, cell, j, l)
	if err != nil {
		return err
	}
	b.results.ratios = append(b.results.ratios, ratio{row: "memory", cell: cell,
		weir:    fmt.Sprintf("%.0f bytes of heap and stack a viewer, %+.0f goroutines", x.memory, x.goroutines),
		against: fmt.Sprintf("%d bytes", memoryBound), ratio: x.memory / memoryBound, limit: 1})
	l.viewers = pick(b, 2000, 200)
	for _, p := range b.here(formTS, pick(b, append([]*contender{gor, shard}, peers...), nil)...) {
		if _, err := b.try(ctx, "memory", fmt.Sprintf("%d viewers", l.viewers), p.name, p, job{form: formTS, kbit: kbit}, l); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			b.say("  %v", err)
			b.results.problem("memory", err)
		}
	}
	return ctx.Err()
}

// tidied measures weir whose garbage is collected at once. A few viewers come and go before: what the start has left lying is collected with theirs, and
// is not there to be taken off the crowd's.
func (b *bench) tidied(ctx context.Context, cell string, j job, l load) (shot, error) {
	const who = "weir, garbage collected at once"
	s, err := b.boot(ctx, weir, j)
	if err != nil {
		return shot{}, err
	}
	defer s.close()
	x, err := b.shoot(ctx, s, load{viewers: l.viewers / 100, settle: 1, window: 2})
	if err == nil {
		x, err = b.steady(ctx, s, l)
	}
	if err != nil {
		return x, fmt.Errorf("%s: %w", who, err)
	}
	b.keep("memory", cell, who, x)
	return x, nil
}

// crowdBound is the most ms that 99 of 100 chunks may need to one of 9,000 viewers.
const crowdBound = 300

func crowded(ctx context.Context, b *bench) error {
	n := pick(b, min(9000, b.ceiling()), 200)
	cell := crowd{n, 1000}.String()
	l := pick(b, load{viewers: n, perSec: 2000, settle: 4, window: 6, probes: 5, patience: 10}, load{viewers: n, settle: 1, window: 2, probes: 5})
	all := []variant{{"weir", weir, job{form: formTS, kbit: 1000}, false}}
	for _, c := range pick(b, []*contender{gor, shard}, nil) {
		all = append(all, variant{c.name, c, job{form: formTS, kbit: 1000}, true})
	}
	if err := b.turns(ctx, "p99", cell, all, l); err != nil {
		return err
	}
	p99 := func(s shot) float64 { return s.Latency.P99 }
	own, beside := b.results.figure("p99", cell, "weir", p99), []string{"bound"}
	for _, v := range all[1:] {
		beside = append(beside, fmt.Sprintf("%s %.0f ms", v.who, b.results.figure("p99", cell, v.who, p99)))
	}
	b.results.ratios = append(b.results.ratios, ratio{row: "p99", cell: cell, weir: fmt.Sprintf("p99 %.0f ms%s", own, b.results.heldNote("p99", cell, "weir")),
		against: strings.Join(beside, "; "), ratio: own / crowdBound, limit: 1, note: fmt.Sprintf("of %d ms", crowdBound)})
	return nil
}

// ceiling is the most viewers that this machine's limits let come.
func (b *bench) ceiling() int { return min(18000, b.files-1000) } // chosen: the load's core is full beyond that

// found is how far a search came.
type found struct {
	n    int
	more bool // n is the ceiling: there may be more
}

func (f found) String() string {
	if f.more {
		return fmt.Sprintf("≥ %d", f.n)
	}
	return fmt.Sprint(f.n)
}

func most(ctx context.Context, b *bench) error {
	own, err := b.search(ctx, weir, 8000)
	if err != nil {
		return err
	}
	best := map[bool]found{} // of the peers, of the bounds
	who := map[bool]string{}
	for _, c := range b.here(formTS, pick(b, []*contender{gor, shard, nginxRTMP, vlc}, nil)...) {
		bound := c == gor || c == shard
		n, err := b.search(ctx, c, map[bool]int{true: 12000, false: 4500}[bound])
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			b.results.problem("most", err)
		}
		if n.n > best[bound].n {
			best[bound], who[bound] = n, c.name
		}
	}
	needed, against := 0.0, "nobody"
	if who[false] != "" {
		needed, against = 2*float64(best[false].n), fmt.Sprintf("twice %s (%v)", who[false], best[false])
	}
	if g := 0.9 * float64(best[true].n); who[true] != "" && (needed == 0 || g < needed) {
		needed, against = g, against+fmt.Sprintf(", or less: 0.9 of %s (%v)", who[true], best[true])
	}
	if needed > 0 {
		b.results.ratios = append(b.results.ratios, ratio{row: "most", cell: "1 Mbit/s", weir: own.String(), against: fmt.Sprintf("%.0f: %s", needed, against),
			ratio: float64(own.n) / needed, limit: 1, atLeast: true})
	}
	return nil
}

// search finds the most viewers of a contender that all have the stream.
func (b *bench) search(ctx context.Context, c *contender, guess int) (found, error) {
	if b.short {
		guess = 200
	}
	return bisect(guess, pick(b, b.ceiling(), guess), func(n int) (bool, error) {
		x, err := b.try(ctx, "most", fmt.Sprintf("%d × 1 Mbit/s", n), c.name, c, job{form: formTS, kbit: 1000},
			load{viewers: n, perSec: 2500, settle: pick(b, 3.0, 1), window: pick(b, 5.0, 2), patience: 8})
		return x.held(), err
	})
}

// fewest is where bisect gives up, and nearness how far apart, as a share of the larger, the last two numbers are. Chosen.
const (
	fewest   = 100
	nearness = 0.1
)

// bisect finds the most viewers, at most top, that are held: up by half from a guess, or down by a third, then by halves.
func bisect(guess, top int, held func(n int) (bool, error)) (found, error) {
	low, high := 0, 0 // held; not held
	for n := min(guess, top); ; {
		ok, err := held(n)
		switch {
		case err != nil:
			return found{n: low}, err
		case ok && n == top:
			return found{n, true}, nil
		case ok:
			low = n
		default:
			high = n
		}
		switch {
		case high == 0:
			n = min(n*3/2, top)
		case float64(high-low) <= nearness*float64(high), high < fewest:
			return found{n: low}, nil
		case low == 0:
			n = n * 2 / 3
		default:
			n = (low + high) / 2
		}
	}
}
