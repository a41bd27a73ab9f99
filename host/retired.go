package host

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
)

// linger lets a replaced listener finish on its own. Of one for datagrams it is known
// meanwhile, since it keeps its addresses.
func (s *Server) linger(l *listening) {
	if l.tcp == nil {
		s.mu.Lock()
		s.changes.fed = append(s.changes.fed, l)
		s.mu.Unlock()
	}
	s.changes.retired.Go(func() {
		l.finish(s.changes.ended)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.changes.fed = slices.DeleteFunc(s.changes.fed, func(f *listening) bool { return f == l })
	})
}

// displace finds the retired listeners at whose addresses others come: their flows end,
// and begin anew there.
func (x *proposal) displace(s *Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.changes.fed {
		if slices.ContainsFunc(x.listeners, func(step listenerStep) bool {
			return slices.ContainsFunc(step.come, func(c config.Listener) bool { return c.UDP && l.hasDatagramsAt(c.Addresses) })
		}) {
			x.displaced = append(x.displaced, l)
		}
	}
}

// hasFlowAt tells whether a flow whose peer sends to that address is one of a listener
// of that configuration.
func hasFlowAt(c config.Listener, local netip.AddrPort) bool {
	to := local.Addr().WithZone("")
	for _, a := range c.Addresses {
		if a.Port() != local.Port() && a.Port() != 0 || a.Addr().Is4() != to.Is4() {
			continue
		}
		if a.Addr().WithZone("") == to || a.Addr().IsUnspecified() || slices.Contains(c.Datagrams.Groups, to) {
			return true
		}
	}
	return slices.ContainsFunc(c.Claims, func(k config.Claim) bool {
		return k.Prefix.Contains(to) && k.First <= local.Port() && local.Port() <= k.Last
	})
}

// fedNotes tells of retired listeners that are still fed. The lock is held.
func (s *Server) fedNotes() (all []admin.Note) {
	for _, l := range s.changes.fed {
		addresses, _ := l.place.where()
		at := strings.Join(addresses, ", ")
		all = append(all, admin.Note{Text: fmt.Sprintf("listener %s, as it was before a change, is still fed at %s (flows: %d)", l.config.Name, at, l.datagrams().Flows),
			Remedy: "have who sends there send to the new address, or stop: its last flow closes it"})
	}
	return all
}

// fedPorts are the addresses of those listeners. The lock is held.
func (s *Server) fedPorts() (all []admin.Port) {
	for _, l := range s.changes.fed {
		for _, p := range s.listenerPorts(l) {
			p.Purpose += ", of flows from before a change"
			all = append(all, p)
		}
	}
	return all
}
