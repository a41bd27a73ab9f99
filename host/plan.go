package host

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/weir-media/weir/host/internal/access"
	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/netio/inherit"
)

// proposal is a configuration that may take the place of the one in force: judged, and
// compared with it. Server.changes.mu is held while there is one.
type proposal struct {
	old, now  *config.Config
	modules   map[string]module          // of now's plugins, those that can be read
	tables    map[string]*manifest.Table // of now's listeners
	warnings  []string
	listeners []listenerStep
	displaced []*listening // retired ones, at addresses of listeners that come
	untaken   []*inherit.Socket
	was       *access.Policy // in force
	policy    *access.Policy // now's
	plugins   []pluginStep
	points    []pointStep
	templates []pointStep
	changes   []admin.Change
}

// listenerStep is a listener that is added, removed or changed.
type listenerStep struct {
	action   string // admin.Added …
	old, now config.Listener
	come     []config.Listener // all that are opened with it
}

// pluginStep is a plugin that is added, removed or changed.
type pluginStep struct {
	action   string
	old, now config.Plugin
	loaded   *loaded            // nil if it is added
	manifest *manifest.Manifest // of the module that was read; nil if it could not be
	starts   bool               // a generation is started
	ends     bool               // what runs is disabled, with its sessions
}

func (p *pluginStep) name() string {
	if p.action == admin.Removed {
		return p.old.Name
	}
	return p.now.Name
}

// pointStep is a point that is added, removed or changed.
type pointStep struct {
	action   string
	old, now config.Point
	restarts bool // the source is another
	stops    bool
	starts   bool
	stopped  string // why it is stopped now; empty: it is not
}

// isKept tells whether a listener stays as it is.
func (x *proposal) isKept(l config.Listener) bool {
	was, ok := x.old.Listener(l.Name)
	return ok && reflect.DeepEqual(was, l)
}

// propose judges a configuration and tells how it differs from the one in force.
func (s *Server) propose(now *config.Config) (*proposal, error) {
	x := &proposal{old: s.config(), now: now, modules: map[string]module{}, was: s.access.Policy()}
	var problems config.Problems
	for _, p := range now.Plugins {
		m, err := s.read(p)
		if err == nil {
			err = s.sameName(p.Name, m.manifest)
		}
		if err == nil {
			x.modules[p.Name] = m
		} else if x.needs(s, p) {
			problems = append(problems, problem(now, p, err))
		}
	}
	manifests := x.manifests(s)
	wrong, doubtful := crossCheck(now, manifests, x.isKept)
	for _, w := range doubtful {
		x.warnings = append(x.warnings, w.Error())
	}
	if problems = append(problems, wrong...); len(problems) > 0 {
		return nil, problems
	}
	var err error
	if x.tables, err = tables(now, manifests); err != nil {
		return nil, err
	}
	if x.policy, err = policyOf(now); err != nil {
		return nil, err
	}
	x.compareListeners()
	x.displace(s)
	x.findUntaken(s)
	x.comparePlugins(s)
	x.comparePoints(s)
	x.compareTemplates()
	x.tell()
	return x, nil
}

// sameName refuses another plugin in the place of one that is loaded: sessions and
// metrics would change hands.
func (s *Server) sameName(name string, m *manifest.Manifest) error {
	if p := s.plugins[name]; p != nil && p.manifest != nil && p.manifest.Name != m.Name {
		return fmt.Errorf("the module is now plugin %q, not %q; give another plugin an entry of its own", m.Name, p.manifest.Name)
	}
	return nil
}

// needs tells whether a plugin's module must be readable: not where nothing is started
// of it, and not where it was unreadable before and nothing is changed about it.
func (x *proposal) needs(s *Server, now config.Plugin) bool {
	old, was := x.old.Plugin(now.Name)
	p := s.plugins[now.Name]
	if was && p != nil && reflect.DeepEqual(old, now) {
		return p.runner.State().Works()
	}
	return now.Enabled
}

// manifests are those that routes are compiled of: of modules that can be read, else of
// what is loaded.
func (x *proposal) manifests(s *Server) map[string]*manifest.Manifest {
	all := map[string]*manifest.Manifest{}
	for _, c := range x.now.Plugins {
		if m, ok := x.modules[c.Name]; ok {
			all[c.Name] = m.manifest
		} else if p := s.plugins[c.Name]; p != nil && p.manifest != nil {
			all[c.Name] = p.manifest
		}
	}
	return all
}

