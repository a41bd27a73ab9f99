package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Pattern names points or files. '*' stands for any run of characters, '/' among them; all else is literal.
type Pattern string

// Match tells whether s fits the whole pattern.
func (p Pattern) Match(s string) bool {
	first, rest, star := strings.Cut(string(p), "*")
	if !star {
		return s == first
	}
	s, ok := strings.CutPrefix(s, first)
	if !ok {
		return false
	}
	parts := strings.Split(rest, "*")
	for _, part := range parts[:len(parts)-1] {
		_, after, found := strings.Cut(s, part)
		if !found {
			return false
		}
		s = after
	}
	return strings.HasSuffix(s, parts[len(parts)-1])
}

// Patterns is a list of which one must fit; empty fits nothing.
type Patterns []Pattern

// Match tells whether s fits one of the patterns.
func (ps Patterns) Match(s string) bool {
	for _, p := range ps {
		if p.Match(s) {
			return true
		}
	}
	return false
}

func checkPattern(s string) error {
	const example = "write for example \"live/*\""
	switch {
	case s == "":
		return errors.New("the pattern is empty; " + example + ", or remove it to grant nothing")
	case strings.Contains(s, ".."):
		return fmt.Errorf("%q holds '..'; %s", s, example)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%q holds control characters; %s", s, example)
	}
	return nil
}

// Dial is one grant to open connections: tcp (which TLS and HTTP use) or udp, to addresses within Prefix or, if that is not valid, to hosts whose
// name fits Host.
type Dial struct {
	Network string // "tcp" or "udp"
	Prefix  netip.Prefix
	Host    Pattern // lower case
	MinPort uint16
	MaxPort uint16
}

// ParseDial reads NETWORK:HOST:PORTS, where HOST is an address, a prefix or a name with '*', IPv6 in brackets, and PORTS is one, a range or '*':
// "tcp:10.0.0.0/8:1-65535", "tcp:*.example.com:443", "udp:[2001:db8::]/32:*".
func ParseDial(s string) (Dial, error) {
	bad := func(what string) (Dial, error) {
		return Dial{}, fmt.Errorf("%q: %s; write NETWORK:HOST:PORTS, as in tcp:10.0.0.0/8:1-65535 or tcp:encoder.example:8080", s, what)
	}
	network, rest, _ := strings.Cut(s, ":")
	if network != "tcp" && network != "udp" {
		return bad("the network is neither tcp nor udp")
	}
	colon := strings.LastIndexByte(rest, ':')
	if colon < 0 {
		return bad("the ports are missing")
	}
	d := Dial{Network: network}
	var ok bool
	if d.MinPort, d.MaxPort, ok = parsePorts(rest[colon+1:]); !ok {
		return bad("the ports are not 1 to 65535, a range of them, or '*'")
	}
	host := strings.ToLower(rest[:colon])
	bare := strings.NewReplacer("[", "", "]", "").Replace(host)
	if addr, err := netip.ParseAddr(bare); err == nil && addr.Zone() == "" {
		d.Prefix = netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen())
		return d, nil
	}
	if strings.Contains(host, "/") {
		prefix, err := netip.ParsePrefix(bare)
		if err != nil {
			return bad("the prefix is not one such as 10.0.0.0/8 or [2001:db8::]/32")
		}
		d.Prefix = prefix.Masked()
		return d, nil
	}
	if host == "" || strings.ContainsFunc(host, notInHost) {
		return bad("the host is neither a name, an address nor a prefix")
	}
	d.Host = Pattern(host)
	return d, nil
}

// ParseListen reads what ParseDial does, but no names: a plugin asks for addresses of this computer.
func ParseListen(s string) (Dial, error) {
	d, err := ParseDial(s)
	if err == nil && !d.Prefix.IsValid() {
		err = fmt.Errorf("%q: the host is a name; write an address or a prefix, as in udp:127.0.0.1:5000 or udp:0.0.0.0/0:5000-5099", s)
	}
	if err != nil {
		return Dial{}, err
	}
	return d, nil
}

var multicast = []netip.Prefix{netip.MustParsePrefix("224.0.0.0/4"), netip.MustParsePrefix("ff00::/8")} // RFC 5771, RFC 4291 §2.7

// ParseGroup reads GROUP:PORTS, where GROUP is a multicast address or a prefix of them, IPv6 in brackets: "239.0.0.0/8:1-65535", "[ff15::]/16:*".
func ParseGroup(s string) (Dial, error) {
	d, err := ParseListen("udp:" + strings.TrimPrefix(s, "udp:"))
	if err != nil || !slices.ContainsFunc(multicast, func(m netip.Prefix) bool {
		return m.Bits() <= d.Prefix.Bits() && m.Contains(d.Prefix.Addr())
	}) {
		return Dial{}, fmt.Errorf("%q is not GROUP:PORTS; write multicast addresses, as in 239.0.0.0/8:1-65535 or 239.192.7.7:26000", s)
	}
	return d, nil
}

func notInHost(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_' || r == '*')
}

func parsePorts(s string) (low, high uint16, ok bool) {
	if s == "*" {
		return 1, 65535, true
	}
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	if errA != nil || errB != nil || a == 0 || a > b {
		return 0, 0, false
	}
	return uint16(a), uint16(b), true
}

// Allows tells whether the grant covers a connection to to, which the plugin asked for under the name host (an address in text if it named none). Who
// holds a name decides where it leads, so a name covers no address that means this computer or its own link; only a grant of the name localhost itself does.
func (d Dial) Allows(network, host string, to netip.AddrPort) bool {
	if network != d.Network || to.Port() < d.MinPort || to.Port() > d.MaxPort {
		return false
	}
	if d.Prefix.IsValid() {
		return d.Prefix.Contains(to.Addr().Unmap())
	}
	host = strings.ToLower(host)
	if isInner(to.Addr().Unmap()) && (host != "localhost" || d.Host != "localhost") {
		return false
	}
	return d.Host.Match(host)
}

// isInner tells addresses that mean another place for whoever holds the name: loopback, link-local, multicast, none at all.
func isInner(a netip.Addr) bool {
	return a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast()
}

// String writes the grant as ParseDial reads it.
func (d Dial) String() string {
	host := string(d.Host)
	if d.Prefix.IsValid() {
		host = d.Prefix.String()
		if d.Prefix.Addr().Is6() {
			host = fmt.Sprintf("[%s]/%d", d.Prefix.Addr(), d.Prefix.Bits())
		}
	}
	return fmt.Sprintf("%s:%s:%d-%d", d.Network, host, d.MinPort, d.MaxPort)
}
