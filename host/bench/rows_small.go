package main

import (
	"context"
	"fmt"
	"time"
)

// variant is a contender with a job, under the name that the tables have.
type variant struct {
	who   string
	c     *contender
	j     job
	shown bool // nothing is compared with it: one round
}

// turns measures variants in turns, all rounds; those that are only shown beside it have one. One that fails is a problem of its own unless it is the first,
// with which all are compared.
func (b *bench) turns(ctx context.Context, row, cell string, all []variant, l load) error {
	return b.turnsOf(ctx, b.rounds, row, cell, all, l)
}

func (b *bench) turnsOf(ctx context.Context, rounds int, row, cell string, all []variant, l load) error {
	for round := range rounds {
		b.results.round = round
		for i, v := range all {
			if v.shown && round > 0 {
				continue
			}
			_, err := b.try(ctx, row, cell, v.who, v.c, v.j, l)
			if err == nil {
				continue
			}
			if i == 0 || ctx.Err() != nil {
				return err
			}
			b.say("  %v", err)
			b.results.problem(row, err)
		}
	}
	return nil
}

// The bounds of the latency row: how much weir's median may be above the floor's, in ms, with a latency of 5 ms and by default.
const quickBound, defaultBound = 5, 45

func latency(ctx context.Context, b *bench) error {
	const cell, under = "100 × 1 Mbit/s", "floor, 1,316 bytes a send"
	l := load{viewers: pick(b, 100, 20), perSec: 500, settle: 1.5, window: pick(b, 5.0, 2), probes: 5, instant: true}
	plain := job{form: formTS, kbit: 1000, chunk: 1316}
	quick := plain
	quick.latency = 5 * time.Millisecond
	all := []variant{{"weir", weir, plain, false}, {weirAt(quick.latency), weir, quick, false}, {under, floor, plain, false}}
	for _, p := range b.here(formTS, pick(b, peers, nil)...) {
		all = append(all, variant{p.name, p, plain, true})
	}
	if err := b.turns(ctx, "latency", cell, all, l); err != nil {
		return err
	}
	p50 := func(s shot) float64 { return s.Latency.P50 }
	p99 := func(s shot) float64 { return s.Latency.P99 }
	f := func(who string) string {
		return pair(b.results.figure("latency", cell, who, p50), b.results.figure("latency", cell, who, p99))
	}
	for _, x := range []struct {
		who   string
		bound float64
	}{{weirAt(quick.latency), quickBound}, {"weir", defaultBound}} {
		above := b.results.figure("latency", cell, x.who, p50) - b.results.figure("latency", cell, under, p50)
		b.results.ratios = append(b.results.ratios, ratio{row: "latency", cell: cell,
			weir: x.who + ": p50/p99 " + f(x.who) + " ms", against: "floor " + f(under) + " ms",
			ratio: above / x.bound, limit: 1, note: fmt.Sprintf("%.1f of %.0f ms more", above, x.bound)})
	}
	return nil
}

// taxBound is how much more weir may cost with plugins in a sandbox than with the same plugins compiled natively. Two in a hundred are few: there are twice
// as many rounds as elsewhere.
const (
	taxBound = 1.02
	taxTurns = 2
)

func tax(ctx context.Context, b *bench) error {
	if no := linked.missing(b); no != "" {
		b.results.absent(linked.name, no)
		return nil
	}
	for _, c := range pick(b, []crowd{{200, 1000}, {1000, 1000}}, []crowd{{200, 1000}}) { // with few viewers the packets themselves are the larger part
		for _, f := range []form{formTS, formMMSH} {
			cell := fmt.Sprintf("%s, %v", f, c)
			j := job{form: f, kbit: c.kbit}
			l := load{viewers: c.viewers, perSec: 1000, settle: 1.5, window: pick(b, 10.0, 2)}
			if err := b.turnsOf(ctx, pick(b, taxTurns*b.rounds, 1), "tax", cell, []variant{{"weir", weir, j, false}, {linked.name, linked, j, false}}, l); err != nil {
				return err
			}
			b.beside("tax", cell, linked.name, taxBound)
		}
	}
	return nil
}

// beside adds the ratio of weir's processor time to another's.
func (b *bench) beside(row, cell, who string, limit float64) {
	res := &b.results
	if cost := res.figure(row, cell, who, cpuPerGB); cost > 0 {
		res.ratios = append(res.ratios, ratio{row: row, cell: cell,
			weir:    fmt.Sprintf("%.3g s/GB, gap %.0f ms", res.figure(row, cell, "weir", cpuPerGB), res.figure(row, cell, "weir", worstGap)),
			against: fmt.Sprintf("%s %.3g s/GB, gap %.0f ms%s", who, cost, res.figure(row, cell, who, worstGap), res.heldNote(row, cell, who)),
			ratio:   res.quotient(row, cell, "weir", who, cpuPerGB), limit: limit})
	}
}

func secure(ctx context.Context, b *bench) error {
	others := b.here(formTLS, nginxTLS, nginxFile)
	for _, c := range pick(b, []crowd{{200, 1000}, {1000, 1000}}, []crowd{{50, 1000}}) {
		j := job{form: formTLS, kbit: c.kbit, chunk: c.kbit * 40 / 8}
		l := pick(b, load{viewers: c.viewers, perSec: 300, settle: 1.5, window: 4}, load{viewers: c.viewers, perSec: 300, settle: 1, window: 2})
		all := []variant{{"weir", weir, j, false}}
		for _, o := range others {
			all = append(all, variant{o.name, o, j, false})
		}
		if err := b.turns(ctx, "tls", c.String(), all, l); err != nil {
			return err
		}
		for _, o := range others {
			b.beside("tls", c.String(), o.name, 0)
		}
	}
	return nil
}
