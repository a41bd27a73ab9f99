package host

import (
	"fmt"
	"net/netip"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/announce"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/session"
	"github.com/weir-media/weir/host/internal/telemetry"
)

// describe adds to a request for a document where a point is, and what is said of it.
func (s *Server) describe(p *point.Point, authority, listener string, to *abi.DocumentRequest) {
	all := s.book.Groups(p)
	all = append(all, s.book.Endpoints(p, authority, listener)...)
	all = append(all, s.book.Documents(p, authority, listener)...)
	s.fill(p, all, to)
}

// fill adds endpoints, best first, and what the operator says of a point.
func (s *Server) fill(p *point.Point, all []announce.Endpoint, to *abi.DocumentRequest) {
	for i, e := range all {
		x := abi.Endpoint{Plugin: []byte(e.Plugin), Scheme: []byte(e.Scheme), URL: []byte(e.URL), Rendition: []byte(e.Rendition), Rank: int32(i), Kind: e.Kind}
		if g := e.Group; e.Kind == abi.EndpointMulticast {
			x.Group, x.Port, x.TTL, x.Interface = []byte(g.To.Addr().String()), g.To.Port(), uint16(g.TTL), []byte(g.Interface)
			if local, err := netio.SourceOf(g.To, g.Interface); err == nil && local.IsValid() {
				x.Local = []byte(local.String())
			}
		}
		to.Endpoints.Add(x)
	}
	c, ok := s.config().Point(p.Name())
	if !ok { // it was made
		c, _ = s.config().Template(p.Name())
	}
	for _, f := range []struct{ name, value string }{
		{"title", c.About.Title}, {"author", c.About.Author}, {"copyright", c.About.Copyright}, {"abstract", c.About.Abstract}, {"moreinfo", c.About.MoreInfo},
	} {
		if f.value != "" {
			to.About.Add([]byte(f.name), []byte(f.value))
		}
	}
}

// groupOf is a destination as announcements know it.
func groupOf(d config.Destination) announce.Group {
	return announce.Group{Rendition: d.Rendition, To: d.To, TTL: d.TTL, Interface: d.Interface}
}

// announceGroups tells the announcements which groups points are sent to, and which of
// them SAP tells of.
func (s *Server) announceGroups(c *config.Config) {
	groups := map[string][]announce.Group{}
	var notices []announce.Notice
	for _, p := range c.Points {
		at := s.room.Point(p.Name)
		for _, d := range p.Multicast {
			if !d.To.Addr().IsMulticast() || at == nil {
				continue
			}
			groups[p.Name] = append(groups[p.Name], groupOf(d))
			if d.SAP.Group.IsValid() {
				notices = append(notices, announce.Notice{Point: at, Group: groupOf(d), Loopback: d.Loopback, To: d.SAP.Group, Interval: d.SAP.Interval})
			}
		}
	}
	s.book.SetGroups(groups)
	s.sap.Set(notices)
}

// packagers are the conversions that running plugins make.
func (s *Server) packagers() (all []announce.Packager) {
	for _, p := range s.config().Plugins {
		l := s.plugins[p.Name]
		if l == nil || l.off != "" || l.manifest == nil || !l.runner.State().Works() {
			continue
		}
		for _, k := range l.manifest.Packages {
			all = append(all, announce.Packager{From: k.From, To: k.To, On: p.Grant.Attach.Match})
		}
	}
	return all
}

// The formats of SAP's datagrams (spec.md §5.14).
const formatSAP, formatSAPDelete = "sap", "sap-delete"

// writeSAP has a plugin write what SAP says of a group: that group alone, and how the
// point is had otherwise by who is at the sender's address.
func (s *Server) writeSAP(n announce.Notice) (announcement, deletion []byte, err error) {
	e, ok := s.book.Group(n.Point, n.Group)
	if !ok {
		return nil, nil, fmt.Errorf("%w: the point has no rendition %s", announce.ErrNotAnnounced, n.Group.Rendition)
	}
	authority := ""
	if local, unknown := netio.SourceOf(n.Group.To, n.Group.Interface); unknown == nil && local.IsValid() {
		authority = local.String()
	}
	all := append([]announce.Endpoint{e}, s.book.Endpoints(n.Point, authority, "")...)
	all = append(all, s.book.Documents(n.Point, authority, "")...)
	describe := func(to *abi.DocumentRequest) { s.fill(n.Point, all, to) }
	if _, announcement, err = s.room.Write(formatSAP, n.Point, describe); err == nil {
		_, deletion, err = s.room.Write(formatSAPDelete, n.Point, describe)
	}
	if session.IsNoDocument(err) {
		return nil, nil, fmt.Errorf("%w: %w", announce.ErrNotAnnounced, err)
	}
	return announcement, deletion, err
}

// openSAP opens a socket for announcements, which go as far as what they are about.
func openSAP(n announce.Notice) (announce.Sender, error) {
	to := netip.AddrPortFrom(n.To, announce.SAPPort)
	return netio.OpenGroupSender(netio.SendOptions{To: to, TTL: n.Group.TTL, Interface: n.Group.Interface, Loopback: n.Loopback})
}

// sapStatus tells how a destination of a point is announced; nil: it is not to be.
func (s *Server) sapStatus(p *point.Point, to netip.AddrPort, by string) *admin.SAP {
	for _, x := range s.sap.Of(p) {
		if x.Group.To == to && x.Group.Interface == by {
			return &admin.SAP{To: netip.AddrPortFrom(x.To, announce.SAPPort).String(), State: string(x.State), Reason: x.Reason, Since: x.Since,
				Announcements: x.Announcements, Deletions: x.Deletions, Failed: x.Failed}
		}
	}
	return nil
}

var (
	sapSent = telemetry.Def{Name: "sap_datagrams_total", Help: "Datagrams of SAP that were sent, or could not be, by kind: announcement, deletion, failed.", Labels: []string{"point", "kind"}}
	sapNow  = telemetry.Def{Name: "sap_announcements", Help: "Groups that SAP tells of, by state: announced, waiting (for the rendition, or for a plugin that writes them), failed.", Labels: []string{"point", "state"}}
)

// sapMetrics registers what is announced.
func (s *Server) sapMetrics() {
	r := s.vitals.registry
	r.CountersFunc(sapSent, func(add telemetry.Add) {
		sent, _ := s.sap.Counts()
		for name, c := range sent {
			add(float64(c.Announcements), name, "announcement")
			add(float64(c.Deletions), name, "deletion")
			add(float64(c.Failed), name, "failed")
		}
	})
	r.GaugesFunc(sapNow, func(add telemetry.Add) {
		_, states := s.sap.Counts()
		for name, n := range states {
			for _, state := range announce.SAPStates() {
				add(float64(n[state]), name, string(state))
			}
		}
	})
}
