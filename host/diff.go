package host

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
)

// sections are the parts of a configuration whose entries have names.
var sections = map[string]string{"listeners": admin.OfListener, "plugins": admin.OfPlugin, "points": admin.OfPoint, "templates": admin.OfTemplate}

// tell writes the changes down, key by key.
func (x *proposal) tell() {
	keys := map[[2]string][]admin.KeyChange{} // what and name
	for _, d := range config.Differences(x.old, x.now) {
		at := [2]string{admin.OfServer, d.Key[0]}
		if what := sections[d.Key[0]]; what != "" && len(d.Key) > 1 {
			at = [2]string{what, d.Key[1]}
		}
		keys[at] = append(keys[at], admin.KeyChange{Key: d.Name(), Old: d.Old, New: d.New})
	}
	add := func(what, name, action string, notes ...string) {
		x.changes = append(x.changes, admin.Change{What: what, Name: name, Action: action, Keys: keys[[2]string{what, name}],
			Note: strings.Join(slices.DeleteFunc(notes, func(n string) bool { return n == "" }), "; ")})
	}
	for _, l := range x.listeners {
		add(admin.OfListener, l.name(), l.action, l.note())
	}
	for i := range x.plugins {
		p := &x.plugins[i]
		if p.action == admin.Changed && x.newModule(p) {
			at := [2]string{admin.OfPlugin, p.now.Name}
			keys[at] = append(keys[at], admin.KeyChange{Key: "plugins." + p.now.Name + "." + codeKey(p.now) + " (SHA-256)", Old: p.loaded.runner.Generation().Hash(), New: x.modules[p.now.Name].hash})
		}
		add(admin.OfPlugin, p.name(), p.action, p.note())
	}
	for _, p := range x.points {
		add(admin.OfPoint, p.name(), p.action, p.note())
	}
	for _, t := range x.templates {
		add(admin.OfTemplate, t.name(), t.action, t.templateNote())
	}
	x.tellServer(add)
}

// tellServer tells of what belongs to no entry.
func (x *proposal) tellServer(add func(what, name, action string, notes ...string)) {
	const later = "takes effect at the next start"
	if x.old.Admin != x.now.Admin {
		add(admin.OfServer, "admin", admin.Changed, later)
	}
	if x.old.Metrics != x.now.Metrics {
		add(admin.OfServer, "metrics", admin.Changed, later)
	}
	x.tellAccess(add)
	if x.old.StateDir != x.now.StateDir {
		add(admin.OfServer, "state_dir", admin.Changed, later)
	}
	if x.old.Watch != x.now.Watch {
		add(admin.OfServer, "watch", admin.Changed)
	}
	if x.old.Limits != x.now.Limits {
		add(admin.OfServer, "limits", admin.Changed, "for viewers who join from now on")
	}
	if x.old.Log != x.now.Log {
		add(admin.OfServer, "log", admin.Changed)
	}
	if !reflect.DeepEqual(x.old.Webhooks, x.now.Webhooks) {
		add(admin.OfServer, "webhooks", admin.Changed)
	}
	if x.old.CacheDir != x.now.CacheDir {
		add(admin.OfServer, "cache_dir", admin.Changed, "for modules that are compiled from now on")
	}
	if !sameFolder(x.old.Dir, x.now.Dir) {
		add(admin.OfServer, "folder", admin.Changed, fmt.Sprintf("relative paths now start in %s, not in %s", folder(x.now.Dir), folder(x.old.Dir)))
	}
}

func folder(dir string) string {
	if dir == "" {
		return "."
	}
	return dir
}

func (l *listenerStep) name() string {
	if l.action == admin.Removed {
		return l.old.Name
	}
	return l.now.Name
}

func (l *listenerStep) note() string {
	const stay = "who is connected stays, and requests under way are finished"
	switch {
	case l.action == admin.Added && !l.now.Enabled, l.action == admin.Removed && !l.old.Enabled, l.action == admin.Changed && !l.old.Enabled && !l.now.Enabled:
		return "it is disabled"
	case l.action == admin.Added:
		return ""
	case l.flips():
		return "a new generation of workers gets the flows that begin from now on"
	case l.endsFlows():
		return "its addresses get new sockets: its flows end"
	}
	return stay
}

