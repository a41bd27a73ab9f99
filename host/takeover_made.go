package host

import (
	"slices"

	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/handover"
)

// madeFor gives the points that were made from templates, and that another server can make
// too: both relay them to each other from the beginning.
func (s *Server) madeFor(peer handover.Greeting) (all []handover.Made) {
	for _, p := range s.room.Points() {
		fits := func(pattern string) bool { return config.Pattern(pattern).Match(p.Name()) }
		if o := p.Options(); o.Template != "" && slices.ContainsFunc(peer.Templates, fits) {
			all = append(all, handover.Made{Name: p.Name(), Model: o.Model, AutoDestroy: p.AutoDestroy()})
		}
	}
	return all
}

// lacksMade tells whether a point was made and fed since the greeting that the new server
// could make too: it would know nothing of its source.
func (y *yielding) lacksMade() bool {
	return slices.ContainsFunc(y.s.madeFor(y.l.peer), func(m handover.Made) bool {
		p, r := y.s.room.Point(m.Name), y.l.ports[m.Name]
		return p != nil && p.Options().IsPush() && p.Feed() != nil && (r == nil || r.p != p)
	})
}

// makeAsBefore makes the points that the server has made that this one takes over from. Those
// that nobody comes to feed go when that server has ended.
func (s *Server) makeAsBefore(made []handover.Made) {
	for _, m := range made {
		if s.room.Point(m.Name) != nil { // it is configured here
			continue
		}
		p, err := s.room.MakePoint(m.Name, m.Model)
		if err != nil && m.Model != "" { // which is not here any more
			p, err = s.room.MakePoint(m.Name, "")
		}
		if err != nil {
			s.log.Warn("point not taken over", "point", m.Name, "error", err)
			continue
		}
		p.SetAutoDestroy(m.AutoDestroy)
	}
}

// templateNames are the patterns of the templates of the configuration.
func (s *Server) templateNames() (all []string) {
	for _, t := range s.config().Templates {
		all = append(all, t.Name)
	}
	return all
}
