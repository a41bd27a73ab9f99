package steer

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

// lookup does what the program does.
func (im *image) lookup(p Protocol, a netip.AddrPort) (found target, ok bool) {
	class, bits := im.classes[portIndex(p, a.Port())], -1
	for k, t := range im.rules {
		if class != 0 && k.class == class && k.prefix.Contains(a.Addr()) && k.prefix.Bits() > bits {
			found, ok, bits = t, true, k.prefix.Bits()
		}
	}
	return found, ok
}

// naive is the rule of claims in the words of their documentation.
func naive(claims []Claim, p Protocol, a netip.AddrPort) (target, bool) {
	var best Claim
	found := false
	for _, c := range claims {
		if c.Protocol != p || !c.Prefix.Contains(a.Addr()) || a.Port() < c.First || a.Port() > c.Last {
			continue
		}
		longer := c.Prefix.Bits() - best.Prefix.Bits()
		if !found || longer > 0 || longer == 0 && c.Last-c.First < best.Last-best.First {
			best, found = c, true
		}
	}
	if !found {
		return target{}, false
	}
	return target{numberOf(best), best.Drop}, true
}

// numberOf numbers listeners by what follows their first letter.
func numberOf(c Claim) uint32 {
	var n uint32
	fmt.Sscanf(c.Listener[1:], "%d", &n)
	return n*2 + uint32(c.Protocol)
}

// claim reads "tcp 10.0.0.0/8 80-90 l1 drop".
func claim(text string) Claim {
	f := strings.Fields(text)
	c := Claim{Listener: f[3], Drop: len(f) > 4}
	if f[0] == "udp" {
		c.Protocol = UDP
	}
	if !strings.Contains(f[1], "/") {
		a := netip.MustParseAddr(f[1])
		c.Prefix = netip.PrefixFrom(a, a.BitLen())
	} else {
		c.Prefix = netip.MustParsePrefix(f[1])
	}
	if n, _ := fmt.Sscanf(f[2], "%d-%d", &c.First, &c.Last); n == 1 {
		c.Last = c.First
	}
	return c
}

func claims(lines ...string) []Claim {
	all := make([]Claim, len(lines))
	for i, l := range lines {
		all[i] = claim(l)
	}
	return all
}

