package host

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/multicast"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/telemetry"
)

// sendTo has the points of a configuration sent to their destinations, and nobody else.
func (s *Server) sendTo(c *config.Config) {
	var all []multicast.Destination
	for _, p := range c.Points {
		at := s.room.Point(p.Name)
		if at == nil {
			continue
		}
		for _, d := range p.Multicast {
			all = append(all, multicast.Destination{Point: at, Rendition: d.Rendition, To: d.To, TTL: d.TTL, Interface: d.Interface, Loopback: d.Loopback})
		}
	}
	s.multicast.Set(all)
	s.announceGroups(c)
}

// multicastStatus tells how the destinations of a point fare.
func (s *Server) multicastStatus(p *point.Point) (all []admin.Multicast) {
	for _, x := range s.multicast.Of(p) {
		st := admin.Multicast{To: x.To.String(), Rendition: x.Rendition, Interface: x.Interface, Loopback: x.Loopback, State: string(x.State), Reason: x.Reason,
			Remedy: x.Remedy, Since: x.Since, Bytes: x.Bytes, Datagrams: x.Datagrams, DroppedDatagrams: x.Dropped, DroppedPackets: x.Skipped, Retries: x.Retries}
		if x.TTL >= 0 {
			st.TTL = &x.TTL
		}
		st.SAP = s.sapStatus(p, x.To, x.Interface)
		all = append(all, st)
	}
	return all
}

// destinations looks for what keeps a point from being sent. That is doubtful only: the
// interface may come, and is tried then.
func (x *crossing) destinations(p config.Point) {
	for i, d := range p.Multicast {
		if d.Interface == "" {
			continue
		}
		key := []string{"points", p.Name, "multicast"}
		if x.c.IsList(append(slices.Clone(key), fmt.Sprint(i))...) {
			key = append(key, fmt.Sprint(i))
		}
		found, err := net.InterfaceByName(d.Interface)
		switch {
		case err != nil:
			x.doubt(fmt.Sprintf("there is no interface %q here; write one that `ip link` shows, or bring it up: it is tried again", d.Interface), append(key, "interface")...)
		case found.Flags&net.FlagUp == 0:
			x.doubt(fmt.Sprintf("interface %q is down; bring it up with `ip link set %s up`: it is tried again", d.Interface, d.Interface), append(key, "interface")...)
		}
	}
}

// sentNote says what a change does to a point's destinations.
func (p *pointStep) sentNote() string {
	var notes []string
	count := func(some, others []config.Destination, one, more string) (kept int) {
		for _, d := range some {
			if slices.ContainsFunc(others, func(o config.Destination) bool { return isSentAs(d, o) }) {
				kept++
			}
		}
		switch n := len(some) - kept; {
		case n == 1:
			notes = append(notes, "1 destination "+one)
		case n > 1:
			notes = append(notes, fmt.Sprintf("%d destinations %s", n, more))
		}
		return kept
	}
	count(p.old.Multicast, p.now.Multicast, "gets no more", "get no more")
	kept := count(p.now.Multicast, p.old.Multicast, "is sent to from now on", "are sent to from now on")
	switch {
	case len(notes) == 0:
	case kept == 1:
		notes = append(notes, "the other goes on undisturbed")
	case kept > 1:
		notes = append(notes, "the others go on undisturbed")
	}
	return strings.Join(notes, ", ")
}

// keepsDestinations tells whether a destination goes on as it is.
func (p *pointStep) keepsDestinations() bool {
	return slices.ContainsFunc(p.now.Multicast, func(d config.Destination) bool {
		return slices.ContainsFunc(p.old.Multicast, func(o config.Destination) bool { return isSentAs(d, o) })
	})
}

// isSentAs tells whether two destinations are the same to who receives them, however they
// are announced.
func isSentAs(a, b config.Destination) bool {
	a.SAP, b.SAP = config.SAP{}, config.SAP{}
	return a == b
}

// countDestinations tells of each point that has destinations how many are in which state.
func (s *Server) countDestinations(add telemetry.Add) {
	for p, n := range s.multicast.Count() {
		for _, state := range multicast.States() {
			add(float64(n[state]), p.Name(), string(state))
		}
	}
}
