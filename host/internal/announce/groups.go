package announce

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/point"
)

// Group is a multicast group that a rendition of a point is sent to. It is comparable.
type Group struct {
	Rendition string
	To        netip.AddrPort
	TTL       int    // hops
	Interface string // by which it is sent; empty: as the system routes
}

// Packager is a conversion that a running plugin makes, for points that it may.
type Packager struct {
	From, To string
	On       func(point string) bool // nil: for all
}

// SetPackagers replaces all packagers.
func (b *Book) SetPackagers(packagers []Packager) { b.packagers.Store(&packagers) }

// SetGroups replaces the groups of all points, which stand under the points' names in the
// order in which they should be tried.
func (b *Book) SetGroups(groups map[string][]Group) { b.groups.Store(&groups) }

// maxGroups is how many groups of a point one document may tell of. Chosen: far more than
// a player tries, and little enough for a plugin's inbox.
const maxGroups = 64

// Groups gives the first groups that a point is sent to, of renditions that it has, as
// Endpoints does; none once the point ends, or is stopped.
func (b *Book) Groups(p *point.Point) (all []Endpoint) {
	groups := b.groups.Load()
	if groups == nil || isOver(p) {
		return nil
	}
	has := b.renditions(p)
	for _, g := range (*groups)[p.Name()] {
		if has(g.Rendition) && len(all) < maxGroups {
			all = append(all, g.endpoint())
		}
	}
	return all
}

// Group gives the endpoint of one group of a point's, if Groups could have it.
func (b *Book) Group(p *point.Point, g Group) (Endpoint, bool) {
	if isOver(p) || !b.renditions(p)(g.Rendition) {
		return Endpoint{}, false
	}
	return g.endpoint(), true
}

// endpoint writes the URL by which players join the group that need no description of
// what is sent there; of a rendition that has none the scheme is the rendition's name.
func (g Group) endpoint() Endpoint {
	scheme := g.Rendition
	switch {
	case scheme == "mpegts":
		scheme = "udp"
	case strings.HasPrefix(scheme, "rtp"):
		scheme = "rtp"
	}
	to := net.JoinHostPort(g.To.Addr().String(), strconv.Itoa(int(g.To.Port())))
	return Endpoint{Scheme: scheme, URL: scheme + "://@" + to, Rendition: g.Rendition, Kind: abi.EndpointMulticast, Group: g}
}

// Documents gives the URLs of the documents that plugins write about a point, one of each
// format, in the order of Endpoints.
func (b *Book) Documents(p *point.Point, authority, listener string) []Endpoint {
	all := b.list(authority, listener, func(o Offer, at string) (all []ranked) {
		for _, d := range o.Documents {
			i := slices.IndexFunc(d.Paths, func(x manifest.Path) bool { return !x.Literal() })
			if i < 0 {
				continue
			}
			scheme := "http"
			if o.TLS {
				scheme = "https"
			}
			url := scheme + "://" + at + escape(d.Paths[i].Expand(p.Name()))
			all = append(all, ranked{Endpoint: Endpoint{Plugin: o.Plugin, Scheme: scheme, URL: url, Rendition: d.Format, Kind: abi.EndpointDocument}})
		}
		return all
	})
	var formats []string
	return slices.DeleteFunc(all, func(e Endpoint) bool {
		if slices.Contains(formats, e.Rendition) {
			return true
		}
		formats = append(formats, e.Rendition)
		return false
	})
}

// isOver reports whether nobody joins the point any more, or until it is started again.
func isOver(p *point.Point) bool {
	s := p.Snapshot().State
	return s == point.Draining || s == point.Stopped
}

// renditions tells which renditions a point has, or has as soon as packagers that run have
// begun; before a source has come that is any.
func (b *Book) renditions(p *point.Point) (has func(rendition string) bool) {
	snap := p.Snapshot()
	var names []string
	for _, r := range snap.Renditions {
		names = append(names, r.Name())
	}
	if len(names) == 0 {
		return func(string) bool { return true }
	}
	if packagers := b.packagers.Load(); packagers != nil {
		for i := 0; i < len(names); i++ {
			for _, k := range *packagers {
				if k.From == names[i] && !slices.Contains(names, k.To) && (k.On == nil || k.On(p.Name())) {
					names = append(names, k.To)
				}
			}
		}
	}
	return func(rendition string) bool { return slices.Contains(names, rendition) }
}
