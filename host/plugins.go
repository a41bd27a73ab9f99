package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/builtin"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
	"github.com/weir-media/weir/host/internal/session"
)

// loaded is a plugin of plugins.yaml: its runner and what its module declares.
type loaded struct {
	config   config.Plugin
	manifest *manifest.Manifest // nil if the module could not be read
	runner   *session.Runner
	off      string // why an operator disabled it; empty: it is meant to run
}

// module is a plugin's code and manifest, judged but not compiled.
type module struct {
	code     []byte
	manifest *manifest.Manifest
}

// read reads a plugin's module and judges its manifest against the configuration.
func (s *Server) read(p config.Plugin) (module, error) {
	code, err := s.code(p)
	if err != nil {
		return module{}, err
	}
	if sum := hash(code); p.SHA256 != "" && sum != p.SHA256 {
		return module{}, fmt.Errorf("the module's SHA-256 is %s, not what sha256: says; put back the right file, or write this hash if the change is yours", sum)
	}
	text, err := wasm.ReadManifest(code)
	if err != nil {
		return module{}, err
	}
	m, err := manifest.Parse(text)
	if err != nil {
		return module{}, fmt.Errorf("manifest: %w", err)
	}
	if len(m.Features.Required) > 0 { // this host offers none yet
		return module{}, fmt.Errorf("manifest: features.required: this weir does not have %s; use a newer weir, or a plugin that does without", strings.Join(m.Features.Required, ", "))
	}
	if len(p.Config) > 0 || len(m.Config.JSON()) > 0 {
		settings := p.Config
		if settings == nil {
			settings = map[string]any{}
		}
		if err := m.CheckConfig(settings); err != nil {
			return module{}, fmt.Errorf("config: %w", err)
		}
	}
	return module{code, m}, nil
}

func (s *Server) code(p config.Plugin) ([]byte, error) {
	switch {
	case p.Exec != "":
		return nil, errors.New("exec: out-of-process plugins are not carried by this version; build the plugin as a .wasm module")
	case p.Builtin != "" && s.options.Tests.Builtin != nil:
		return s.options.Tests.Builtin(p.Builtin)
	case p.Builtin != "":
		return builtin.Module(p.Builtin)
	}
	return os.ReadFile(p.Module)
}

// problem words a plugin's fault as one of the configuration.
func (s *Server) problem(p config.Plugin, err error) config.Problem {
	return problem(s.config(), p, err)
}

func problem(c *config.Config, p config.Plugin, err error) config.Problem {
	key := []string{"plugins", p.Name}
	if text, ok := strings.CutPrefix(err.Error(), "config: "); ok {
		return c.Problem(text, append(key, "config")...)
	}
	return c.Problem(err.Error(), append(key, "module")...)
}

// open compiles a plugin's module.
func (s *Server) open(ctx context.Context, p config.Plugin, m module) (plugin.Generation, error) {
	return wasm.Open(ctx, wasm.Options{Name: p.Name, Module: m.code, CacheDir: s.cacheDir(), Log: s.log,
		Limits: plugin.Limits{Memory: p.Limits.Memory, Event: p.Limits.Event}})
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
		p := &loaded{config: c}
		settings, err := json.Marshal(c.Config)
		if err != nil {
			return s.config().Problem("cannot be written as JSON: "+err.Error(), "plugins", c.Name, "config")
		}
		m, readErr := s.read(c)
		if readErr == nil {
			p.manifest = m.manifest
		}
		o := session.PluginOptions{Name: c.Name, Config: settings}
		if p.manifest != nil {
			o.Grant = grant(c.Grant, p.manifest)
		}
		if p.runner, err = s.room.Add(o); err != nil {
			return err
		}
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
	defer s.mu.Unlock()
	p, err := s.find(name)
	if err != nil {
		return notFound(err)
	}
	p.off = ""
	if p.runner.State().Phase != session.Running {
		if err := s.renew(p); err != nil {
			p.runner.SetFailed(err.Error())
			return err
		}
	}
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
	return nil
}

// reloadPlugin reads a plugin's module anew and swaps it in; sessions go on with
// their held state. On an error the old generation runs on.
func (s *Server) reloadPlugin(name string) (was, now plugin.Generation, err error) {
	s.changes.mu.Lock()
	defer s.changes.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.find(name)
	if err != nil {
		return nil, nil, err
	}
	if p.off != "" {
		return nil, nil, fmt.Errorf("reload plugin %q: it is disabled (%s); enable it", name, p.off)
	}
	was = p.runner.Generation()
	if err := s.renew(p); err != nil {
		return nil, nil, fmt.Errorf("reload plugin %q: %w", name, err)
	}
	return was, p.runner.Generation(), nil
}

func hash(code []byte) string {
	sum := sha256.Sum256(code)
	return hex.EncodeToString(sum[:])
}

// renew reads, judges, compiles and starts a plugin's module aside, then puts it in
// force with its routes.
func (s *Server) renew(p *loaded) error {
	m, err := s.read(p.config)
	if err != nil {
		return s.problem(p.config, err)
	}
	old := p.manifest
	if old != nil && old.Name != m.manifest.Name {
		return fmt.Errorf("the module is now plugin %q, not %q; give another plugin an entry of its own", m.manifest.Name, old.Name)
	}
	p.manifest = m.manifest
	if _, err = s.tables(); err != nil {
		p.manifest = old
		return err
	}
	g, err := s.open(context.Background(), p.config, m)
	if err != nil {
		p.manifest = old
		return err
	}
	p.runner.SetGrant(grant(p.config.Grant, m.manifest))
	if err := p.runner.Enable(g); err != nil {
		g.Close()
		p.manifest = old
		if old != nil {
			p.runner.SetGrant(grant(p.config.Grant, old))
		}
		return err
	}
	s.setRoutes()
	return nil
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
