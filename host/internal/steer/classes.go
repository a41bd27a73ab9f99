package steer

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// maxRules is half of what the trie holds (RULES in bpf/sk_lookup.c), since two generations share it.
const maxRules = 1 << 17

// maxClasses is what fits in a word of port_class, less 0, which is no rule.
const maxClasses = 1<<16 - 1

// target is what a rule leads to.
type target struct {
	destination uint32
	drop        bool
}

// rule leads a prefix to a target.
type rule struct {
	prefix netip.Prefix
	target
}

// segment is a range of ports, both ends included, that share a class.
type segment struct {
	protocol    Protocol
	first, last uint16
	class       int // index in cutting.classes
}

// cutting is the port space cut at the ends of the claims' ranges.
type cutting struct {
	segments []segment // ascending, disjoint; ports that no claim covers are in none
	classes  [][]rule  // the rules of each class, by prefix; no two classes are equal
}

// tidy checks a claim and brings its prefix into the one form that look-ups have.
func tidy(c Claim) (Claim, error) {
	p := c.Prefix
	if p.IsValid() && p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	switch {
	case c.Protocol > UDP:
		return c, fmt.Errorf("claim %v: a protocol that cannot be steered", c)
	case !p.IsValid():
		return c, fmt.Errorf("claim of listener %q: no prefix", c.Listener)
	case c.First == 0 || c.Last < c.First:
		return c, fmt.Errorf("claim %v: the ports must be from 1 to 65535, the first not above the last", c)
	case c.Listener == "":
		return c, fmt.Errorf("claim %v: no listener", c)
	case p.Addr().IsMulticast() && p.Bits() > 0:
		return c, fmt.Errorf("claim %v: multicast is never steered; join the group instead", c)
	}
	c.Prefix = p.Masked()
	return c, nil
}

// cut makes classes of claims. The claims are tidy; destination numbers a claim's listener and protocol.
func cut(claims []Claim, destination func(Claim) uint32) (cutting, error) {
	var result cutting
	var errs []error
	known := make(map[string]int, len(claims))
	count := 0
	for p := TCP; p <= UDP; p++ {
		pieces, err := flatten(claims, p, destination)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if count, err = result.sweep(p, pieces, known, count); err != nil {
			errs = append(errs, err)
		}
	}
	return result, errors.Join(errs...)
}

// piece is a range of ports on which a prefix has one rule.
type piece struct {
	first, last uint16
	rule        rule
}

// flatten makes the claims of each prefix disjoint: within a wider range of ports the narrower one wins.
func flatten(claims []Claim, p Protocol, destination func(Claim) uint32) ([]piece, error) {
	var sorted []Claim
	for _, c := range claims {
		if c.Protocol == p {
			sorted = append(sorted, c)
		}
	}
	slices.SortFunc(sorted, func(a, b Claim) int {
		return cmp.Or(comparePrefixes(a.Prefix, b.Prefix), cmp.Compare(a.First, b.First), cmp.Compare(b.Last, a.Last))
	})
	var pieces []piece
	var open []Claim // each within the one before
	at := 0          // the first port that has no piece yet
	emit := func(c Claim, last int) {
		if at <= last {
			r := rule{c.Prefix, target{destination(c), c.Drop}}
			pieces = append(pieces, piece{uint16(at), uint16(last), r})
		}
		at = last + 1
	}
	closeBefore := func(c Claim) {
		for len(open) > 0 && (open[len(open)-1].Prefix != c.Prefix || open[len(open)-1].Last < c.First) {
			top := open[len(open)-1]
			emit(top, int(top.Last))
			open = open[:len(open)-1]
		}
	}
	for _, c := range sorted {
		closeBefore(c)
		if len(open) > 0 {
			top := open[len(open)-1]
			if top == c {
				continue
			}
			if c.Last > top.Last || c.First == top.First && c.Last == top.Last {
				return nil, fmt.Errorf("claims %v (listener %s) and %v (listener %s) overlap, and neither range of ports lies within the other",
					top, top.Listener, c, c.Listener)
			}
			emit(top, int(c.First)-1)
		}
		open, at = append(open, c), int(c.First)
	}
	closeBefore(Claim{})
	return pieces, nil
}

// sweep walks over the ports and makes a segment between any two ends. It returns the number of rules so far.
func (r *cutting) sweep(p Protocol, pieces []piece, known map[string]int, count int) (int, error) {
	slices.SortFunc(pieces, func(a, b piece) int { return cmp.Or(compareRules(a.rule, b.rule), cmp.Compare(a.first, b.first)) })
	starts, ends := make(map[int][]int, len(pieces)), make(map[int][]int, len(pieces))
	var cuts []int
	for i, piece := range pieces {
		first, after := int(piece.first), int(piece.last)+1
		starts[first], ends[after] = append(starts[first], i), append(ends[after], i)
		cuts = append(cuts, first, after)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	var active []int // pieces, ascending, so by rule
	for i, at := range cuts {
		for _, n := range ends[at] {
			k, _ := slices.BinarySearch(active, n)
			active = slices.Delete(active, k, k+1)
		}
		for _, n := range starts[at] {
			k, _ := slices.BinarySearch(active, n)
			active = slices.Insert(active, k, n)
		}
		if len(active) == 0 {
			continue
		}
		rules := make([]rule, len(active))
		for k, n := range active {
			rules[k] = pieces[n].rule
		}
		key := signature(rules)
		class, ok := known[key]
		if !ok {
			if count += len(rules); count > maxRules || len(r.classes) == maxClasses {
				return count, fmt.Errorf("claims: more than %d rules or %d classes of ports; use fewer ranges that overlap", maxRules, maxClasses)
			}
			class = len(r.classes)
			known[key], r.classes = class, append(r.classes, rules)
		}
		r.segments = append(r.segments, segment{p, uint16(at), uint16(cuts[i+1] - 1), class})
	}
	return count, nil
}

// signature is equal for equal rules only. The rules are sorted.
func signature(rules []rule) string {
	b := make([]byte, 0, len(rules)*23)
	for _, r := range rules {
		address := r.prefix.Addr().As16()
		family, drop := byte(4), byte(0)
		if r.prefix.Addr().Is6() {
			family = 6
		}
		if r.drop {
			drop = 1
		}
		b = append(append(b, family, byte(r.prefix.Bits()), drop), address[:]...)
		b = binary.BigEndian.AppendUint32(b, r.destination)
	}
	return string(b)
}

func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

func compareRules(a, b rule) int {
	return cmp.Or(comparePrefixes(a.prefix, b.prefix), cmp.Compare(a.destination, b.destination), compareBools(a.drop, b.drop))
}

func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
