package session

import (
	"net/netip"
	"slices"
	"time"

	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/media"
)

// Status is a session as the admin room shows it.
type Status struct {
	ID        uint64
	Plugin    string
	Role      Role
	Peer      string
	Point     string
	Rendition string
	From      string         // of a packager: the rendition that it reads
	Parent    uint64         // of a format session: the one that it parses for
	Listener  string         // of a flow of datagrams, which ends with its listener's sockets
	Local     netip.AddrPort // that such a flow's peer sends to
	Since     time.Time
	BytesIn   uint64
	BytesOut  uint64
	Packets   uint64
	Lag       media.Time
	LagBytes  int
	Dropped   uint64 // packets of a viewer, datagrams of a flow
}

// Sessions lists all sessions by id. It asks each runner, so it may wait for an event
// that is under way.
func (room *Room) Sessions() []Status {
	var all []Status
	for _, r := range room.Runners() {
		r.do(func() {
			for _, s := range r.sessions {
				all = append(all, s.status())
			}
		})
	}
	slices.SortFunc(all, func(a, b Status) int { return int(a.ID) - int(b.ID) })
	return all
}

func (s *Session) status() Status {
	st := Status{ID: s.id, Plugin: s.r.name, Role: s.role(), Peer: s.name, Point: s.on, Since: s.born}
	for _, c := range s.conns {
		if c.flow != nil {
			st.Listener, st.Local = c.flow.Listener(), c.flow.Local()
			dropped, received := c.drops()
			st.Dropped += dropped
			st.BytesIn += received
		} else if c.net != nil {
			st.BytesIn += c.net.BytesIn()
			st.BytesOut += c.net.BytesOut()
		} else if c.in != nil {
			st.BytesIn += c.in.total()
		}
	}
	if v := s.links.view; v != nil {
		d := v.stats()
		st.Rendition = v.rendition.Name()
		st.BytesOut += d.Bytes
		st.Packets, st.Dropped, st.Lag, st.LagBytes = d.Packets, d.DroppedPackets, d.LagTime, d.LagBytes
	}
	if p := s.links.pack; p != nil {
		st.Rendition, st.From = p.to.Name(), p.from.Name()
	}
	if f := s.links.feed; f != nil && f.Rendition() != nil {
		st.Rendition = f.Rendition().Name()
	}
	if p := s.links.parent; p != nil {
		st.Parent = p.id
	}
	return st
}

func (i *inlet) total() uint64 {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.end()
}

// PluginStatus is a plugin as the admin room shows it.
type PluginStatus struct {
	Name       string
	State      State
	Manifest   *manifest.Manifest // nil while nothing is loaded
	Generation uint64
	Hash       string
	Sessions   int
	Calls      uint64
	Events     uint64
	Slow       uint64
	Refused    uint64
	Faults     uint64
	Busy       time.Duration // time spent in the plugin
	LastFault  *FaultReport
}

// Status gives the plugin as it is now.
func (r *Runner) Status() PluginStatus {
	st := PluginStatus{Name: r.name, State: r.State(),
		Calls: r.counts.calls.Load(), Events: r.counts.events.Load(), Slow: r.counts.slow.Load(),
		Refused: r.counts.refused.Load(), Faults: r.counts.faults.Load(),
		Busy: time.Duration(r.counts.callNanos.Load()), LastFault: r.counts.lastFault.Load()}
	if g := r.Generation(); g != nil {
		st.Manifest, st.Generation, st.Hash = g.Manifest(), g.Number(), g.Hash()
	}
	r.do(func() { st.Sessions = len(r.sessions) })
	return st
}
