package host

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/manifest"
)

// Check judges a configuration as far as that is possible without running it: the
// file, the modules, their manifests, the grants, the routes, the files of listeners.
// Warnings are of what may not be meant.
func Check(path string, environ []string) (warnings []string, err error) {
	o := Options{ConfigPath: path, Environ: environ, Log: slog.New(slog.DiscardHandler)}
	c, err := loadConfig(o)
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, log: o.Log}
	manifests := map[string]*manifest.Manifest{}
	var problems config.Problems
	for _, p := range c.Plugins {
		m, no := s.read(p)
		if no != nil {
			problems = append(problems, problem(c, p, no))
			continue
		}
		manifests[p.Name] = m.manifest
	}
	wrong, doubtful := crossCheck(c, manifests, nil)
	for _, w := range doubtful {
		warnings = append(warnings, w.Error())
	}
	if problems = append(problems, wrong...); len(problems) > 0 {
		return warnings, problems
	}
	_, err = tables(c, manifests)
	return warnings, err
}

// logDoubts logs what does not fit together in the configuration that runs.
func (s *Server) logDoubts() {
	wrong, doubtful := crossCheck(s.config(), s.manifests(), nil)
	for _, p := range append(wrong, doubtful...) {
		s.log.Warn("doubtful configuration", "problem", p.Error())
	}
}

// crossCheck finds what no key shows by itself: files that listeners need, and entries
// that do not fit together. What is wrong keeps a part from working at all; what is
// doubtful may be meant. A plugin without a manifest, whose module cannot be read, is
// passed over; what is wrong with a listener that is kept as it runs is doubtful only.
func crossCheck(c *config.Config, manifests map[string]*manifest.Manifest, kept func(config.Listener) bool) (wrong, doubtful config.Problems) {
	x := &crossing{c: c, manifests: manifests}
	for _, l := range c.Listeners {
		if l.Enabled {
			x.lenient = kept != nil && kept(l)
			x.listener(l)
		}
	}
	x.lenient = false
	for _, p := range c.Plugins {
		if !p.Enabled {
			continue
		}
		if m := manifests[p.Name]; m != nil {
			x.pluginListeners(p, m)
			x.grants(p, m)
		}
		x.contained(p, manifests[p.Name])
	}
	x.watched()
	x.access()
	x.secrets()
	for _, p := range c.Points {
		x.destinations(p)
		x.point(p)
	}
	for _, t := range c.Templates {
		x.template(t)
	}
	return x.wrong, x.doubtful
}

type crossing struct {
	c               *config.Config
	manifests       map[string]*manifest.Manifest
	wrong, doubtful config.Problems
	lenient         bool // what is wrong is doubtful
}

func (x *crossing) fail(text string, key ...string) {
	if x.lenient {
		x.doubt(text, key...)
		return
	}
	x.wrong = append(x.wrong, x.c.Problem(text, key...))
}

func (x *crossing) doubt(text string, key ...string) {
	x.doubtful = append(x.doubtful, x.c.Problem(text, key...))
}

func (x *crossing) listener(l config.Listener) {
	key := []string{"listeners", l.Name}
	if l.TLS.Cert != "" {
		x.certificate(l.TLS, key)
	}
	if dir := l.Fallback.Files; dir != "" {
		at := append(slices.Clone(key), "fallback", "files")
		switch st, err := os.Stat(dir); {
		case err != nil:
			x.fail(cause(err)+"; name a folder that the user who runs weir can read", at...)
		case !st.IsDir():
			x.fail(dir+" is no folder; name one, or remove fallback", at...)
		}
	}
	used := slices.ContainsFunc(x.c.Plugins, func(p config.Plugin) bool { return p.Enabled && slices.Contains(p.Listeners, l.Name) })
	if !used && l.Fallback == (config.Fallback{}) {
		x.doubt("no enabled plugin takes connections here; name the listener in a plugin's listeners, or set enabled: false", key...)
	}
}

// certificate looks for what would keep TLS from being opened.
func (x *crossing) certificate(t config.TLS, key []string) {
	for _, f := range []struct{ name, path string }{{"cert", t.Cert}, {"key", t.Key}} {
		file, err := os.Open(f.path)
		if err != nil {
			x.fail(cause(err)+"; name a PEM file that the user who runs weir can read", append(slices.Clone(key), "tls", f.name)...)
			return
		}
		file.Close()
	}
	if _, err := tls.LoadX509KeyPair(t.Cert, t.Key); err != nil {
		x.fail(strings.TrimPrefix(err.Error(), "tls: ")+"; name a certificate chain and its own key, both in PEM", append(slices.Clone(key), "tls")...)
	}
}

