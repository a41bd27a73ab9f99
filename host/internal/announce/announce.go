// Package announce is the room that knows where players find a point, and tells them.
//
// It owns the Book: the addresses under which enabled plugins offer renditions and
// documents, and the groups that points are sent to. Manifests, the addresses of open
// listeners and destinations come in; the URLs of a point, best first, go out, for
// announcer plugins to write documents of. It owns SAP too: the datagrams that plugins
// write about groups, sent again and again, and taken back when they no longer hold. It
// never writes a document itself and never opens a socket.
package announce

import (
	"cmp"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/point"
)

// Offer is what one plugin offers on one listener.
type Offer struct {
	Plugin   string
	Listener string
	Address  netip.AddrPort // of the listener
	Last     uint16         // the last of a range of ports that begins with Address's; 0: it is one port
	Wide     bool           // Address stands for a prefix: only who has reached the listener knows an address of it
	TLS      bool           // the listener speaks it: http becomes https, other schemes cannot be had there
	Plays    []manifest.Play
	// Documents are what the plugin may write; those without a path for points are not listed.
	Documents []manifest.Document
}

// Endpoint is one URL of a point. It is comparable.
type Endpoint struct {
	Plugin    string
	Scheme    string
	URL       string
	Rendition string // of a document its format
	Kind      abi.EndpointKind
	Group     Group // of a multicast one
}

// Book holds what is in force. The zero Book is empty. It is safe for concurrent use.
type Book struct {
	offers    atomic.Pointer[[]Offer]
	packagers atomic.Pointer[[]Packager]
	groups    atomic.Pointer[map[string][]Group] // by point
}

// Set replaces all offers.
func (b *Book) Set(offers []Offer) { b.offers.Store(&offers) }

// Endpoints gives the URLs at which plugins play a point, best first: those of the
// listener that was asked before others. authority is what the client called the server
// ("host:port" or "host"); without one the listener's own address stands, or the loopback
// address where it listens on all. Renditions that a live point neither has nor will have
// are left out; before a source has come all are listed.
func (b *Book) Endpoints(p *point.Point, authority, listener string) []Endpoint {
	has := b.renditions(p)
	return b.list(authority, listener, func(o Offer, at string) (all []ranked) {
		for _, play := range o.Plays {
			scheme, ok := o.scheme(play)
			if !ok || !has(play.Rendition) {
				continue
			}
			url := scheme + "://" + at + "/" + escape(p.Name()) + play.Suffix
			all = append(all, ranked{Endpoint: Endpoint{Plugin: o.Plugin, Scheme: scheme, URL: url, Rendition: play.Rendition}, rank: play.Rank})
		}
		return all
	})
}

// ranked is an endpoint with what decides about its place.
type ranked struct {
	Endpoint
	rank  int
	other bool // of another listener than was asked
}

// list gathers endpoints from the offers that a client can reach.
func (b *Book) list(authority, listener string, of func(o Offer, at string) []ranked) []Endpoint {
	offers := b.offers.Load()
	if offers == nil {
		return nil
	}
	host := hostOf(authority)
	var all []ranked
	for _, o := range *offers {
		name, reachable := o.host(host, listener, *offers)
		if !reachable || o.Wide && (o.Listener != listener || host == "") {
			continue
		}
		for _, r := range of(o, at(name, o.dialled(authority, listener))) {
			r.other = o.Listener != listener
			all = append(all, r)
		}
	}
	slices.SortStableFunc(all, func(a, b ranked) int {
		switch {
		case a.other != b.other && b.other:
			return -1
		case a.other != b.other:
			return 1
		}
		return cmp.Compare(b.rank, a.rank)
	})
	// One address stands for several forms, of which a point has one, or several addresses
	// have one name: the best stands for all.
	out := make([]Endpoint, 0, len(all))
	for _, r := range all {
		if !slices.ContainsFunc(out, func(e Endpoint) bool { return e.URL == r.URL }) {
			out = append(out, r.Endpoint)
		}
	}
	return out
}

