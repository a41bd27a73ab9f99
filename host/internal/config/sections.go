package config

import (
	"cmp"
	"encoding/hex"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/weir-media/weir/host/internal/spelling"
)

// nameText is what plugins and listeners may be called: the name is also a metric label and part of a variable's name.
var nameText = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

const nameRule = "%q is not a name; write a lower-case letter, then letters, digits and '-', at most 32"

func (l *loader) config(c *Config, top at) {
	c.Admin = l.admin(top.key("admin"), c.Dir)
	c.Metrics = top.key("metrics").key("address").addrPort()
	c.StateDir = resolve(c.Dir, top.key("state_dir").text())
	c.CacheDir = resolve(c.Dir, top.key("cache_dir").text())
	c.Watch = top.key("watch").bool(false)
	for _, a := range top.key("listeners").children() {
		c.Listeners = append(c.Listeners, l.listener(a, c.Dir))
	}
	for _, a := range top.key("plugins").children() {
		c.Plugins = append(c.Plugins, l.plugin(a, c))
	}
	for _, a := range top.key("points").children() {
		c.Points = append(c.Points, l.point(a, c.Dir))
	}
	for _, a := range top.key("templates").children() {
		c.Templates = append(c.Templates, l.template(a))
	}
	c.Access = l.access(top.key("access"), c.Dir)
	c.Limits = Limits{Viewers: top.key("limits").key("viewers").count(maxViewers), Rates: l.rates(top.key("limits"))}
	c.Log = l.sessionLog(top.key("log"), c.Dir)
	c.Webhooks = l.webhooks(top.key("webhooks"), c.Dir)
	l.overlaps(c)
	l.sentTwice(top, c)
}

func (l *loader) admin(a at, dir string) Admin {
	socket, address, token := a.key("socket"), a.key("address"), a.key("token_file")
	admin := Admin{Address: address.addrPort(), TokenFile: resolve(dir, token.text())}
	switch {
	case socket.present() && address.present():
		address.fail("stands beside socket; keep one of them")
	case address.present() && token.text() == "":
		address.fail("the admin API on TCP needs a token; add token_file: PATH, or write socket: %s instead", DefaultSocket)
	case token.present() && !address.present():
		token.fail("stands without address; a socket is guarded by its mode 0600, so remove it")
	}
	if address.present() {
		return admin
	}
	path := DefaultSocket
	if socket.present() {
		path = socket.text()
	}
	admin.Socket = resolve(dir, path)
	if path == "" || len(admin.Socket) > maxSocketBytes || strings.ContainsRune(path, 0) {
		socket.fail("%q cannot be a socket's path; write one of 1 to %d bytes, such as %s", admin.Socket, maxSocketBytes, DefaultSocket)
	}
	return admin
}

func (l *loader) plugin(a at, c *Config) Plugin {
	p := Plugin{Name: a.name(), Enabled: a.key("enabled").bool(true)}
	if !nameText.MatchString(p.Name) {
		a.fail(nameRule, p.Name)
	}
	l.code(&p, a, c.Dir)
	for _, item := range a.key("listeners").items() {
		name := item.text()
		if _, ok := c.Listener(name); !ok {
			item.fail("there is no listener %q; add it under listeners, or choose another (%s)", name, spelling.Nearest(name, listenerNames(c)))
		}
		if slices.Contains(p.Listeners, name) {
			item.fail("%q stands twice; keep one", name)
		}
		p.Listeners = append(p.Listeners, name)
	}
	grant := a.key("grant")
	p.Grant = Grant{
		Attach:    grant.key("attach").patterns(),
		Publish:   grant.key("publish").patterns(),
		Read:      grant.key("read").patterns(),
		Documents: grant.key("documents").bool(false),
	}
	p.Grant.Dial = grant.key("dial").dials(ParseDial)
	p.Grant.Listen = grant.key("listen").dials(ParseListen)
	p.Grant.Group = grant.key("group").dials(ParseGroup)
	l.running(&p, a)
	p.Config, _ = a.key("config").value.(map[string]any)
	return p
}

func listenerNames(c *Config) (names []string) {
	for _, l := range c.Listeners {
		names = append(names, l.Name)
	}
	return names
}

