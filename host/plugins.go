package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"sync"

	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/session"
)

// loaded is a plugin of plugins.yaml: its runner and what its module declares.
type loaded struct {
	config   config.Plugin
	manifest *manifest.Manifest // nil if the module could not be read
	runner   *session.Runner
	runs     config.Plugin // that the build in force, or the last that was tried, was opened with
	before   config.Plugin // likewise of the build before it, which may come back
	off      string        // why an operator disabled it; empty: it is meant to run
}

// grant cuts what the configuration grants down to what the manifest asks.
func grant(c config.Grant, m *manifest.Manifest) session.Grant {
	var g session.Grant
	if m.Asks(manifest.CapAttach) {
		g.Attach = c.Attach.Match
	}
	if m.Asks(manifest.CapPublish) {
		g.Publish = c.Publish.Match
	}
	if m.Asks(manifest.CapRead) {
		g.Read = c.Read.Match
	}
	if m.Asks(manifest.CapListen) {
		g.Listen = func(at netip.AddrPort) bool { return allows(c.Listen, at) }
	}
	if m.Asks(manifest.CapGroup) {
		g.Group = func(group netip.AddrPort) bool { return allows(c.Group, group) }
	}
	if m.Asks(manifest.CapDial) {
		g.Dial = func(network, host string, to netip.AddrPort) bool {
			return slices.ContainsFunc(c.Dial, func(d config.Dial) bool { return d.Allows(network, host, to) })
		}
	}
	g.Documents = c.Documents && m.Asks(manifest.CapDocuments)
	return g
}

func allows(grants []config.Dial, at netip.AddrPort) bool {
	return slices.ContainsFunc(grants, func(d config.Dial) bool { return d.Allows("udp", "", at) })
}

// loadPlugins makes the runner of each plugin and starts those that are enabled. Only
// a configuration that contradicts itself is an error.
func (s *Server) loadPlugins(ctx context.Context) error {
	var starts []start
	for _, c := range s.config().Plugins {
		p := &loaded{config: c, runs: c}
		settings, err := json.Marshal(c.Config)
		if err != nil {
			return s.config().Problem("cannot be written as JSON: "+err.Error(), "plugins", c.Name, "config")
		}
		m, readErr := s.read(c)
		if readErr == nil {
			p.manifest = m.manifest
		}
		o := session.PluginOptions{Name: c.Name, Config: settings, Instances: c.Instances, Drain: c.Drain}
		if p.manifest != nil {
			o.Grant = grant(c.Grant, p.manifest)
		}
		if p.runner, err = s.room.Add(o); err != nil {
			return err
		}
		p.runner.SetManifest(p.manifest)
		s.plugins[c.Name] = p
		switch {
		case readErr != nil:
			p.runner.SetFailed(s.problem(c, readErr).Error())
			s.log.Error("plugin not loaded", "plugin", c.Name, "error", readErr)
		case !c.Enabled:
			p.off = "enabled: false in " + s.config().File
			p.runner.Disable(p.off)
		default:
			starts = append(starts, start{p: p, m: m})
		}
	}
	if _, err := s.tables(); err != nil {
		return err
	}
	s.startPlugins(ctx, starts)
	return nil
}

// start is a plugin on its way up.
type start struct {
	p   *loaded
	m   module
	g   plugin.Generation
	err error
}

// startPlugins compiles modules, as many at a time as there are cores, and enables
// them in order. A failure is the plugin's state.
func (s *Server) startPlugins(ctx context.Context, starts []start) {
	var compiling sync.WaitGroup
	turn := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range starts {
		compiling.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			starts[i].g, starts[i].err = s.open(ctx, starts[i].p.config, starts[i].m)
		})
	}
	compiling.Wait()
	for _, x := range starts {
		if x.err == nil {
			if x.err = x.p.runner.Enable(x.g); x.err != nil {
				x.g.Close()
			}
		}
		if x.err != nil {
			x.p.runner.SetFailed(x.err.Error())
			s.log.Error("plugin not started", "plugin", x.p.config.Name, "error", x.err)
		}
	}
}

