package host

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/announce"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/steer"
)

// Ports lists what is open, what steering brings, which groups are joined, and what others the server and its plugins may reach.
func (s *Server) Ports() []admin.Port {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []admin.Port
	for _, c := range s.config().Listeners {
		if l := s.listeners[c.Name]; l != nil && l.isOpen() && !s.closing {
			all = append(all, s.listenerPorts(l)...)
		}
	}
	all = append(all, s.fedPorts()...)
	all = append(all, s.peerPorts()...)
	all = append(all, s.adminPorts()...)
	for _, c := range s.config().Listeners {
		all = append(all, upstreamPorts(c)...)
	}
	for _, c := range s.config().Plugins {
		if p := s.plugins[c.Name]; p != nil && p.manifest != nil && p.off == "" {
			all = append(all, grantPorts(c, p.manifest)...)
		}
	}
	all = append(all, sourcePorts(s.config().Points)...)
	all = append(all, destinationPorts(s.config().Points)...)
	return append(all, lookupPorts(all)...)
}

// listenerPorts are a listener's addresses: those with sockets, those that are steered to it, and its groups.
func (s *Server) listenerPorts(l *listening) []admin.Port {
	c := l.config
	like := admin.Port{Direction: admin.In, Protocol: protocolOf(c), Plugin: strings.Join(s.pluginsOn(c.Name), ", "), Listener: c.Name,
		Purpose: "players, encoders and announcements"}
	switch {
	case c.UDP:
		like.Purpose = "datagrams"
	case c.TLS.Cert != "":
		like.Purpose += ", by TLS"
	}
	var all []admin.Port
	for _, a := range l.place.dialled {
		if isClaimed(l.place.claims, a) {
			continue
		}
		p := like
		p.Address, p.Port, p.Rung = a.Addr().String(), fmt.Sprint(a.Port()), l.place.boundBy()
		all = append(all, p)
	}
	for _, claim := range l.place.claims {
		p := like
		p.Address, p.Port, p.Rung = prefixText(claim.Prefix), portsText(claim.First, claim.Last), string(rungSteer)
		all = append(all, p)
	}
	return append(all, groupPorts(c, like, all)...)
}

// isClaimed tells whether an address that clients dial is one that steering brings.
func isClaimed(claims []steer.Claim, a netip.AddrPort) bool {
	return slices.ContainsFunc(claims, func(k steer.Claim) bool {
		return k.Prefix.Addr() == a.Addr() && k.First == a.Port()
	})
}

// boundBy names the rungs of the addresses that have sockets of their own.
func (p *place) boundBy() string {
	var names []string
	for _, r := range p.rungs {
		if r != rungSteer {
			names = append(names, string(r))
		}
	}
	return strings.Join(names, "+")
}