// flips tells whether nothing but the workers of a UDP listener change: that goes in
// place, by a new generation of their sockets.
func (l *listenerStep) flips() bool {
	old := l.old
	old.Datagrams.Workers = l.now.Datagrams.Workers
	return l.action == admin.Changed && l.now.UDP && l.now.Enabled && reflect.DeepEqual(old, l.now)
}

// endsFlows tells whether the flows of a UDP listener cannot go on beside those that
// come, one of which has sockets that would get their datagrams.
func (l *listenerStep) endsFlows() bool {
	return l.old.UDP && l.old.Enabled && !l.flips() && slices.ContainsFunc(l.come, func(c config.Listener) bool { return c.UDP && meetAny(l.old.Addresses, c.Addresses) })
}

func meetAny(some, others []netip.AddrPort) bool {
	return slices.ContainsFunc(some, func(a netip.AddrPort) bool {
		return slices.ContainsFunc(others, func(b netip.AddrPort) bool { return meet(a, b) })
	})
}

// meet tells whether two addresses cannot both be bound.
func meet(a, b netip.AddrPort) bool {
	same := a.Addr() == b.Addr() || a.Addr().IsUnspecified() || b.Addr().IsUnspecified()
	return same && a.Port() == b.Port() && a.Port() != 0 && a.Addr().Is4() == b.Addr().Is4()
}

func (p *pluginStep) note() string {
	switch {
	case p.action != admin.Changed:
		return ""
	case p.loaded.off != "" && p.now.Enabled && p.old.Enabled:
		return "it stays disabled (" + p.loaded.off + "); start it with: weir plugin enable " + p.now.Name
	case p.starts && p.isAgain():
		return "what was rolled back is tried again"
	case p.starts && p.loaded.runner.State().Works():
		return "a new generation takes over its sessions"
	case !p.starts && !p.ends && p.loaded.off == "":
		return "for what its sessions ask from now on; who is attached stays"
	}
	return ""
}

func (p *pointStep) name() string {
	if p.action == admin.Removed {
		return p.old.Name
	}
	return p.now.Name
}

// templateNote says what becomes of the points that were made from a template.
func (p *pointStep) templateNote() string {
	switch p.action {
	case admin.Removed:
		return "points that were made from it stay until their sources have left for good"
	case admin.Changed:
		return "points that were made from it have the new values"
	}
	return ""
}

// servedNote says what differs of what a viewer keeps from when it joined. Values are those in
// force, also where the file does not name them.
func (p *pointStep) servedNote() string {
	old, now := p.old, p.now
	var differ []string
	for _, x := range []struct {
		key      string
		old, now any
	}{
		{"on_lag", old.OnLag, now.OnLag}, {"max_lag", old.MaxLag, now.MaxLag}, {"latency", old.Latency, now.Latency}, {"burst_rate", old.BurstRate, now.BurstRate},
	} {
		if x.old != x.now {
			differ = append(differ, fmt.Sprintf("%s %v -> %v", x.key, x.old, x.now))
		}
	}
	if len(differ) == 0 {
		return ""
	}
	note := "for viewers who join from now on: " + strings.Join(differ, ", ")
	if p.keepsDestinations() && (old.MaxLag != now.MaxLag || old.Latency != now.Latency || old.BurstRate != now.BurstRate) {
		note += "; destinations that are sent to now have the old values until their rendition begins anew"
	}
	return note
}

func (p *pointStep) note() string {
	var notes []string
	if p.restarts {
		notes = append(notes, "its source ends, viewers wait for the new one within grace")
	}
	if p.action == admin.Changed {
		notes = append(notes, p.servedNote())
	}
	notes = append(notes, p.sentNote(), p.stopsNote(), p.keptNote())
	if p.action == admin.Changed && p.now.Viewers != 0 && p.now.Viewers != p.old.Viewers {
		notes = append(notes, "nobody is sent away who is there")
	}
	return strings.Join(slices.DeleteFunc(notes, func(n string) bool { return n == "" }), "; ")
}
