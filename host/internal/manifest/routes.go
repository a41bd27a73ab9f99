package manifest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Source is one plugin on one listener. Plugin is its configuration key.
type Source struct {
	Plugin   string
	Listener string
	Manifest *Manifest
}

// Match is where a request goes. When nothing takes it, only Allowed may be set.
type Match struct {
	Plugin   string
	Route    string   // the route's name; empty for a document
	Document string   // the announcement format that the path asks for; empty for a route
	Point    string   // empty for a literal path
	Known    bool     // the point is known
	Allowed  []string // without a match: the methods that the path would take, sorted; empty: the path is nobody's
}

// RawTarget is the plugin that takes connections beginning with Pattern, or those that speak RTSP.
type RawTarget struct {
	Plugin  string
	Pattern RawPattern // nothing with RTSP
	RTSP    bool
}

// Table holds the routes of one listener. It is immutable and safe for concurrent use; nil is an empty one.
type Table struct {
	routes []route // most specific first
	raw    []RawTarget
	udp    []RawTarget
}

type route struct {
	plugin, name, document string
	methods                []string
	path                   Path
	agents, types          []string
}

// Compile makes the table of one listener out of the plugins on it. Two plugins that want the same requests are an error that names both.
func Compile(sources []Source) (*Table, error) {
	t := &Table{}
	for _, s := range sources {
		if s.Listener != sources[0].Listener {
			return nil, fmt.Errorf("compile routes: listeners %q and %q in one table", sources[0].Listener, s.Listener)
		}
		for _, h := range s.Manifest.Listens.HTTP {
			r := route{plugin: s.Plugin, name: h.Name, methods: h.Methods, path: h.Path, agents: h.Agents, types: h.Types}
			if err := t.add(s.Listener, r); err != nil {
				return nil, err
			}
		}
		for _, d := range s.Manifest.Documents {
			for _, p := range d.Paths {
				r := route{plugin: s.Plugin, document: d.Format, methods: []string{http.MethodGet, http.MethodHead}, path: p}
				if err := t.add(s.Listener, r); err != nil {
					return nil, err
				}
			}
		}
		for _, p := range s.Manifest.Listens.Raw {
			if err := t.addRaw(s.Listener, RawTarget{Plugin: s.Plugin, Pattern: p}); err != nil {
				return nil, err
			}
		}
		for _, p := range s.Manifest.Listens.UDP {
			if err := t.addUDP(s.Listener, RawTarget{Plugin: s.Plugin, Pattern: p}); err != nil {
				return nil, err
			}
		}
		if s.Manifest.Listens.RTSP {
			if err := t.addRaw(s.Listener, RawTarget{Plugin: s.Plugin, RTSP: true}); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(t.routes, compareRoutes)
	return t, nil
}

func (t *Table) add(listener string, r route) error {
	for _, other := range t.routes {
		if method, ok := other.clashes(r); ok {
			return fmt.Errorf("listener %q: plugin %q and plugin %q both take %s %s%s; leave one of them off this listener",
				listener, other.plugin, r.plugin, method, r.path, agentsText(r.agents)+typesText(r.types))
		}
	}
	t.routes = append(t.routes, r)
	return nil
}

func (t *Table) addRaw(listener string, r RawTarget) error {
	for _, other := range t.raw {
		if other.RTSP && r.RTSP {
			return fmt.Errorf("listener %q: plugin %q and plugin %q both take RTSP connections; leave one of them off this listener",
				listener, other.Plugin, r.Plugin)
		}
		if other.Plugin != r.Plugin && !other.RTSP && !r.RTSP && other.Pattern.clashes(r.Pattern) {
			return fmt.Errorf("listener %q: plugin %q (%v) and plugin %q (%v) both take connections that begin so, and neither pattern is more specific; "+
				"leave one of them off this listener", listener, other.Plugin, other.Pattern, r.Plugin, r.Pattern)
		}
	}
	t.raw = append(t.raw, r)
	return nil
}

func (t *Table) addUDP(listener string, r RawTarget) error {
	for _, other := range t.udp {
		if other.Plugin != r.Plugin && other.Pattern.clashes(r.Pattern) {
			return fmt.Errorf("listener %q: plugin %q (%v) and plugin %q (%v) both take flows of datagrams that begin so, and neither pattern is more specific; "+
				"leave one of them off this listener", listener, other.Plugin, other.Pattern, r.Plugin, r.Pattern)
		}
	}
	t.udp = append(t.udp, r)
	return nil
}

// clashes tells by which method a request could fit both routes with nothing to choose between them.
func (r route) clashes(o route) (method string, ok bool) {
	if r.path != o.path || len(r.agents) == 0 != (len(o.agents) == 0) {
		return "", false
	}
	if len(r.agents) > 0 && !overlap(r.agents, o.agents) {
		return "", false
	}
	if len(r.types) == 0 != (len(o.types) == 0) || len(r.types) > 0 && !overlap(r.types, o.types) {
		return "", false
	}
	for _, m := range r.methods {
		if slices.Contains(o.methods, m) {
			return m, true
		}
	}
	return "", false
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

func agentsText(agents []string) string {
	if len(agents) == 0 {
		return ""
	}
	return fmt.Sprintf(" of agents %q", agents)
}

// compareRoutes orders by specificity: a literal path, then a longer suffix, then a longer prefix, then media types, then agents; at last by name, so that the order
// never depends on the configuration's.
func compareRoutes(a, b route) int {
	return cmp.Or(
		falseFirst(!a.path.Literal(), !b.path.Literal()),
		cmp.Compare(len(b.path.suffix), len(a.path.suffix)),
		cmp.Compare(len(b.path.prefix), len(a.path.prefix)),
		falseFirst(len(a.types) == 0, len(b.types) == 0),
		falseFirst(len(a.agents) == 0, len(b.agents) == 0),
		cmp.Compare(a.plugin, b.plugin),
		cmp.Compare(a.name, b.name),
		cmp.Compare(a.path.String(), b.path.String()),
		slices.Compare(a.agents, b.agents),
		slices.Compare(a.types, b.types),
		slices.Compare(a.methods, b.methods),
	)
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Raw gives the raw patterns of the listener, in the order in which its plugins were given. The caller must not change it.
func (t *Table) Raw() []RawTarget {
	if t == nil {
		return nil
	}
	return t.raw
}

// UDP gives the patterns for flows of datagrams, in the order in which the plugins were given. The caller must not change it.
func (t *Table) UDP() []RawTarget {
	if t == nil {
		return nil
	}
	return t.udp
}

// Match finds who takes a request with this decoded path. Among the routes that fit, a literal one wins; otherwise the most specific whose point is
// known; otherwise the most specific. So "/news.asx" is the announcement of "news", unless only a point "news.asx" exists.
// known may be nil: then no point is.
func (t *Table) Match(method, path, userAgent string, known func(point string) bool) (Match, bool) {
	return t.MatchTyped(method, path, userAgent, "", known)
}

// MatchTyped is Match for a request with a Content-Type, parameters and all.
func (t *Table) MatchTyped(method, path, userAgent, contentType string, known func(point string) bool) (Match, bool) {
	if t == nil {
		return Match{}, false
	}
	var first Match
	var allowed []string
	found := false
	for i := range t.routes {
		r := &t.routes[i]
		point, ok := r.path.Match(path)
		if !ok || !r.takesAgent(userAgent) || !r.takesType(contentType) {
			continue
		}
		if !slices.Contains(r.methods, method) {
			allowed = append(allowed, r.methods...)
			continue
		}
		m := Match{Plugin: r.plugin, Route: r.name, Document: r.document, Point: point}
		m.Known = point != "" && known != nil && known(point)
		if m.Known || r.path.Literal() {
			return m, true
		}
		if !found {
			first, found = m, true
		}
	}
	if found {
		return first, true
	}
	slices.Sort(allowed)
	return Match{Allowed: slices.Compact(allowed)}, false
}

func (r *route) takesAgent(userAgent string) bool {
	return len(r.agents) == 0 || slices.ContainsFunc(r.agents, func(a string) bool { return strings.Contains(userAgent, a) })
}

func (r *route) takesType(contentType string) bool {
	if len(r.types) == 0 {
		return true
	}
	media, _, _ := strings.Cut(contentType, ";") // RFC 9110 8.3.1
	return slices.Contains(r.types, strings.ToLower(strings.TrimSpace(media)))
}

func typesText(types []string) string {
	if len(types) == 0 {
		return ""
	}
	return fmt.Sprintf(" of types %q", types)
}
