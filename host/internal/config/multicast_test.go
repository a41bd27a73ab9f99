package config

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

const push = "points:\n  a:\n    source: push\n    multicast: "

func TestMulticast(t *testing.T) {
	one := func(a string) Destination {
		return Destination{Rendition: "mpegts", To: netip.MustParseAddrPort(a), TTL: 1, Loopback: true}
	}
	unicast := one("192.0.2.7:5000")
	unicast.TTL = SystemTTL
	whole := Destination{Rendition: "asf", To: netip.MustParseAddrPort("[ff12::7]:5000"), TTL: 0, Interface: "eth0"}
	far := one("127.0.0.1:5000")
	far.TTL = 64
	for text, want := range map[string][]Destination{
		`{group: "239.192.7.7:26000"}`:                                                                       {one("239.192.7.7:26000")},
		`[{group: "239.192.7.7:26000"}, {group: "192.0.2.7:5000"}]`:                                          {one("239.192.7.7:26000"), unicast},
		`{rendition: asf, group: "[ff12::7]:5000", ttl: 0, interface: eth0, loopback: false}`:                {whole},
		"\n      - group: 127.0.0.1:5000\n        ttl: 64\n      - group: 127.0.0.1:5001\n        ttl: 64\n": {far, func() Destination { d := far; d.To = netip.MustParseAddrPort("127.0.0.1:5001"); return d }()},
		"":   nil,
		"[]": nil,
	} {
		c, err := parse(push + text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if p, _ := c.Point("a"); !reflect.DeepEqual(p.Multicast, want) {
			t.Errorf("%s:\n%+v, want\n%+v", text, p.Multicast, want)
		}
	}
	if c, err := parse(push+`{group: "239.192.7.7:26000"}`, "WEIR_POINTS__A__MULTICAST__TTL=7"); err != nil || c.Points[0].Multicast[0].TTL != 7 {
		t.Errorf("by a variable: %v", err)
	}
	if _, err := parse(push+`[{group: "239.192.7.7:26000"}]`, "WEIR_POINTS__A__MULTICAST__TTL=7"); err == nil || !strings.Contains(err.Error(), "WEIR_POINTS__A__MULTICAST__TTL: fits no key") {
		t.Errorf("a variable for one of a list: %v", err)
	}
}

func TestMulticastProblems(t *testing.T) {
	for text, want := range map[string]string{
		`239.192.7.7:26000`:   "plugins.yaml:4: points.a.multicast: is neither a mapping nor a list of them; write {key: value, …}",
		`[239.192.7.7:26000]`: "plugins.yaml:4: points.a.multicast.0: is not a mapping",
		`{grup: "x"}`:         `points.a.multicast.grup: unknown key; did you mean "group"?`,
		`{ttl: 3}`:            `points.a.multicast: names no group; write for example group: "239.192.7.7:26000"`,
		"\n      - {group: \"239.192.7.7:26000\"}\n      - {group: nowhere}":               `plugins.yaml:6: points.a.multicast.1.group: "nowhere" is not ADDRESS:PORT`,
		`{group: "encoder.example:5000"}`:                                                  `"encoder.example" is not an IP address; names are not looked up`,
		`{group: "239.192.7.7:0"}`:                                                         `points.a.multicast.group: port "0" is not 1 to 65535`,
		`{group: ":5000"}`:                                                                 "0.0.0.0 is neither a multicast group nor an address of one receiver; write for example group",
		`{group: "255.255.255.255:5000"}`:                                                  "is neither a multicast group nor an address of one receiver",
		`{group: "[ff02::7%eth0]:5000"}`:                                                   "names an interface; write it as interface: eth0",
		`{group: "[ff02::7]:5000"}`:                                                        "ff02::7 is link-local, which each interface has of its own; add interface: eth0",
		`{group: "239.192.7.7:26000", ttl: 256}`:                                           `points.a.multicast.ttl: "256" is not a whole number from 0 to 255; write one`,
		`{group: "192.0.2.7:26000", ttl: 0}`:                                               `points.a.multicast.ttl: "0" is not a whole number from 1 to 255`,
		`{group: "192.0.2.7:26000", loopback: true}`:                                       "points.a.multicast.loopback: is for multicast groups, and 192.0.2.7 is none; remove it",
		`{group: "239.192.7.7:26000", loopback: maybe}`:                                    `points.a.multicast.loopback: "maybe" is neither true nor false`,
		`{group: "239.192.7.7:26000", interface: "et h0"}`:                                 `points.a.multicast.interface: "et h0" is no network interface; write one that`,
		`{group: "239.192.7.7:26000", rendition: "a b"}`:                                   `points.a.multicast.rendition: "a b" is not the name of a rendition`,
		"\n      - {group: \"239.192.7.7:26000\"}\n      - {group: \"239.192.7.7:26000\"}": `plugins.yaml:6: points.a.multicast.1.group: 239.192.7.7:26000 is sent to by point "a" already; choose another`,
	} {
		_, err := parse(push + text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", text, err, want)
		}
	}
	_, err := parse(push + "{group: \"239.1.1.1:1\", interface: eth0}\n  b: {source: push, multicast: {group: \"239.1.1.1:1\", interface: eth1}}\n")
	if err != nil {
		t.Errorf("the same group on two interfaces: %v", err)
	}
}

func FuzzMulticast(f *testing.F) {
	f.Add("239.192.7.7:26000", "mpegts", "1", "eth0", "true")
	f.Add("[ff02::1%lo]:5", "", "0x1", "lo", "no")
	f.Add("192.0.2.1:65536", "\xff", "-1", "", "")
	f.Fuzz(func(t *testing.T, group, rendition, ttl, device, loopback string) {
		l := &loader{file: "f", origins: origins{lines: map[string]int{}, variables: map[string]string{}}}
		tree := map[string]any{"group": group, "rendition": rendition, "ttl": ttl, "interface": device, "loopback": loopback}
		d, ok := l.destination(at{l, []string{"points", "a", "multicast"}, tree})
		if ok != (len(l.problems) == 0) {
			t.Fatalf("ok %v with %d problems", ok, len(l.problems))
		}
		if !ok {
			return
		}
		a := d.To.Addr()
		switch {
		case d.To.Port() == 0, a.IsUnspecified(), a.Zone() != "", a.Is4In6():
			t.Errorf("%v is taken for a destination", d.To)
		case d.TTL > 255, d.TTL < 1 && !a.IsMulticast(), d.TTL < 0:
			t.Errorf("ttl %d for %v", d.TTL, d.To)
		}
	})
}
