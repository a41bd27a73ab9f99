package steer

import (
	"errors"
	"net/netip"
	"slices"
)

// ports is the number of words of port_class in a generation: each protocol's ports from 0 on.
const ports = 2 << 16

func portIndex(p Protocol, port uint16) int { return int(p)<<16 | int(port) }

// classRule is the key of a rule within a generation.
type classRule struct {
	class  uint16
	prefix netip.Prefix
}

// image is what the kernel's maps hold for one generation.
type image struct {
	classes []uint16 // of each port, at portIndex
	rules   map[classRule]target
}

func newImage() *image { return &image{make([]uint16, ports), map[classRule]target{}} }

// render is the image of a cutting. Of all numberings of the classes it takes one that leaves most of the old image as it is, so that little is written.
func render(old *image, c cutting) (*image, error) {
	numbers, err := number(old, c)
	if err != nil {
		return nil, err
	}
	im := &image{make([]uint16, ports), make(map[classRule]target, len(old.rules))}
	for _, s := range c.segments {
		words := im.classes[portIndex(s.protocol, s.first) : portIndex(s.protocol, s.last)+1]
		for i := range words {
			words[i] = numbers[s.class]
		}
	}
	for class, rules := range c.classes {
		for _, r := range rules {
			im.rules[classRule{numbers[class], r.prefix}] = r.target
		}
	}
	return im, nil
}

// number gives each class of a cutting the number of an equal one in the old image; else the one that most of its ports have; else a free one.
func number(old *image, c cutting) ([]uint16, error) {
	numbers := make([]uint16, len(c.classes))
	taken := map[uint16]bool{0: true}
	take := func(class int, n uint16) {
		numbers[class], taken[n] = n, true
	}
	before := old.signatures()
	for class, rules := range c.classes {
		if n, ok := before[signature(rules)]; ok {
			take(class, n)
		}
	}
	segments := make([][]segment, len(c.classes))
	for _, s := range c.segments {
		if numbers[s.class] == 0 {
			segments[s.class] = append(segments[s.class], s)
		}
	}
	for class := range c.classes {
		if numbers[class] == 0 {
			if n := old.commonest(segments[class], taken); n != 0 {
				take(class, n)
			}
		}
	}
	used := map[uint16]bool{}
	for k := range old.rules {
		used[k.class] = true
	}
	next, reuse := 1, 1
	for class := range c.classes {
		if numbers[class] != 0 {
			continue
		}
		for next <= maxClasses && (taken[uint16(next)] || used[uint16(next)]) {
			next++
		}
		if next <= maxClasses {
			take(class, uint16(next))
			continue
		}
		for reuse <= maxClasses && taken[uint16(reuse)] {
			reuse++
		}
		if reuse > maxClasses {
			return nil, errors.New("claims: too many classes of ports")
		}
		take(class, uint16(reuse))
	}
	return numbers, nil
}

// signatures gives the number of each class that stands.
func (im *image) signatures() map[string]uint16 {
	rules := make(map[uint16][]rule, len(im.rules))
	for k, t := range im.rules {
		rules[k.class] = append(rules[k.class], rule{k.prefix, t})
	}
	found := make(map[string]uint16, len(rules))
	for n, of := range rules {
		slices.SortFunc(of, compareRules)
		found[signature(of)] = n
	}
	return found
}

// commonest is the class that most ports of the segments have, of those not taken; 0 if there is none.
func (im *image) commonest(segments []segment, taken map[uint16]bool) uint16 {
	counts := map[uint16]int{}
	for _, s := range segments {
		for i := portIndex(s.protocol, s.first); i <= portIndex(s.protocol, s.last); i++ {
			if n := im.classes[i]; n != 0 {
				counts[n]++
			}
		}
	}
	var best uint16
	for n, count := range counts {
		if !taken[n] && (count > counts[best] || count == counts[best] && n < best) {
			best = n
		}
	}
	return best
}

// changes is what turns one image into another.
type changes struct {
	words   []uint32 // indices of port_class within the generation
	classes []uint16 // what stands there then
	put     map[classRule]target
	remove  []classRule
}

func difference(from, to *image) changes {
	c := changes{put: map[classRule]target{}}
	for i, class := range to.classes {
		if from.classes[i] != class {
			c.words, c.classes = append(c.words, uint32(i)), append(c.classes, class)
		}
	}
	for k, t := range to.rules {
		if before, ok := from.rules[k]; !ok || before != t {
			c.put[k] = t
		}
	}
	for k := range from.rules {
		if _, ok := to.rules[k]; !ok {
			c.remove = append(c.remove, k)
		}
	}
	return c
}