// EnablePlugin starts a plugin that is disabled or failed, and opens its listeners
// that are not open. It returns what still stands in the way.
func (s *Server) EnablePlugin(name string) error {
	s.changes.mu.Lock()
	defer s.changes.mu.Unlock()
	s.mu.Lock()
	p, err := s.find(name)
	if err == nil {
		p.off = ""
	}
	s.mu.Unlock()
	if err != nil {
		return notFound(err)
	}
	if p.runner.State().Phase != session.Running {
		if err := s.renew(p, false); err != nil {
			p.runner.SetFailed(err.Error())
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reopen(p)
}

// DisablePlugin ends a plugin's sessions; its requests are refused from then on.
func (s *Server) DisablePlugin(name, reason string) error {
	if reason == "" {
		reason = "disabled by an operator"
	}
	s.changes.mu.Lock()
	defer s.changes.mu.Unlock()
	s.mu.Lock()
	p, err := s.find(name)
	if err == nil {
		p.off = reason
		s.announceOffers()
		s.warnUnreachable()
	}
	s.mu.Unlock()
	if err != nil {
		return notFound(err)
	}
	p.runner.Disable(reason) // without the lock: status shows that it drains
	s.sap.Refresh()
	return nil
}

// reloadPlugin reads a plugin's module anew and swaps it in; sessions go on with
// their held state. On an error the old generation runs on.
func (s *Server) reloadPlugin(name string, force bool) (was, now plugin.Generation, err error) {
	s.changes.mu.Lock()
	defer s.changes.mu.Unlock()
	s.mu.Lock()
	p, err := s.find(name)
	if err == nil && p.off != "" {
		err = fmt.Errorf("reload plugin %q: it is disabled (%s); enable it", name, p.off)
	}
	s.mu.Unlock()
	if err != nil {
		return nil, nil, err
	}
	was = p.runner.Generation()
	if err := s.renew(p, force); err != nil {
		return nil, nil, fmt.Errorf("reload plugin %q: %w", name, err)
	}
	if names, _ := s.changes.refused.of(); slices.Contains(names, name) {
		s.changes.refused.clear()
	}
	return was, p.runner.Generation(), nil
}

// renew reads, judges, compiles and starts a plugin's module aside, then puts it in
// force with its routes. Server.changes.mu is held, and Server.mu is not: the status can
// be asked while a module is compiled. force: it need not answer first what was answered.
func (s *Server) renew(p *loaded, force bool) error {
	m, err := s.read(p.config)
	if err != nil {
		return s.problem(p.config, err)
	}
	if err = s.fits(p, m.manifest); err != nil {
		return err
	}
	g, err := s.open(context.Background(), p.config, m)
	if err != nil {
		return err
	}
	settings, err := json.Marshal(p.config.Config)
	if err == nil {
		replace := p.runner.Replace
		if force {
			replace = p.runner.ReplaceUnseen
		}
		err = replace(g, grant(p.config.Grant, m.manifest), settings, s.notClosing)
	}
	if err != nil {
		g.Close()
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.before, p.runs = p.runs, p.config
	s.declare(p, m.manifest)
	return nil
}

// notClosing is an error once the server drains.
func (s *Server) notClosing() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return errors.New("the server is draining")
	}
	return nil
}

// fits is an error if a plugin cannot have a manifest beside the other plugins.
func (s *Server) fits(p *loaded, m *manifest.Manifest) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if old := p.manifest; old != nil && old.Name != m.Name {
		return fmt.Errorf("the module is now plugin %q, not %q; give another plugin an entry of its own", m.Name, old.Name)
	}
	all := s.manifests()
	all[p.config.Name] = m
	_, err := tables(s.config(), all)
	return err
}

// declare has the server go by a plugin's manifest. Server.mu is held.
func (s *Server) declare(p *loaded, m *manifest.Manifest) {
	p.manifest = m
	p.runner.SetManifest(m)
	s.setRoutes()
}

func (s *Server) find(name string) (*loaded, error) {
	if s.closing {
		return nil, errors.New("the server is draining")
	}
	if p := s.plugins[name]; p != nil {
		return p, nil
	}
	return nil, &UnknownError{"plugin", name}
}

// UnknownError says that a name is not in the configuration.
type UnknownError struct{ What, Name string }

func (e *UnknownError) Error() string {
	return fmt.Sprintf("there is no %s %q in the configuration that runs", e.What, e.Name)
}
