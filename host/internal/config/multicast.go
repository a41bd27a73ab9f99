package config

import (
	"net/netip"
	"strconv"
	"strings"
)

// DefaultRendition is what a destination gets that names none: what players expect of
// datagrams without a protocol.
const DefaultRendition = "mpegts"

// SystemTTL leaves the choice of hops to the system.
const SystemTTL = -1

const (
	defaultGroupTTL = 1 // RFC 1112 6.1: the local network
	maxTTL          = 255
	maxDestinations = 10_000 // of one point; chosen
	maxRendition    = 255    // bytes; chosen, as of a point's name in a URL
)

// Destination is an address that a rendition of a point is sent to unasked: a multicast
// group, or one receiver.
type Destination struct {
	Rendition string
	To        netip.AddrPort
	TTL       int    // hops; SystemTTL: the system's choice
	Interface string // by which it is sent; "": as the system routes
	Loopback  bool   // a group's datagrams reach receivers on this computer too
	SAP       SAP    // of a group; zero: it is not announced
}

// Name tells destinations apart: no two of a configuration have the same.
func (d Destination) Name() string {
	if d.Interface != "" {
		return d.To.String() + " " + d.Interface
	}
	return d.To.String()
}

// multicast reads one destination or a list of them.
func (l *loader) multicast(a at) (out []Destination) {
	if _, isList := a.value.([]any); !isList {
		if a.present() {
			if d, ok := l.destination(a); ok {
				out = append(out, d)
			}
		}
		return out
	}
	items := a.items()
	if len(items) > maxDestinations {
		a.fail("has %d entries; a point may have %d", len(items), maxDestinations)
		return nil
	}
	for _, item := range items {
		if d, ok := l.destination(item); ok {
			out = append(out, d)
		}
	}
	return out
}

func (l *loader) destination(a at) (d Destination, ok bool) {
	before := len(l.problems)
	const example = "write for example group: \"239.192.7.7:26000\""
	d = Destination{Rendition: DefaultRendition, Loopback: true}
	group := a.key("group")
	if !group.present() {
		a.fail("names no group; %s", example)
		return d, false
	}
	d.To = group.addrPort()
	if !d.To.IsValid() {
		return d, false
	}
	addr := d.To.Addr()
	isGroup := addr.IsMulticast()
	switch {
	case d.To.Port() == 0:
		group.fail("port 0 cannot be sent to; %s", example)
	case addr.IsUnspecified() || addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		group.fail("%v is neither a multicast group nor an address of one receiver; %s", addr, example)
	case addr.Zone() != "":
		group.fail("%v names an interface; write it as interface: %s", addr, addr.Zone())
	}
	if r := a.key("rendition"); r.present() {
		if d.Rendition = r.text(); d.Rendition == "" || len(d.Rendition) > maxRendition || strings.ContainsFunc(d.Rendition, notInRendition) {
			r.fail("%q is not the name of a rendition; write one that `weir status` shows, such as mpegts", d.Rendition)
		}
	}
	d.TTL = SystemTTL
	if isGroup {
		d.TTL = defaultGroupTTL
	}
	if ttl := a.key("ttl"); ttl.present() {
		least := 0
		if !isGroup {
			least = 1 // ip(7)
		}
		d.TTL = ttl.within(least, maxTTL)
	}
	if loopback := a.key("loopback"); loopback.present() {
		d.Loopback = loopback.bool(true)
		if !isGroup {
			loopback.fail("is for multicast groups, and %v is none; remove it", addr)
		}
	}
	l.way(&d, a.key("interface"), group)
	d.SAP = l.sap(a.key("sap"), d.To.Addr())
	return d, len(l.problems) == before
}

// way reads by which interface datagrams leave.
func (l *loader) way(d *Destination, a, group at) {
	d.Interface = a.text()
	addr := d.To.Addr()
	switch {
	case a.present() && (d.Interface == "" || len(d.Interface) > maxDeviceBytes || strings.ContainsAny(d.Interface, "/: \t\x00")):
		a.fail("%q is no network interface; write one that `ip link` shows, such as eth0", d.Interface)
	case !a.present() && addr.Is6() && (addr.IsLinkLocalUnicast() || addr.IsLinkLocalMulticast()):
		group.fail("%v is link-local, which each interface has of its own; add interface: eth0, with the interface's name", addr)
	}
}

func notInRendition(r rune) bool { return r <= ' ' || r == 0x7f || r == '\ufffd' }

// sentTwice reports destinations that would get two streams at once, which no receiver
// can tell apart.
func (l *loader) sentTwice(top at, c *Config) {
	if len(l.problems) > 0 {
		return // then the lists are not those of the file
	}
	type place struct {
		point string
		via   string
	}
	seen := map[netip.AddrPort][]place{}
	for _, p := range c.Points {
		entry := top.key("points").key(p.Name).key("multicast")
		items := entry.items()
		for i, d := range p.Multicast {
			node := entry
			if len(items) > 0 {
				node = items[i]
			}
			for _, other := range seen[d.To] {
				if d.Interface == "" || other.via == "" || d.Interface == other.via {
					node.key("group").fail("%v is sent to by point %s already; choose another address or port", d.To, strconv.Quote(other.point))
					break
				}
			}
			seen[d.To] = append(seen[d.To], place{p.Name, d.Interface})
		}
	}
}