// pair calls f for each name of two lists: with both, or with one of them and its zero.
func pair[T any](old, now []T, name func(T) string, f func(action string, old, now T)) {
	find := func(list []T, n string) (t T, ok bool) {
		i := slices.IndexFunc(list, func(t T) bool { return name(t) == n })
		if i < 0 {
			return t, false
		}
		return list[i], true
	}
	var none T
	for _, o := range old {
		if n, ok := find(now, name(o)); ok {
			f(admin.Changed, o, n)
		} else {
			f(admin.Removed, o, none)
		}
	}
	for _, n := range now {
		if _, ok := find(old, name(n)); !ok {
			f(admin.Added, none, n)
		}
	}
}

func (x *proposal) compareListeners() {
	pair(x.old.Listeners, x.now.Listeners, func(l config.Listener) string { return l.Name }, func(action string, old, now config.Listener) {
		if !reflect.DeepEqual(old, now) {
			x.listeners = append(x.listeners, listenerStep{action: action, old: old, now: now})
		}
	})
	var come []config.Listener
	for _, step := range x.listeners {
		if step.action != admin.Removed && step.now.Enabled && !step.flips() {
			come = append(come, step.now)
		}
	}
	for i := range x.listeners {
		x.listeners[i].come = come
	}
}

func (x *proposal) comparePoints(s *Server) {
	pair(x.old.Points, x.now.Points, func(p config.Point) string { return p.Name }, func(action string, old, now config.Point) {
		if !reflect.DeepEqual(old, now) {
			step := pointStep{action: action, old: old, now: now, restarts: action == admin.Changed && (old.Push != now.Push || old.URL != now.URL)}
			step.switches(s)
			x.points = append(x.points, step)
		}
	})
}

func (x *proposal) compareTemplates() {
	pair(x.old.Templates, x.now.Templates, func(p config.Point) string { return p.Name }, func(action string, old, now config.Point) {
		if !reflect.DeepEqual(old, now) {
			x.templates = append(x.templates, pointStep{action: action, old: old, now: now})
		}
	})
}

func (x *proposal) comparePlugins(s *Server) {
	pair(x.old.Plugins, x.now.Plugins, func(p config.Plugin) string { return p.Name }, func(action string, old, now config.Plugin) {
		step := pluginStep{action: action, old: old, now: now}
		switch action {
		case admin.Added:
			step.starts = now.Enabled
			x.plugins = append(x.plugins, step)
			return
		case admin.Removed:
			step.loaded, step.ends = s.plugins[old.Name], true
			x.plugins = append(x.plugins, step)
			return
		}
		step.loaded = s.plugins[now.Name]
		isChanged := !reflect.DeepEqual(old, now)
		isOn := step.loaded.off == ""
		wanted := isOn
		if now.Enabled != old.Enabled {
			wanted = now.Enabled
		}
		runs := step.loaded.runner.State().Works()
		step.starts = wanted && (x.newCode(&step) || isChanged && !runs)
		step.ends = isOn && !wanted
		step.manifest = x.modules[now.Name].manifest
		if isChanged || step.starts {
			x.plugins = append(x.plugins, step)
		}
	})
}

// newCode tells whether a plugin needs a new generation: its module, limits or
// configuration differ from those of the one that runs, which may be one that came back.
func (x *proposal) newCode(p *pluginStep) bool {
	return !isSameCode(p.loaded.runs, p.now) || x.newModule(p)
}

// isSameCode tells whether two configurations of a plugin open the same build.
func isSameCode(old, now config.Plugin) bool {
	old.Enabled, old.Grant, old.Listeners = now.Enabled, now.Grant, now.Listeners
	old.Instances, old.Drain = now.Instances, now.Drain
	return reflect.DeepEqual(old, now)
}

// newModule tells whether the module that runs is not the one that was read.
func (x *proposal) newModule(p *pluginStep) bool {
	m, ok := x.modules[p.now.Name]
	g := p.loaded.runner.Generation()
	return ok && g != nil && m.hash != g.Hash()
}

// sameFolder tells whether two folders, one of which may be relative, are the same.
func sameFolder(a, b string) bool {
	x, errA := filepath.Abs(a)
	y, errB := filepath.Abs(b)
	return errA == nil && errB == nil && x == y
}

// isAgain tells whether a plugin's configuration is the same, and what it names was rolled
// back.
func (p *pluginStep) isAgain() bool {
	return isSameCode(p.old, p.now) && !isSameCode(p.loaded.runs, p.now)
}