// scheme is that of a play on the offer's listener, if it can be had there.
func (o Offer) scheme(play manifest.Play) (string, bool) {
	if !o.TLS {
		return play.Scheme, true
	}
	return "https", play.Scheme == "http"
}

// maxHost is the longest name of a host (RFC 1035 2.3.4).
const maxHost = 253

// hostOf gives the host of an authority that a client wrote, empty if it cannot be
// one: it goes into documents that others read.
func hostOf(authority string) string {
	host := authority
	if h, _, err := net.SplitHostPort(authority); err == nil {
		host = h
	} else if n := len(authority); n > 2 && authority[0] == '[' && authority[n-1] == ']' {
		host = authority[1 : n-1]
	}
	if a, err := netip.ParseAddr(host); err == nil && a.Zone() == "" {
		return host
	}
	if len(host) > maxHost || strings.ContainsFunc(host, notInName) {
		return ""
	}
	return host
}

func notInName(c rune) bool {
	isLetter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	return !isLetter && c != '-' && c != '.' && c != '_'
}

// dialled is the address of an offer with, of a range, the port by which the client has
// reached the listener.
func (o Offer) dialled(authority, asked string) netip.AddrPort {
	_, text, err := net.SplitHostPort(authority)
	if err != nil || o.Last == 0 || o.Listener != asked {
		return o.Address
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || uint16(port) < o.Address.Port() || uint16(port) > o.Last {
		return o.Address
	}
	return netip.AddrPortFrom(o.Address.Addr(), uint16(port))
}

// host gives the host to name for an offer, empty for the offer's own address; false:
// the client cannot reach it. host is what the client called the server.
func (o Offer) host(host, asked string, all []Offer) (string, bool) {
	own := o.Address.Addr()
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "":
		return "", true
	case err != nil: // a name may stand for any address, but of loopback only if the client came by it
		return host, o.Listener == asked || !own.IsLoopback() || host == "localhost"
	}
	switch ip = ip.Unmap(); {
	case o.Wide || own.IsUnspecified():
		return host, ip.Is4() == own.Is4()
	case own == ip || isTranslated(ip, o, asked, all):
		return host, true
	}
	return "", !own.IsLoopback() || ip.IsLoopback()
}

// isTranslated tells whether the address that a client knows is changed on its way into
// that of an offer: none is bound to it, and the offer's belongs to the listener that
// the client has reached.
func isTranslated(ip netip.Addr, o Offer, asked string, all []Offer) bool {
	isOurs := func(x Offer) bool {
		a := x.Address.Addr()
		return a == ip || x.Listener == asked && (x.Wide || a.IsUnspecified()) && a.Is4() == ip.Is4()
	}
	isReached := func(x Offer) bool { return x.Listener == asked && x.Address.Addr() == o.Address.Addr() }
	return o.Address.Addr().Is4() == ip.Is4() && slices.ContainsFunc(all, isReached) && !slices.ContainsFunc(all, isOurs)
}

// at writes the host with the listener's port, which a URL needs unless it is the
// scheme's own; writing it always is never wrong.
func at(host string, a netip.AddrPort) string {
	if host == "" {
		addr := a.Addr()
		if addr.IsUnspecified() {
			if addr = netip.AddrFrom4([4]byte{127, 0, 0, 1}); a.Addr().Is6() {
				addr = netip.IPv6Loopback()
			}
		}
		host = addr.String()
	}
	return net.JoinHostPort(host, strconv.Itoa(int(a.Port())))
}

// escape writes a point's name as a URL path (RFC 3986, section 3.3).
func escape(name string) string {
	const hex = "0123456789ABCDEF"
	var b []byte
	for i := range len(name) {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '.', c == '_', c == '~', c == '/':
			b = append(b, c)
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}
