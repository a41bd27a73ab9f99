package config

import (
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// About is what the operator says of a point, for announcements. Empty fields are not said.
type About struct {
	Title, Author, Copyright, Abstract string
	MoreInfo                           string // http or https
}

// SAP is how a group is announced by the Session Announcement Protocol (RFC 2974).
type SAP struct {
	Group    netip.Addr // to which announcements go; invalid: there are none
	Interval time.Duration
}

const (
	// DefaultSAPInterval is between two announcements (wire digest §6.3: 5 to 10 s locally).
	DefaultSAPInterval = 5 * time.Second

	minSAPInterval, maxSAPInterval = time.Second, time.Hour // chosen; RFC 2974 3.1 has 300 s for the whole Internet

	maxAbout = 1024 // bytes of one text; chosen: receivers of SAP have room for some thousands

	sapGlobal, sapOrganization, sapLocal, sapLink = "224.2.127.254", "239.195.255.255", "239.255.255.255", "224.0.0.255"
)

func destinationKeys() map[string]*shape {
	all := leaves("rendition", "group", "ttl", "interface", "loopback")
	all["sap"] = &shape{kind: either, keys: leaves("group", "interval")}
	return all
}

func aboutKeys() *shape { return keys(leaves("title", "author", "copyright", "abstract", "moreinfo")) }

// sapGroup is where sessions of a group's scope are announced: the highest address of the scope's
// zone (RFC 2974 3; RFC 2365 6.1 and 6.2 for its zones), and ff0X::2:7ffe.
func sapGroup(of netip.Addr) netip.Addr {
	if of.Is6() {
		return netip.AddrFrom16([16]byte{0: 0xff, 1: of.As16()[1] & 0x0F, 13: 0x02, 14: 0x7f, 15: 0xfe})
	}
	for _, zone := range []struct{ prefix, group string }{
		{"224.0.0.0/24", sapLink},           // RFC 5771 4
		{"239.192.0.0/14", sapOrganization}, // RFC 2365 6.2
		{"239.0.0.0/8", sapLocal},           // RFC 2365 6.1, and what is not assigned
		{"224.0.0.0/4", sapGlobal},          // RFC 2974 3
	} {
		if netip.MustParsePrefix(zone.prefix).Contains(of) {
			return netip.MustParseAddr(zone.group)
		}
	}
	return netip.Addr{}
}

// sap reads whether and where a destination is announced.
func (l *loader) sap(a at, of netip.Addr) SAP {
	group := a.key("group")
	_, isMapping := a.value.(map[string]any)
	switch {
	case !a.present() || !isMapping && !a.bool(false):
		return SAP{}
	case !of.IsMulticast():
		a.fail("announces multicast groups, and %v is none; remove it", of)
		return SAP{}
	}
	s := SAP{Group: sapGroup(of), Interval: a.key("interval").duration(DefaultSAPInterval, minSAPInterval, maxSAPInterval)}
	if !group.present() {
		return s
	}
	s.Group = group.addr(group.text())
	if s.Group.IsValid() && (!s.Group.IsMulticast() || s.Group.Is4() != of.Is4() || s.Group.Zone() != "") {
		group.fail("%v cannot be where %v is announced; write a multicast group of the same family, such as %v", s.Group, of, sapGroup(of))
	}
	return s
}

// about reads what is said of a point.
func (l *loader) about(a at) About {
	text := func(key string) string {
		k := a.key(key)
		s := k.text()
		if len(s) > maxAbout || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
			k.fail("is longer than %d bytes, or holds line ends or other control characters; write one line", maxAbout)
		}
		return s
	}
	o := About{Title: text("title"), Author: text("author"), Copyright: text("copyright"), Abstract: text("abstract"), MoreInfo: text("moreinfo")}
	if u, err := url.Parse(o.MoreInfo); o.MoreInfo != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "") {
		a.key("moreinfo").fail("%q is no address of a web page; write one such as \"https://tv.example/about\"", o.MoreInfo)
	}
	return o
}
