package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestSAP: true announces where receivers of the group's scope listen (RFC 2974 3).
func TestSAP(t *testing.T) {
	for text, want := range map[string]SAP{
		`{group: "239.255.7.7:5000", sap: true}`:                                 {netip.MustParseAddr("239.255.255.255"), 5 * time.Second},
		`{group: "239.1.7.7:5000", sap: true}`:                                   {netip.MustParseAddr("239.255.255.255"), 5 * time.Second},
		`{group: "239.192.7.7:5000", sap: true}`:                                 {netip.MustParseAddr("239.195.255.255"), 5 * time.Second},
		`{group: "224.0.0.9:5000", sap: true}`:                                   {netip.MustParseAddr("224.0.0.255"), 5 * time.Second},
		`{group: "232.1.1.1:5000", sap: true}`:                                   {netip.MustParseAddr("224.2.127.254"), 5 * time.Second},
		`{group: "[ff15::7]:5000", sap: true}`:                                   {netip.MustParseAddr("ff05::2:7ffe"), 5 * time.Second},
		`{group: "239.192.7.7:5000", sap: {}}`:                                   {netip.MustParseAddr("239.195.255.255"), 5 * time.Second},
		`{group: "239.192.7.7:5000", sap: {group: 224.2.127.254, interval: 1s}}`: {netip.MustParseAddr("224.2.127.254"), time.Second},
		`{group: "239.192.7.7:5000", sap: false}`:                                {},
		`{group: "239.192.7.7:5000"}`:                                            {},
		`{group: "192.0.2.7:5000", sap: false}`:                                  {},
	} {
		c, err := parse(push + text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := c.Points[0].Multicast[0].SAP; got != want {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

func TestAnnounceProblems(t *testing.T) {
	for text, want := range map[string]string{
		`{group: "192.0.2.7:5000", sap: true}`:                              "points.a.multicast.sap: announces multicast groups, and 192.0.2.7 is none; remove it",
		`{group: "239.192.7.7:5000", sap: soon}`:                            `points.a.multicast.sap: "soon" is neither true nor false`,
		`{group: "239.192.7.7:5000", sap: {to: x}}`:                         `points.a.multicast.sap.to: unknown key`,
		`{group: "239.192.7.7:5000", sap: {group: 192.0.2.1}}`:              "points.a.multicast.sap.group: 192.0.2.1 cannot be where 239.192.7.7 is announced",
		`{group: "239.192.7.7:5000", sap: {group: "ff05::2:7ffe"}}`:         "write a multicast group of the same family, such as 239.195.255.255",
		`{group: "239.192.7.7:5000", sap: {interval: 1ms}}`:                 "points.a.multicast.sap.interval: 1ms is out of range",
		"{group: \"239.1.1.1:1\"}\n    about: {title: \"a\\nb\"}":           "points.a.about.title: is longer than 1024 bytes, or holds line ends",
		"{group: \"239.1.1.1:1\"}\n    about: {moreinfo: \"javascript:x\"}": `points.a.about.moreinfo: "javascript:x" is no address of a web page`,
		"{group: \"239.1.1.1:1\"}\n    about: {titel: x}":                   `points.a.about.titel: unknown key; did you mean "title"?`,
	} {
		_, err := parse(push + text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s:\n got %v\nwant %s", text, err, want)
		}
	}
	c, err := parse(push + "{group: \"239.1.1.1:1\"}\n    about: {title: T, author: A, copyright: C, abstract: B, moreinfo: \"https://tv.example/x\"}")
	if err != nil || c.Points[0].About != (About{"T", "A", "C", "B", "https://tv.example/x"}) {
		t.Errorf("%+v, %v", c, err)
	}
}
