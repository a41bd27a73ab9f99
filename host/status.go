package host

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/session"
	"github.com/weir-media/weir/host/internal/stream"
)

const stateOpen = admin.ListenerOpen

// Status describes the whole server.
func (s *Server) Status() admin.Status {
	a := s.account()
	return admin.Status{Version: s.options.Version, Started: s.vitals.started, Config: s.config().File, Limits: admin.Measure(),
		Listeners: s.listenerList(), Plugins: s.pluginList(a), Points: s.pointList(a), Deliver: s.delivered(), Steer: s.steered(), Takeover: s.takenOver(), Notes: s.notes(), Access: s.accessStatus(),
		Audience: s.wholeAudience(), Records: s.vitals.records.status()}
}

func (s *Server) delivered() admin.Deliver {
	t := s.pool.Stats()
	return admin.Deliver{Viewers: int(t.Viewers), Waiting: int(t.Waiting), Bytes: t.Bytes, Packets: t.Packets, Sends: t.Sends, BytesPerSend: ratio(t.Bytes, t.Sends),
		DroppedPackets: t.DroppedPackets, DroppedBytes: droppedBytes(&t.Missed, t.Unsent[:]), Left: left(t.Left[:])}
}

func (s *Server) listenerList() []admin.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []admin.Listener
	for _, name := range slices.Sorted(maps.Keys(s.listeners)) {
		all = append(all, s.listenerStatus(s.listeners[name]))
	}
	return all
}

func (s *Server) listenerStatus(l *listening) admin.Listener {
	st := admin.Listener{Name: l.config.Name, State: admin.ListenerDisabled, Outcomes: map[string]uint64{}, Plugins: s.pluginsOn(l.config.Name),
		Protocol: protocolOf(l.config), TLS: l.config.TLS.Cert != ""}
	switch {
	case l.isOpen():
		if st.State = admin.ListenerOpen; s.closing {
			st.State, st.Reason = admin.ListenerDisabled, "the server is draining"
		}
		st.Rung = l.place.rung()
		st.Addresses, st.Steered = l.place.where()
		if l.tcp == nil {
			st.Datagrams = l.datagrams()
			return st
		}
		counts := l.tcp.Stats()
		st.Accepted, st.Requests = counts.Accepted, counts.Requests
		for _, o := range netio.Outcomes() {
			count(&st, o.String(), counts.Sniffed[o])
		}
		count(&st, "bad_framing", counts.BadFraming)
		count(&st, "evicted", counts.Evicted)
		return st
	case l.failed != nil:
		st.State, st.Code, st.Reason, st.Remedy = admin.ListenerFailed, l.failed.Code.String(), l.failed.Reason(), l.failed.Remedy
		st.Holder = l.failed.Holder
	}
	st.Addresses = wished(l.config)
	return st
}

// count notes an outcome of connections, if there was one.
func count(to *admin.Listener, outcome string, n uint64) {
	if n > 0 {
		to.Outcomes[outcome] = n
	}
}

func (s *Server) pluginsOn(listener string) []string {
	var names []string
	for _, c := range s.config().Plugins {
		if slices.Contains(c.Listeners, listener) {
			names = append(names, c.Name)
		}
	}
	return names
}