// cause is a file error as "PATH: what".
func cause(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Path + ": " + p.Err.Error()
	}
	return err.Error()
}

// pluginListeners checks that a plugin can be spoken to where it listens.
func (x *crossing) pluginListeners(p config.Plugin, m *manifest.Manifest) {
	connections := m.Listens.RTSP || len(m.Listens.HTTP)+len(m.Listens.Raw) > 0
	takesTCP := connections || len(m.Documents) > 0
	takesUDP := len(m.Listens.UDP) > 0
	for i, name := range p.Listeners {
		l, _ := x.c.Listener(name)
		key := []string{"plugins", p.Name, "listeners", fmt.Sprint(i)}
		switch {
		case l.UDP && !takesUDP:
			x.fail(fmt.Sprintf("%s listens to no datagrams, and %s is protocol: udp; name another listener", p.Name, name), key...)
		case !l.UDP && !takesTCP && takesUDP:
			x.fail(fmt.Sprintf("%s listens to datagrams alone, and %s is TCP; name a listener with protocol: udp", p.Name, name), key...)
		case !takesTCP && !takesUDP:
			x.doubt(p.Name+" listens to nothing, so no listener has any use; remove it", key...)
		}
	}
	if len(p.Listeners) == 0 && (takesUDP || connections) {
		x.doubt("takes connections, but names no listener; add listeners: ["+strings.Join(listenerNames(x.c), ", ")+"]", "plugins", p.Name)
	}
}

func listenerNames(c *config.Config) (names []string) {
	for _, l := range c.Listeners {
		names = append(names, l.Name)
	}
	return names
}

// grants checks that what is granted is asked for, and that it names something.
func (x *crossing) grants(p config.Plugin, m *manifest.Manifest) {
	g := p.Grant
	for _, c := range []struct {
		key     string
		granted bool
		asked   manifest.Capability
	}{
		{"attach", len(g.Attach) > 0, manifest.CapAttach}, {"publish", len(g.Publish) > 0, manifest.CapPublish},
		{"read", len(g.Read) > 0, manifest.CapRead}, {"dial", len(g.Dial) > 0, manifest.CapDial},
		{"listen", len(g.Listen) > 0, manifest.CapListen}, {"group", len(g.Group) > 0, manifest.CapGroup},
		{"documents", g.Documents, manifest.CapDocuments},
	} {
		if c.granted && !m.Asks(c.asked) {
			x.doubt(p.Name+" does not ask for it, and does not get it; remove it", "plugins", p.Name, "grant", c.key)
		}
	}
	x.patterns(g.Attach, "plugins", p.Name, "grant", "attach")
	x.patterns(g.Publish, "plugins", p.Name, "grant", "publish")
}

// patterns looks for grants that fit no point.
func (x *crossing) patterns(all config.Patterns, key ...string) {
	for i, pattern := range all {
		fits := func(p config.Point) bool { return pattern.Match(p.Name) } // of a template: its pattern
		if !slices.ContainsFunc(x.c.Points, fits) && !slices.ContainsFunc(x.c.Templates, fits) && pattern != "*" {
			x.doubt(fmt.Sprintf("%q fits no point; add the point, or correct the name", string(pattern)), append(slices.Clone(key), fmt.Sprint(i))...)
		}
	}
}

// isPushedTo tells whether encoders can reach a plugin.
func isPushedTo(m *manifest.Manifest) bool {
	return m.Listens.RTSP || len(m.Listens.HTTP)+len(m.Listens.Raw)+len(m.Listens.UDP) > 0
}

// point looks for points that nobody can feed.
func (x *crossing) point(p config.Point) {
	feeds := func(of config.Plugin, m *manifest.Manifest) bool {
		if !of.Enabled || m == nil || !m.Asks(manifest.CapPublish) || !of.Grant.Publish.Match(p.Name) {
			return false
		}
		if p.Push {
			return isPushedTo(m)
		}
		scheme, _, _ := strings.Cut(p.URL, ":")
		return slices.Contains(m.Sources, scheme)
	}
	for _, c := range x.c.Plugins {
		if feeds(c, x.manifests[c.Name]) || c.Enabled && x.manifests[c.Name] == nil {
			return
		}
	}
	if p.Push {
		x.doubt("no enabled plugin that encoders reach may publish it; add it to grant: publish of one", "points", p.Name, "source")
		return
	}
	scheme, _, _ := strings.Cut(p.URL, ":")
	x.doubt("no enabled plugin that starts "+scheme+": sources may publish it; enable one, and add the point to its grant: publish", "points", p.Name, "source", "url")
}
