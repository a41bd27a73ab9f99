package main

import (
	"context"
	"fmt"
	"time"
)

// Bounds of the join row in ms: the first byte of a storm's viewers, and the worst gap of those who watched before.
const firstByteBound, firstByteMaxBound, watcherBound = 30, 150, 100

func join(ctx context.Context, b *bench) error {
	n := pick(b, 1000, 100)
	cell := fmt.Sprintf("storm of %d", n)
	all := append([]*contender{weir}, b.here(formTS, pick(b, peers, nil)...)...)
	for round := range b.rounds {
		b.results.round = round
		for _, c := range all {
			if round > 0 && c != weir {
				continue // peers' figures are orders away; one round tells
			}
			if err := b.storm(ctx, c, cell, n); err != nil {
				if c == weir || ctx.Err() != nil {
					return err
				}
				b.say("  %v", err)
				b.results.problem("join", err)
			}
		}
	}
	p50 := func(s shot) float64 { return s.FirstByte.P50 }
	last := func(s shot) float64 { return s.FirstByte.Max }
	for _, x := range []struct {
		what, who string
		f         func(shot) float64
		bound     float64
	}{
		{"first byte, median", "", p50, firstByteBound}, {"first byte, last", "", last, firstByteMaxBound},
		{"gap of those who watch", watching, worstGap, watcherBound},
	} {
		own, against := b.results.figure("join", cell, "weir"+x.who, x.f), "bound"
		for _, c := range all[1:] {
			for _, s := range b.results.of("join", cell, c.name+x.who) {
				against += fmt.Sprintf("; %s %.0f ms", c.name, x.f(s))
				if s.Joined < s.N {
					against += fmt.Sprintf(" (%d of %d)", s.Joined, s.N)
				}
			}
		}
		b.results.ratios = append(b.results.ratios, ratio{row: "join", cell: cell + ", " + x.what, weir: fmt.Sprintf("%.0f ms", own),
			against: against, ratio: own / x.bound, limit: 1, note: fmt.Sprintf("of %.0f ms", x.bound)})
	}
	return nil
}

const watching = ", those who watch"

// storm lets viewers in at once while a hundred watch.
func (b *bench) storm(ctx context.Context, c *contender, cell string, n int) error {
	s, err := b.boot(ctx, c, job{form: formTS, kbit: 1000})
	if err != nil {
		return err
	}
	defer s.close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	type seen struct {
		shot
		err error
	}
	watched := make(chan seen, 1)
	go func() { // ends with its viewers, at the latest with ctx
		x, failed := b.shoot(ctx, s, pick(b, load{viewers: 100, perSec: 250, settle: 1.5, window: 7}, load{viewers: 20, settle: 0.5, window: 4}))
		watched <- seen{x, failed}
	}()
	select {
	case <-time.After(time.Duration(pick(b, 4.0, 1.5) * float64(time.Second))): // their window is open
	case w := <-watched:
		return fmt.Errorf("%s: watchers ended before the storm: %w", c.name, w.err)
	}
	x, err := b.shoot(ctx, s, load{viewers: n, settle: 0.5, window: 1, patience: 2})
	if err != nil {
		stop()
		<-watched
		return fmt.Errorf("%s: %w", c.name, err)
	}
	w := <-watched
	if w.err != nil {
		return fmt.Errorf("%s: %w", c.name, w.err)
	}
	b.results.add("join", cell, c.name, x)
	b.results.add("join", cell, c.name+watching, w.shot)
	b.say("  %s, %s: first byte %.0f ms, last %.0f ms, %d joined; those who watch: worst gap %.0f ms",
		cell, c.name, x.FirstByte.P50, x.FirstByte.Max, x.Joined, w.Gap.Max)
	return nil
}