func TestCut(t *testing.T) {
	for name, c := range map[string]struct {
		claims []Claim
		want   string // segments with their classes
	}{
		"none":  {nil, ""},
		"one":   {claims("tcp 127.0.0.2 80 l1"), "tcp 80-80 0"},
		"range": {claims("udp ::1 20000-20999 l1"), "udp 20000-20999 0"},
		"all":   {claims("tcp 0.0.0.0/0 1-65535 l1"), "tcp 1-65535 0"},
		"ports with the same rules share a class": {claims("tcp 127.0.0.2 80 l1", "tcp 127.0.0.2 8080-8090 l1"), "tcp 80-80 0, tcp 8080-8090 0"},
		"so do neighbours":                        {claims("tcp 127.0.0.2 80 l1", "tcp 127.0.0.2 81 l1"), "tcp 80-80 0, tcp 81-81 0"},
		"protocols apart":                         {claims("tcp 127.0.0.2 80 l1", "udp 127.0.0.2 80 l1"), "tcp 80-80 0, udp 80-80 1"},
		"ends cut": {claims("tcp 127.0.0.0/8 80-90 l1", "tcp 127.0.0.2 85-95 l2"),
			"tcp 80-84 0, tcp 85-90 1, tcp 91-95 2"},
		"the narrower of one prefix": {claims("tcp ::/0 1-65535 l1", "tcp ::/0 443 l2", "tcp ::/0 65535 l2"),
			"tcp 1-442 0, tcp 443-443 1, tcp 444-65534 0, tcp 65535-65535 1"},
		"three deep": {claims("tcp ::/0 10-90 l1", "tcp ::/0 20-50 l2", "tcp ::/0 30-50 l3"),
			"tcp 10-19 0, tcp 20-29 1, tcp 30-50 2, tcp 51-90 0"},
		"twice the same": {claims("tcp ::1 80 l1", "tcp ::1 80 l1"), "tcp 80-80 0"},
		"dropping is another rule": {claims("tcp ::1 80 l1", "tcp ::1 81 l1 drop"),
			"tcp 80-80 0, tcp 81-81 1"},
	} {
		t.Run(name, func(t *testing.T) {
			parts, err := cut(c.claims, numberOf)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range parts.segments {
				got = append(got, fmt.Sprintf("%v %d-%d %d", s.protocol, s.first, s.last, s.class))
			}
			if text := strings.Join(got, ", "); text != c.want {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
		})
	}
}

func TestCutRefusesWhatIsAmbiguous(t *testing.T) {
	for _, lines := range [][]string{
		{"tcp ::1 80-90 l1", "tcp ::1 85-95 l2"},
		{"tcp ::1 80 l1", "tcp ::1 80 l2"},
		{"tcp ::1 80 l1", "tcp ::1 80 l1 drop"},
		{"tcp ::1 1-65535 l1", "tcp ::1 80-90 l2", "tcp ::1 90-91 l3"},
	} {
		_, err := cut(claims(lines...), numberOf)
		if err == nil {
			t.Errorf("%q: no error", lines)
			continue
		}
		for _, l := range lines[len(lines)-2:] {
			if name := claim(l).Listener; !strings.Contains(err.Error(), name) {
				t.Errorf("%q: the error does not name %s: %v", lines, name, err)
			}
		}
	}
}

func TestCutBoundsRules(t *testing.T) {
	var many []Claim // each pair of ports and prefixes is a rule of its own
	for i := range 600 {
		many = append(many, claim(fmt.Sprintf("tcp 10.0.%d.%d 1-%d l1", i/256, i%256, 1000+i)))
	}
	if _, err := cut(many[:400], numberOf); err != nil {
		t.Errorf("80,200 rules: %v", err)
	}
	if _, err := cut(many, numberOf); err == nil {
		t.Error("180,300 rules: no error")
	}
}

func TestTidy(t *testing.T) {
	for _, c := range []Claim{
		{},
		{Prefix: netip.MustParsePrefix("::1/128"), Last: 1, Listener: "l1"},
		{Prefix: netip.MustParsePrefix("::1/128"), First: 2, Last: 1, Listener: "l1"},
		{Prefix: netip.MustParsePrefix("::1/128"), First: 2, Last: 2},
		{First: 2, Last: 2, Listener: "l1"},
		{Prefix: netip.MustParsePrefix("239.1.2.0/24"), First: 2, Last: 2, Listener: "l1"},
		{Prefix: netip.MustParsePrefix("ff02::/16"), First: 2, Last: 2, Listener: "l1"},
		{Protocol: 2, Prefix: netip.MustParsePrefix("::1/128"), First: 2, Last: 2, Listener: "l1"},
	} {
		if _, err := tidy(c); err == nil {
			t.Errorf("%v: no error", c)
		}
	}
	for from, to := range map[string]string{"10.1.2.3/8": "10.0.0.0/8", "::ffff:10.1.2.3/104": "10.0.0.0/8", "::/0": "::/0", "fd00::1/16": "fd00::/16"} {
		c, err := tidy(Claim{Prefix: netip.MustParsePrefix(from), First: 1, Last: 1, Listener: "l1"})
		if err != nil || c.Prefix.String() != to {
			t.Errorf("%s: %v, %v", from, c.Prefix, err)
		}
	}
}

// random makes claims of few addresses and ports, so that they meet.
func random(b []byte) []Claim {
	prefixes := []string{"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.1.1/32", "::/0", "fd00::/8", "fd00::1/128"}
	edges := []uint16{1, 2, 79, 80, 81, 443, 20000, 20999, 65534, 65535}
	var all []Claim
	for ; len(b) >= 4; b = b[4:] {
		n := binary.BigEndian.Uint32(b)
		first, last := edges[n>>8&15%10], edges[n>>12&15%10]
		if first > last {
			first, last = last, first
		}
		c, err := tidy(Claim{Protocol: Protocol(n & 1), Prefix: netip.MustParsePrefix(prefixes[n>>1&63%7]), First: first, Last: last,
			Listener: fmt.Sprintf("l%d", n>>16&3), Drop: n>>20&3 == 0})
		if err == nil {
			all = append(all, c)
		}
	}
	return all
}

// chain sets claims one after the other, as a table does with every other set, and compares each with the naive model.
func chain(t *testing.T, sets [][]Claim) {
	old := newImage()
	for i, all := range sets {
		parts, err := cut(all, numberOf)
		if err != nil {
			continue
		}
		im, err := render(old, parts)
		if err != nil {
			t.Fatal(err)
		}
		apply(old, difference(old, im))
		if d := difference(old, im); len(d.words)+len(d.put)+len(d.remove) != 0 {
			t.Fatalf("set %d: %v is still different", i, d)
		}
		old = im
		for _, p := range []Protocol{TCP, UDP} {
			for _, a := range []string{"10.1.1.1", "10.1.1.2", "10.2.2.2", "11.0.0.1", "fd00::1", "fd00::2", "2001::1"} {
				for _, port := range []uint16{1, 2, 3, 78, 79, 80, 81, 82, 442, 443, 444, 20000, 20500, 20999, 21000, 65533, 65534, 65535} {
					at := netip.AddrPortFrom(netip.MustParseAddr(a), port)
					got, ok := im.lookup(p, at)
					want, wanted := naive(all, p, at)
					if got != want || ok != wanted {
						t.Fatalf("set %d: %v %v: got %v %v, want %v %v; claims %v", i, p, at, got, ok, want, wanted, all)
					}
				}
			}
		}
	}
}

// apply is what Table.write does to the kernel's maps.
func apply(im *image, c changes) {
	for _, k := range c.remove {
		delete(im.rules, k)
	}
	for k, t := range c.put {
		im.rules[k] = t
	}
	for i, n := range c.words {
		im.classes[n] = c.classes[i]
	}
}

func TestClassesAgreeWithTheNaiveModel(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for range rounds {
		sets := make([][]Claim, 6)
		for i := range sets {
			b := make([]byte, 4*r.IntN(7))
			for k := range b {
				b[k] = byte(r.Uint32())
			}
			sets[i] = random(b)
		}
		chain(t, sets)
	}
}

func FuzzClasses(f *testing.F) {
	f.Add([]byte("one claim"), []byte("and some more of them"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		bound := func(b []byte) []Claim { return random(b[:min(len(b), 64)]) }
		chain(t, [][]Claim{bound(a), bound(b)})
	})
}

// thousand are claims of ports and addresses of their own.
func thousand() []Claim {
	all := make([]Claim, 1000)
	for i := range all {
		all[i] = claim(fmt.Sprintf("tcp 10.0.%d.%d %d-%d l%d", i/250, i%250+1, 1000+i*10, 1009+i*10, i%5))
	}
	return all
}

func TestOneChangedClaimWritesLittle(t *testing.T) {
	render1 := func(old *image, all []Claim) *image {
		parts, err := cut(all, numberOf)
		if err != nil {
			t.Fatal(err)
		}
		im, err := render(old, parts)
		if err != nil {
			t.Fatal(err)
		}
		return im
	}
	before := render1(newImage(), thousand())
	for name, c := range map[string]struct {
		change                func(all []Claim) []Claim
		words, puts, removals int
	}{
		"nothing":  {func(all []Claim) []Claim { return all }, 0, 0, 0},
		"listener": {func(all []Claim) []Claim { all[500].Listener = "l9"; return all }, 0, 1, 0},
		"prefix":   {func(all []Claim) []Claim { all[0].Prefix = netip.MustParsePrefix("10.9.0.0/16"); return all }, 0, 1, 1},
		"ports":    {func(all []Claim) []Claim { all[0].First -= 5; return all }, 5, 0, 0},
		"gone":     {func(all []Claim) []Claim { return all[1:] }, 10, 0, 1},
		"new":      {func(all []Claim) []Claim { return append(all, claim("udp ::1 7-8 l2")) }, 2, 1, 0},
	} {
		d := difference(before, render1(before, c.change(thousand())))
		if len(d.words) != c.words || len(d.put) != c.puts || len(d.remove) != c.removals {
			t.Errorf("%s: writes %d words, %d rules and removes %d; want %d, %d, %d", name, len(d.words), len(d.put), len(d.remove),
				c.words, c.puts, c.removals)
		}
	}
}
