package host

import (
	"fmt"
	"slices"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/session"
)

// touching finds the sessions on which a proposal has an effect.
type touching struct {
	all     []session.Status
	effects map[uint64]effect
	now     *config.Config
}

type effect struct{ what, why string }

// touched gives the sessions that the proposal touches, of all that there are.
func (x *proposal) touched(all []session.Status) (out []admin.Touched) {
	t := &touching{all: all, effects: map[uint64]effect{}, now: x.now}
	for i := range x.plugins {
		t.plugin(&x.plugins[i])
	}
	for i := range x.listeners {
		t.listener(&x.listeners[i])
	}
	for _, l := range x.displaced {
		t.displaced(l)
	}
	for i := range x.points {
		t.point(&x.points[i])
	}
	for t.follow() {
	}
	t.accessTouched(x.was, x.policy)
	for _, s := range all {
		if e, ok := t.effects[s.ID]; ok {
			out = append(out, admin.Touched{ID: s.ID, Plugin: s.Plugin, Role: string(s.Role), Peer: s.Peer, Point: s.Point, Effect: e.what, Why: e.why})
		}
	}
	return out
}

// noteStays says of each changed plugin how many sessions do not go over.
func (x *proposal) noteStays(touched []admin.Touched) {
	for i := range x.changes {
		c, n := &x.changes[i], 0
		for _, s := range touched {
			if c.What == admin.OfPlugin && s.Plugin == c.Name && s.Effect == admin.Stays {
				n++
			}
		}
		p, _ := x.now.Plugin(c.Name)
		switch {
		case n == 1:
			c.Note = fmt.Sprintf("1 session stays with the old build for at most %v, since the new one does not read its state", p.Drain)
		case n > 1:
			c.Note = fmt.Sprintf("%d sessions stay with the old build for at most %v, since the new one does not read their state", n, p.Drain)
		}
	}
}

// set notes an effect; an end outweighs all others, and says whether that is new.
func (t *touching) set(id uint64, what, why string) bool {
	old, ok := t.effects[id]
	if ok && (old.what == what || what != admin.Ends) {
		return false
	}
	t.effects[id] = effect{what, why}
	return true
}

func (t *touching) ends(id uint64) bool { return t.effects[id].what == admin.Ends }

func (t *touching) plugin(p *pluginStep) {
	for _, s := range t.all {
		switch {
		case s.Plugin != p.name():
		case p.action == admin.Removed:
			t.set(s.ID, admin.Ends, "plugin "+s.Plugin+" is removed")
		case p.ends:
			t.set(s.ID, admin.Ends, "plugin "+s.Plugin+" is disabled")
		case p.starts && p.loaded != nil:
			t.moves(&s, p)
		}
		if s.Plugin == p.name() && s.Role == session.RolePackager && p.action == admin.Changed && s.Worker >= p.now.Instances && !p.ends {
			t.set(s.ID, admin.Moves, fmt.Sprintf(fewer, s.Plugin))
		}
	}
}

// fewer says why a packager moves.
const fewer = "plugin %s gets fewer instances: another goes on with it at the next key packet"

// moves tells what a new generation is to one of its plugin's sessions.
func (t *touching) moves(s *session.Status, p *pluginStep) {
	isIts := func(k manifest.Package) bool { return k.From == s.From && k.To == s.Rendition }
	switch {
	case s.Role == session.RolePackager && !slices.ContainsFunc(p.manifest.Packages, isIts):
		t.set(s.ID, admin.Ends, "plugin "+s.Plugin+" no longer makes "+s.Rendition+" of "+s.From)
	case s.Role != session.RolePackager && s.Schema != "" && !p.manifest.State.Reads(s.Schema):
		t.set(s.ID, admin.Stays, fmt.Sprintf("the new build of plugin %s does not read state %q: it stays with the old build for at most %v", s.Plugin, s.Schema, p.now.Drain))
	default:
		t.set(s.ID, admin.Moves, "plugin "+s.Plugin+" gets a new generation")
	}
}

func (t *touching) listener(l *listenerStep) {
	for _, s := range t.all {
		if s.Listener == l.name() && l.endsFlows() && hasFlowAt(l.old, s.Local) {
			t.set(s.ID, admin.Ends, "listener "+s.Listener+" gets new sockets at the same address")
		}
	}
}

func (t *touching) displaced(l *listening) {
	for _, s := range t.all {
		if s.Listener == l.config.Name && hasFlowAt(l.config, s.Local) {
			t.set(s.ID, admin.Ends, "listener "+s.Listener+" had its address before a change, and another gets it")
		}
	}
}

func (t *touching) point(p *pointStep) {
	for _, s := range t.all {
		isSource := s.Role == session.RoleSource || s.Role == session.RoleFormat
		isFed := s.Role == session.RoleViewer || s.Role == session.RolePackager
		switch {
		case s.Point != p.name():
		case p.action == admin.Removed && (isSource || isFed):
			t.set(s.ID, admin.Ends, "point "+s.Point+" is removed")
		case p.stops && (isSource || isFed):
			t.set(s.ID, admin.Ends, "point "+s.Point+" is stopped")
		case p.restarts && isSource:
			t.set(s.ID, admin.Ends, "point "+s.Point+" gets another source")
		}
	}
}

// waits reports whether the viewers of a point wait for a source that comes back.
func (t *touching) waits(point string) bool {
	p, ok := t.now.Point(point)
	return ok && p.Grace > 0
}

// follow finds what follows of the effects so far, and tells whether there was more.
func (t *touching) follow() (more bool) {
	for _, s := range t.all {
		if !t.ends(s.ID) || s.Role != session.RoleSource && s.Role != session.RoleFormat && s.Role != session.RolePackager {
			continue // nothing follows of a viewer's end
		}
		for _, o := range t.all {
			switch {
			case s.Parent == o.ID || o.Parent == s.ID && s.ID != 0:
				more = t.set(o.ID, admin.Ends, t.effects[s.ID].why) || more
			case o.Point != s.Point:
			case s.Role == session.RolePackager && (o.Role == session.RoleViewer && o.Rendition == s.Rendition || o.Role == session.RolePackager && o.From == s.Rendition):
				more = t.set(o.ID, admin.Ends, t.effects[s.ID].why) || more
			case s.Role == session.RoleFormat && !t.waits(s.Point) && (o.Role == session.RoleViewer || o.Role == session.RolePackager):
				more = t.set(o.ID, admin.Ends, t.effects[s.ID].why) || more
			case s.Role == session.RoleFormat && o.Role == session.RoleViewer:
				more = t.set(o.ID, admin.Waits, t.effects[s.ID].why) || more
			}
		}
	}
	return more
}

// settle brings the list that was foreseen in line with what has been done.
func settle(foreseen []admin.Touched, before []session.Status, done map[uint64]effect) []admin.Touched {
	for _, s := range before {
		e, ok := done[s.ID]
		i := slices.IndexFunc(foreseen, func(t admin.Touched) bool { return t.ID == s.ID })
		switch {
		case ok && i < 0:
			foreseen = append(foreseen, admin.Touched{ID: s.ID, Plugin: s.Plugin, Role: string(s.Role), Peer: s.Peer, Point: s.Point, Effect: e.what, Why: e.why})
		case ok && foreseen[i].Effect != e.what && foreseen[i].Effect != admin.Ends:
			foreseen[i].Effect, foreseen[i].Why = e.what, e.why
		}
	}
	return foreseen
}