// code reads where the plugin's code is.
func (l *loader) code(p *Plugin, a at, dir string) {
	module, exec := a.key("module"), a.key("exec")
	name, isBuiltin := strings.CutPrefix(module.text(), "builtin:")
	switch {
	case module.present() && exec.present():
		exec.fail("stands beside module; keep one of them")
	case isBuiltin && !nameText.MatchString(name):
		module.fail(nameRule, name)
	case isBuiltin:
		p.Builtin = name
	case module.text() != "":
		p.Module = resolve(dir, module.text())
	case exec.text() != "":
		p.Exec = resolve(dir, exec.text())
	default:
		a.fail("names no code; write module: \"builtin:NAME\", module: ./FILE.wasm or exec: ./FILE")
	}
	hash := a.key("sha256")
	if !hash.present() {
		return
	}
	p.SHA256 = strings.ToLower(hash.text())
	switch b, err := hex.DecodeString(p.SHA256); {
	case isBuiltin:
		hash.fail("a built-in plugin is part of the binary and has no hash of its own; remove it")
	case err != nil || len(b) != 32:
		hash.fail("%q is not a SHA-256; write the 64 hexadecimal digits that sha256sum prints, in quotes", hash.text())
	}
}

func (l *loader) point(a at, dir string) Point {
	p := l.settings(a)
	if what := wrongWithPointName(p.Name); what != "" {
		a.fail("the name %s; choose one such as live or sports/news", what)
	}
	l.source(&p, a.key("source"))
	p.Archive = l.archive(a.key("archive"), dir)
	p.Multicast = l.multicast(a.key("multicast"))
	if p.Demand > 0 && p.Archive.File != "" {
		a.key("source").key("start").fail("demand stands beside archive, which is kept whether anybody watches or not; remove one of them")
	}
	if p.Demand > 0 && len(p.Multicast) > 0 {
		a.key("source").key("start").fail("demand stands beside multicast, which is sent whether anybody watches or not; remove one of them")
	}
	return p
}

// settings reads what points and templates have in common.
func (l *loader) settings(a at) Point {
	p := Point{
		Name:        a.name(),
		Enabled:     a.key("enabled").bool(true),
		Buffer:      a.key("buffer").duration(DefaultBuffer, minBuffer, maxBuffer),
		Grace:       a.key("grace").duration(DefaultGrace, minGrace, maxGrace),
		Viewers:     a.key("limits").key("viewers").count(maxViewers),
		Rates:       l.rates(a.key("limits")),
		BufferBytes: cmp.Or(a.key("limits").key("buffer").size(minBufferBytes, maxBufferBytes), DefaultBufferBytes),
		OnLag:       LagSkip,
		MaxLag:      a.key("max_lag").duration(DefaultMaxLag, minMaxLag, maxMaxLag),
		Latency:     a.key("latency").duration(DefaultLatency, minLatency, maxLatency),

		BurstRate: a.key("burst_rate").multiple(minBurstRate, maxBurstRate),
	}
	if rule := a.key("on_lag"); rule.present() {
		p.OnLag = OnLag(rule.text())
		if p.OnLag != LagSkip && p.OnLag != LagDrop {
			rule.fail("%q is unknown; write skip (jump to the newest key packet) or drop (close the connection)", rule.text())
		}
	}
	p.About = l.about(a.key("about"))
	return p
}

func (l *loader) source(p *Point, source at) {
	const remedy = "write source: push for an encoder that connects, or source: {url: \"file:media/demo.asf\"}"
	if _, isMapping := source.value.(map[string]any); !isMapping {
		p.Push = source.text() == "push"
		switch {
		case !source.present():
			source.fail("is missing; %s", remedy)
		case !p.Push:
			source.fail("%q is unknown; %s", source.text(), remedy)
		}
		return
	}
	address := source.key("url")
	p.URL = address.text()
	u, err := url.Parse(p.URL)
	switch {
	case p.URL == "":
		source.fail("has no url; %s", remedy)
	case err != nil || u.Scheme == "" || u.Host == "" && u.Path == "" && u.Opaque == "":
		address.fail("%q is not a URL with a scheme; write for example \"http://encoder:8080\" or \"file:media/demo.asf\"%s", masked(p.URL), maskedHint(p.URL))
	}
	l.start(p, source)
}

// wrongWithPointName completes "the name …"; empty if nothing is. The route table cuts names out of requests by the same rule.
func wrongWithPointName(s string) string {
	switch {
	case s == "":
		return "is empty"
	case strings.HasPrefix(s, "/") || strings.HasSuffix(s, "/"):
		return "begins or ends with '/'"
	case strings.Contains(s, ".."):
		return "holds '..'"
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return "holds a control character"
	}
	return ""
}
