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
	User      string // who has logged in; empty: nobody
	Point     string
	Rendition string
	From      string         // of a packager: the rendition that it reads
	Schema    string         // of the state that the host holds for it; empty: it holds none
	Parent    uint64         // of a format session: the one that it parses for
	Worker    int            // that the session is at, of its plugin's instances
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

// Sessions lists all sessions by id. It asks each worker, so it may wait for an event
// that is under way.
func (room *Room) Sessions() []Status {
	var all []Status
	for _, r := range room.Runners() {
		for i, w := range r.all() {
			w.do(func() {
				for _, s := range w.sessions {
					st := s.status()
					st.Worker = i
					all = append(all, st)
				}
			})
		}
	}
	slices.SortFunc(all, func(a, b Status) int { return int(a.ID) - int(b.ID) })
	return all
}

// CountSessions calls add for each plugin and each role that sessions of it have, with their number. It asks each worker, as Sessions does, but makes nothing
// for a session, so that many viewers cost no memory at each look.
func (room *Room) CountSessions(add func(plugin string, role Role, n int)) {
	for _, r := range room.Runners() {
		n := map[Role]int{}
		for _, w := range r.all() {
			w.do(func() {
				for _, s := range w.sessions {
					n[s.role()]++
				}
			})
		}
		for role, count := range n {
			add(r.name, role, count)
		}
	}
}

func (s *Session) status() Status {
	st := Status{ID: s.id, Plugin: s.r.name, Role: s.role(), Peer: s.name(), User: s.links.user, Point: s.on, Since: s.since()}
	if len(s.blob) > 0 {
		st.Schema = s.schema
	}
	for _, c := range s.conns {
		if c.flow != nil {
			if c.number == 1 || !c.flow.Remote().IsValid() { // else it stands beside a stream, which tells more
				st.Listener, st.Local = c.flow.Listener(), c.flow.Local()
			}
			dropped, received := c.drops()
			st.Dropped += dropped
			st.BytesIn += received
		} else if c.net != nil {
			st.BytesIn += c.net.BytesIn()
			st.BytesOut += c.net.BytesOut()
		} else if c.in != nil {
			st.BytesIn += c.in.total()
			if c.out != nil {
				st.BytesOut += c.out.bytesOut()
			}
		}
	}
	if v := s.view; v != nil {
		d := v.stats()
		st.Rendition = v.seat.rendition.Name()
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

// Blamed is what a plugin's faults have come to.
type Blamed struct {
	LastFault   *FaultReport
	Quarantines uint64            // for faults
	Aside       []Aside           // networks that are put aside now, the longest first
	TurnedAway  map[string]uint64 // sessions that were refused, by reason; the caller's
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
	Spent      Spent
	Blamed

	Instances  int               // workers that take new sessions
	Spares     int               // instances that wait for the fault of another
	Staying    []Staying         // what is still with older generations
	RolledBack string            // why the generation before came back; empty: it did not
	Limited    map[string]uint64 // how often each bound of a session was reached, by its key
}

// Status gives the plugin as it is now.
func (r *Runner) Status() PluginStatus {
	st := PluginStatus{Name: r.name, State: r.State(),
		Calls: r.counts.calls.Load(), Events: r.counts.events.Load(), Slow: r.counts.slow.Load(),
		Refused: r.counts.refused.Load(), Faults: r.counts.faults.Load(),
		Busy: r.Spent().Wall}
	st.Spent = r.Spent()
	st.Blamed = r.blame.status(r.room.now())
	st.LastFault = r.counts.lastFault.Load()
	st.Limited = r.limited()
	if g := r.Generation(); g != nil {
		st.Manifest, st.Generation, st.Hash = g.Manifest(), g.Number(), g.Hash()
	}
	r.each(func(w *worker) {
		st.Sessions += len(w.sessions)
		st.Staying = w.staying(st.Staying)
		if w.now != nil && w.now.spare.isThere() {
			st.Spares++
		}
		if !w.leaving {
			st.Instances++
		}
	})
	if text := r.rolled.Load(); text != nil {
		st.RolledBack = *text
	}
	return st
}