func (s *Server) pluginList(a *account) []admin.Plugin {
	runners := map[string]session.PluginStatus{}
	for _, r := range s.room.Runners() { // before the lock, which a change takes while runners wait for it
		runners[r.Name()] = r.Status()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []admin.Plugin
	for _, c := range s.config().Plugins {
		if r, ok := runners[c.Name]; ok && s.plugins[c.Name] != nil {
			st := s.pluginStatus(s.plugins[c.Name], r)
			st.Spending = s.spending(a, c.Name, r.Spent, st.Carrier)
			all = append(all, st)
		}
	}
	return all
}

func (s *Server) pluginStatus(p *loaded, r session.PluginStatus) admin.Plugin {
	st := admin.Plugin{Name: r.Name, State: string(r.State.Phase), Reason: r.State.Reason, Generation: r.Generation, Hash: r.Hash,
		Listeners: p.config.Listeners, Sessions: r.Sessions,
		Work:  admin.Work{Calls: r.Calls, Events: r.Events, SlowCalls: r.Slow, Refused: r.Refused, Faults: r.Faults, BusySeconds: r.Busy.Seconds()},
		Blame: blameOf(r)}
	if p.manifest != nil {
		st.Version = p.manifest.Version
	}
	st.Instances, st.Spares, st.Staying, st.RolledBack = r.Instances, r.Spares, stayingOf(r.Staying), r.RolledBack
	g := p.runner.Generation()
	st.Limits, st.Limited, st.Carriage = limitsInForce(g), r.Limited, carriage(g)
	s.judge(&st, r.State)
	return st
}

func (s *Server) pointList(a *account) []admin.Point {
	var all []admin.Point
	for _, p := range s.room.Points() {
		snap := p.Snapshot()
		st := admin.Point{Name: snap.Name, State: snap.State.String(), Reason: snap.Reason, Source: snap.Source, SourceSince: snap.Since,
			Sources: snap.Sources, Viewers: snap.Viewers, MaxViewers: p.Options().MaxViewers, Template: p.Options().Template}
		st.Multicast = s.multicastStatus(p)
		st.Audience, st.Archive = pointAudience(p), s.archiveStatus(p)
		s.judgePoint(&st, p.Options())
		st.Delivery, st.Parts = a.delivery(a.byPoint[snap.Name]), a.parts(snap.Name)
		for _, r := range snap.Renditions {
			st.Renditions = append(st.Renditions, rendition(r))
		}
		all = append(all, st)
	}
	return all
}

func rendition(r *point.Rendition) admin.Rendition {
	st := admin.Rendition{Name: r.Name(), From: r.From(), HeldBytes: r.Log.Bytes(), MaxHeldBytes: r.Log.MaxBytes(), EarlyPackets: r.Log.Early()}
	st.OldestSequence, st.NextSequence = r.Log.Bounds()
	if h := r.Log.Header(); h != nil {
		st.HeaderBytes, st.Generation = len(h.Bytes), h.Generation
	}
	c := r.Log.Cursor(stream.Start{Mode: stream.StartSeq, Seq: st.OldestSequence})
	if first, status := c.Next(); status == stream.More {
		st.NewestSeconds = r.Log.LastDTS().Duration().Seconds()
		st.HeldSeconds = (r.Log.LastDTS() - first.DTS).Duration().Seconds()
	}
	return st
}

// Sessions lists the sessions of a point, or all for "".
func (s *Server) Sessions(on string) []admin.Session {
	var all []admin.Session
	for _, x := range s.room.Sessions() {
		if on != "" && x.Point != on {
			continue
		}
		all = append(all, admin.Session{ID: x.ID, Plugin: x.Plugin, Role: string(x.Role), Peer: x.Peer, User: x.User, Point: x.Point, Rendition: x.Rendition,
			Since: x.Since, BytesIn: x.BytesIn, BytesOut: x.BytesOut, Packets: x.Packets, LagMillis: x.Lag.Milliseconds(),
			LagBytes: x.LagBytes, DroppedPackets: x.Dropped})
	}
	return all
}

// notFound gives err the admin API's mark when a name was not known.
func notFound(err error) error {
	var unknown *UnknownError
	if errors.As(err, &unknown) {
		return fmt.Errorf("%w: %w", admin.ErrNotFound, err)
	}
	return err
}

// ReloadPlugin reads a plugin's module again and swaps it in; force: even if it fails on
// what the one that runs has answered.
func (s *Server) ReloadPlugin(name string, force bool) (admin.PluginChange, error) {
	was, now, err := s.reloadPlugin(name, force)
	if err != nil {
		return admin.PluginChange{}, notFound(err)
	}
	c := admin.PluginChange{Name: name, From: build(was), To: build(now)}
	if r := s.room.Runner(name); r != nil {
		st := r.Status()
		c.Sessions = st.Sessions
		staying := stayingOf(st.Staying)
		for _, x := range staying {
			c.Sessions -= x.Sessions
		}
		c.Note = admin.StayingText(staying)
	}
	if c.From.Hash == c.To.Hash {
		c.Note = strings.TrimSuffix("the module is the same as before; "+c.Note, "; ")
	}
	return c, nil
}

func build(g plugin.Generation) admin.Build {
	if g == nil {
		return admin.Build{}
	}
	return admin.Build{Version: g.Manifest().Version, Generation: g.Number(), Hash: g.Hash()}
}

// Announce has a plugin write a document about a point.
func (s *Server) Announce(on, format, authority string) (string, []byte, error) {
	kind, body, err := s.room.Announcement(format, on, authority, "")
	if err != nil && s.room.Point(on) == nil {
		err = fmt.Errorf("%w: %w", admin.ErrNotFound, err)
	}
	return kind, body, err
}

// Ready is nil when each enabled plugin runs and each enabled listener is open.
func (s *Server) Ready() error {
	s.mu.Lock()
	closing := s.closing
	s.mu.Unlock()
	if closing {
		return errors.New("the server is draining")
	}
	var not []error
	for _, l := range s.listenerList() {
		if l.State == admin.ListenerFailed {
			not = append(not, fmt.Errorf("listener %s: %s %s", l.Name, l.Code, l.Reason))
		}
	}
	for _, p := range s.pluginList(s.account()) {
		if p.State != admin.PluginRunning && p.State != admin.PluginDisabled {
			not = append(not, fmt.Errorf("plugin %s: %s: %s", p.Name, p.State, p.Reason))
		}
	}
	return errors.Join(not...)
}

var _ admin.Backend = (*Server)(nil)

// print writes what a person wants to know first, then the line that begins with
// "ready".
func (s *Server) print() {
	w := s.options.Out
	if w == nil {
		return
	}
	for _, l := range s.listenerList() {
		line := fmt.Sprintf("listener %-8s %-8s %s", l.Name, l.State, strings.Join(l.Addresses, " "))
		if l.Reason != "" {
			line += "  " + l.Code + " " + l.Reason + "; " + l.Remedy
		}
		fmt.Fprintln(w, line)
	}
	a := s.account()
	for _, p := range s.pluginList(a) {
		fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("plugin   %-8s %-8s %-7s %s", p.Name, p.State, p.Version, p.Reason), " "))
	}
	for _, p := range s.pointList(a) {
		c, _ := s.config().Point(p.Name)
		fmt.Fprintf(w, "point    %-8s %-8s %s\n", p.Name, p.State, sourceText(c))
	}
	s.printExamples()
	state := "ready"
	if err := s.Ready(); err != nil {
		state = "ready, but not all of it: see above, or run: weir status"
	}
	fmt.Fprintln(w, state)
}

func sourceText(p config.Point) string {
	if p.Push {
		return "an encoder pushes"
	}
	from := point.Options{URL: p.URL}.From()
	if p.Demand > 0 {
		from += ", when somebody watches"
	}
	return from
}