// groupPorts are the multicast groups that a listener joins: their datagrams, and what joins them, which has no ports.
func groupPorts(c config.Listener, like admin.Port, open []admin.Port) (all []admin.Port) {
	on := ""
	if c.Datagrams.Interface != "" {
		on = " on " + c.Datagrams.Interface
	}
	for _, g := range c.Datagrams.Groups {
		for _, p := range open {
			if a, err := netip.ParseAddr(p.Address); err != nil || a.Is4() != g.Is4() {
				continue
			}
			p.Address, p.Purpose = g.String(), "datagrams of a group"+on
			if !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
		for _, p := range joinPorts(g, admin.Port{Plugin: like.Plugin, Listener: c.Name, Purpose: "joining groups" + on}) {
			if !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	return all
}

// joinPorts is what joins a group.
func joinPorts(group netip.Addr, like admin.Port) (all []admin.Port) {
	like.Protocol, like.Address, like.Port = "igmp", "*", ""
	if group.Is6() {
		like.Protocol = "mld"
	}
	for _, like.Direction = range []string{admin.In, admin.Out} {
		all = append(all, like)
	}
	return all
}

// peerPorts are those from which players are sent to that asked for it in another connection, and at which their reports come.
func (s *Server) peerPorts() (all []admin.Port) {
	if s.room == nil {
		return nil
	}
	for _, a := range s.room.PeerAddrs() {
		all = append(all, admin.Port{Direction: admin.In, Protocol: "udp", Address: a.Addr().String(), Port: fmt.Sprint(a.Port()), Purpose: "reports of players that are sent datagrams from here"})
	}
	return all
}

func (s *Server) adminPorts() (all []admin.Port) {
	if s.admin == nil {
		return nil
	}
	for _, x := range []struct {
		at      net.Addr
		purpose string
	}{{s.admin.Address(), "admin API"}, {s.admin.Metrics(), "metrics and health"}} {
		a, ok := x.at.(*net.TCPAddr)
		if !ok {
			continue
		}
		to := a.AddrPort()
		all = append(all, admin.Port{Direction: admin.In, Protocol: "tcp", Address: to.Addr().Unmap().String(), Port: fmt.Sprint(to.Port()), Purpose: x.purpose})
	}
	return all
}

// upstreamPorts is the web server that a listener's fallback asks.
func upstreamPorts(c config.Listener) []admin.Port {
	if c.Fallback.Upstream == "" || !c.Enabled {
		return nil
	}
	return dialled(c.Fallback.Upstream, admin.Port{Listener: c.Name, Purpose: "upstream of the fallback"})
}

// sourcePorts are the servers that points are pulled from.
func sourcePorts(points []config.Point) (all []admin.Port) {
	for _, p := range points {
		if !p.Push {
			all = append(all, dialled(p.URL, admin.Port{Purpose: "source of point " + p.Name})...)
		}
	}
	return all
}

// destinationPorts are the groups and receivers that points are sent to.
func destinationPorts(points []config.Point) (all []admin.Port) {
	for _, p := range points {
		for _, d := range p.Multicast {
			on := ""
			if d.Interface != "" {
				on = " on " + d.Interface
			}
			all = append(all, admin.Port{Direction: admin.Out, Protocol: "udp", Address: d.To.Addr().String(), Port: fmt.Sprint(d.To.Port()), Purpose: "multicast of point " + p.Name + on})
			if d.SAP.Group.IsValid() {
				all = append(all, admin.Port{Direction: admin.Out, Protocol: "udp", Address: d.SAP.Group.String(), Port: fmt.Sprint(announce.SAPPort), Purpose: "announcements of point " + p.Name + on})
			}
		}
	}
	return all
}

// defaultPorts are those of URLs that name none (RFC 9110 §4.2; IANA's registry; mms: is pulled by HTTP).
var defaultPorts = map[string]string{"http": "80", "mmsh": "80", "https": "443", "rtsp": "554", "mms": "80", "mmst": "1755", "rtmp": "1935"}

// dialled is the way out to a URL's host, or in from there; nothing for a URL without one.
func dialled(text string, like admin.Port) []admin.Port {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil
	case u.Scheme == "udp" || u.Scheme == "rtp":
		return received(u, like)
	case u.Hostname() == "":
		return nil
	}
	like.Direction, like.Protocol, like.Address, like.Port = admin.Out, "tcp", u.Hostname(), u.Port()
	if u.Scheme == "srt" {
		like.Protocol = "udp"
	}
	if like.Port == "" {
		like.Port = defaultPorts[u.Scheme]
	}
	if like.Port == "" {
		return nil
	}
	return []admin.Port{like}
}

// received is what comes in by a udp: URL, which names a group or an address of this computer (spec.md §6.17).
func received(u *url.URL, like admin.Port) []admin.Port {
	host := u.Hostname()
	if host == "" {
		host = "0.0.0.0"
	}
	a, err := netip.ParseAddr(host)
	if err != nil || u.Port() == "" {
		return nil
	}
	like.Direction, like.Protocol, like.Address, like.Port = admin.In, "udp", a.String(), u.Port()
	all := []admin.Port{like}
	if a.IsMulticast() {
		all = append(all, joinPorts(a, like)...)
	}
	return all
}

// grantPorts is what a plugin may open, join and reach: what it asks for and was granted.
func grantPorts(c config.Plugin, m *manifest.Manifest) (all []admin.Port) {
	for _, x := range []struct {
		asks       manifest.Capability
		granted    []config.Dial
		directions []string
		purpose    string
	}{
		{manifest.CapListen, c.Grant.Listen, []string{admin.In}, "grant: listen"},
		{manifest.CapDial, c.Grant.Dial, []string{admin.Out}, "grant: dial"},
		{manifest.CapGroup, c.Grant.Group, []string{admin.In, admin.Out}, "grant: group"},
	} {
		if !m.Asks(x.asks) {
			continue
		}
		for _, d := range x.granted {
			for _, direction := range x.directions {
				p := admin.Port{Direction: direction, Protocol: d.Network, Address: string(d.Host), Port: portsText(d.MinPort, d.MaxPort),
					Plugin: c.Name, Purpose: x.purpose}
				if d.Prefix.IsValid() {
					p.Address = prefixText(d.Prefix)
				}
				all = append(all, p)
			}
		}
	}
	return all
}

// lookupPorts is the name service, if anything that may be reached has a name.
func lookupPorts(all []admin.Port) (lookups []admin.Port) {
	if !slices.ContainsFunc(all, func(p admin.Port) bool { return p.Direction == admin.Out && isName(p.Address) }) {
		return nil
	}
	for _, protocol := range []string{"udp", "tcp"} {
		lookups = append(lookups, admin.Port{Direction: admin.Out, Protocol: protocol, Address: "*", Port: "53", Purpose: "addresses of names"})
	}
	return lookups
}

func isName(address string) bool {
	_, notAddress := netip.ParseAddr(address)
	_, notPrefix := netip.ParsePrefix(address)
	return address != "*" && notAddress != nil && notPrefix != nil
}

func prefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

func portsText(first, last uint16) string {
	if first == last {
		return fmt.Sprint(first)
	}
	return fmt.Sprintf("%d-%d", first, last)
}
