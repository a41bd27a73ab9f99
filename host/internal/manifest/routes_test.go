package manifest

import (
	"slices"
	"strings"
	"testing"
)

func TestPathMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, path, point string
		ok                   bool
	}{
		{"/{point}", "/live/news.asf", "live/news.asf", true},
		{"/{point}", "/", "", false},
		{"/{point}", "//a", "", false},
		{"/{point}", "/a/", "", false},
		{"/{point}", "/../a", "", false},
		{"/{point}", "/a\x00", "", false},
		{"/{point}.ts", "/a.ts", "a", true},
		{"/{point}.ts", "/.ts", "", false},
		{"/{point}.ts", "/a/.ts", "a/", false},
		{"/x/{point}/y", "/x/a/b/y", "a/b", true},
		{"/x/{point}/y", "/x/y", "", false},
		{"/hello", "/hello", "", true},
		{"/hello", "/hello/", "", false},
	} {
		point, ok := MustPath(c.pattern).Match(c.path)
		if ok != c.ok || ok && point != c.point {
			t.Errorf("%s on %s: %q %v", c.pattern, c.path, point, ok)
		}
		if ok && MustPath(c.pattern).Expand(point) != c.path {
			t.Errorf("%s: Expand gives %q", c.pattern, MustPath(c.pattern).Expand(point))
		}
	}
	if _, ok := (Path{}).Match(""); ok {
		t.Error("the zero path matches")
	}
}

func TestParsePathRefuses(t *testing.T) {
	for _, s := range []string{"", "a", "/{point}/{point}", "/{name}", "/a}", "/a?b", "/a#b", "/*", "/a b", "/\x7f", "/../a", "/pre{point}", "/\xff", "/" + strings.Repeat("a", 600)} {
		if p, err := ParsePath(s); err == nil {
			t.Errorf("%q: accepted as %v", s, p)
		}
	}
}

func routesOf(t *testing.T, name, rest string) Source {
	t.Helper()
	return Source{name, "web", parsedOK(t, "name: "+name+"\nversion: 1.0.0\nabi: \"1.0\"\nroles: [control, announce]\n"+rest)}
}

func shipped(t *testing.T) *Table {
	t.Helper()
	table, err := Compile([]Source{
		routesOf(t, "http", `listens: {http: [{name: play, methods: [GET, HEAD], path: "/{point}"}, {name: ts, methods: [GET, HEAD], path: "/{point}.ts"}]}`),
		routesOf(t, "push", `listens: {http: [{name: push, methods: [POST, PUT, SOURCE], path: "/{point}"}], raw: [{name: r, hex: "ff"}]}`),
		routesOf(t, "wmsp", `listens: {http: [{name: play, methods: [GET, POST], path: "/{point}", agents: ["NSPlayer/", "WMFSDK"]}]}`),
		routesOf(t, "asx", `documents: [{format: asx, type: video/x-ms-asf}]`),
		routesOf(t, "hello", `listens: {http: [{name: hello, methods: [GET], path: /hello}, {name: x, methods: [GET], path: "/x/{point}"}]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestMatch(t *testing.T) {
	table := shipped(t)
	points := []string{"demo", "odd.asx", "both", "both.ts", "x/known", "hello"}
	known := func(p string) bool { return slices.Contains(points, p) }
	for _, c := range []struct{ method, path, agent, want string }{
		{"GET", "/demo", "VLC/3", "http play demo known"},
		{"GET", "/demo", "NSPlayer/12.0", "wmsp play demo known"},
		{"POST", "/demo", "NSPlayer/12.0", "wmsp play demo known"},
		{"POST", "/demo", "Lavf/59", "push push demo known"},
		{"SOURCE", "/new", "", "push push new"},
		{"GET", "/demo.ts", "", "http ts demo known"},
		{"GET", "/demo.asx", "NSPlayer/12.0", "asx asx demo known"},
		{"HEAD", "/demo.asx", "", "asx asx demo known"},
		{"GET", "/odd.asx", "", "http play odd.asx known"},
		{"GET", "/odd.asx", "WMFSDK/9", "wmsp play odd.asx known"},
		{"GET", "/odd.asx.asx", "", "asx asx odd.asx known"},
		{"GET", "/both.ts", "", "http ts both known"},
		{"GET", "/nobody.asx", "", "asx asx nobody"},
		{"GET", "/nobody", "", "http play nobody"},
		{"GET", "/hello", "", "hello hello "},
		{"GET", "/x/known", "", "http play x/known known"},
		{"GET", "/x/demo", "", "hello x demo known"},
		{"GET", "/x/none", "", "hello x none"},
		{"DELETE", "/demo", "", "405 GET HEAD POST PUT SOURCE"},
		{"GET", "/", "", "404"},
	} {
		m, ok := table.Match(c.method, c.path, c.agent, known)
		got := strings.Join([]string{m.Plugin, m.Route + m.Document, m.Point}, " ")
		if m.Known {
			got += " known"
		}
		switch {
		case !ok && len(m.Allowed) > 0:
			got = "405 " + strings.Join(m.Allowed, " ")
		case !ok:
			got = "404"
		}
		if got != c.want {
			t.Errorf("%s %s by %q: got %q, want %q", c.method, c.path, c.agent, got, c.want)
		}
	}
	if raw := table.Raw(); len(raw) != 1 || raw[0].Plugin != "push" {
		t.Errorf("raw: %v", raw)
	}
	if m, ok := table.Match("GET", "/demo", "", nil); !ok || m.Known {
		t.Errorf("nil known: %v %v", m, ok)
	}
	var none *Table
	if _, ok := none.Match("GET", "/", "", nil); ok || none.Raw() != nil {
		t.Error("a nil table matches")
	}
}

func TestCompileClashes(t *testing.T) {
	get := `listens: {http: [{name: a, methods: [GET, PUT], path: "/{point}"}]}`
	put := `listens: {http: [{name: b, methods: [PUT], path: "/{point}"}]}`
	agentA := `listens: {http: [{name: a, methods: [GET], path: "/{point}", agents: [X, Y]}]}`
	agentB := `listens: {http: [{name: b, methods: [GET], path: "/{point}", agents: [Y]}]}`
	asx := `documents: [{format: asx, type: a/b}]`
	raw := `listens: {raw: [{name: a, hex: "0102"}]}`
	masked := `listens: {raw: [{name: a, hex: "0102", mask: ffff}]}`
	half := `listens: {raw: [{name: a, hex: "010203", mask: 0fff0f}]}`
	longer := `listens: {raw: [{name: a, hex: "010203"}]}`
	elsewhere := `listens: {raw: [{name: a, offset: 7, hex: "0607"}]}`
	differs := `listens: {raw: [{name: a, hex: "0103"}]}`
	rtsp := `listens: {rtsp: true}`
	flow := `listens: {udp: [{name: a, hex: "47"}]}`
	anyFlow := `listens: {udp: [{name: a}]}`
	for _, c := range []struct{ one, two, want string }{
		{get, put, `listener "web": plugin "one" and plugin "two" both take PUT /{point}; leave`},
		{agentA, agentB, `both take GET /{point} of agents ["Y"]`},
		{get, agentB, ""},
		{asx, asx, "both take GET /{point}.asx"},
		{raw, raw, `plugin "one" (01 02 at offset 0) and plugin "two" (01 02 at offset 0) both take connections that begin so`},
		{raw, masked, "01 02 at offset 0 under mask ff ff"},
		{raw, half, "neither pattern is more specific"},
		{raw, longer, ""},
		{raw, elsewhere, "06 07 at offset 7"},
		{raw, differs, ""},
		{raw, rtsp, ""},
		{flow, flow, `plugin "one" (47 at offset 0) and plugin "two" (47 at offset 0) both take flows of datagrams that begin so`},
		{anyFlow, anyFlow, `plugin "one" (anything) and plugin "two" (anything) both take flows of datagrams`},
		{flow, anyFlow, ""},
		{flow, `listens: {raw: [{name: a, hex: "47"}]}`, ""},
		{rtsp, rtsp, `plugin "one" and plugin "two" both take RTSP connections`},
		{put, asx, ""},
	} {
		_, err := Compile([]Source{routesOf(t, "one", c.one), routesOf(t, "two", c.two)})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
	other := routesOf(t, "two", put)
	other.Listener = "rtsp"
	if _, err := Compile([]Source{routesOf(t, "one", get), other}); err == nil {
		t.Error("two listeners in one table")
	}
	if table, err := Compile(nil); err != nil || table == nil {
		t.Errorf("empty: %v %v", table, err)
	}
}

func FuzzPath(f *testing.F) {
	f.Add("/{point}.ts", "/a.ts")
	f.Add("/x/{point}/y", "/x//y")
	f.Add("/{point}{point}", "/")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		p, err := ParsePath(pattern)
		if err != nil {
			return
		}
		if p.String() != pattern {
			t.Fatalf("%q becomes %q", pattern, p)
		}
		point, ok := p.Match(path)
		if !ok {
			return
		}
		if p.Expand(point) != path {
			t.Fatalf("%q on %q: point %q expands to %q", pattern, path, point, p.Expand(point))
		}
		if !p.Literal() && CheckPointName(point) != nil {
			t.Fatalf("%q on %q: bad point %q", pattern, path, point)
		}
	})
}

// FuzzTableMatch: what a table gives out fits the request, and names a point that may be one.
func FuzzTableMatch(f *testing.F) {
	for _, p := range []string{"/demo", "/demo.asx", "/../demo", "/x/a/b", "//", "/\x00", "/odd.asx.asx", "*", ""} {
		f.Add("GET", p, "NSPlayer/12.0")
	}
	f.Add("SOURCE", "/new", "")
	table, err := Compile([]Source{
		parsedSource(f, "http", `listens: {http: [{name: play, methods: [GET, HEAD], path: "/{point}"}, {name: ts, methods: [GET], path: "/{point}.ts"}]}`),
		parsedSource(f, "wmsp", `listens: {http: [{name: play, methods: [GET, POST], path: "/{point}", agents: ["NSPlayer/"]}]}`),
		parsedSource(f, "asx", `documents: [{format: asx, type: video/x-ms-asf}]`),
		parsedSource(f, "hello", `listens: {http: [{name: hello, methods: [GET], path: /hello}, {name: x, methods: [GET], path: "/x/{point}/y"}]}`),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, path, agent string) {
		known := func(p string) bool { return len(p)%2 == 0 }
		m, ok := table.Match(method, path, agent, known)
		switch {
		case !ok && m.Plugin != "" || ok && len(m.Allowed) > 0:
			t.Fatalf("%v %+v", ok, m)
		case !ok && slices.Contains(m.Allowed, method):
			t.Fatalf("%s is refused and allowed: %+v", method, m)
		case m.Point != "" && (CheckPointName(m.Point) != nil || !strings.Contains(path, m.Point)):
			t.Fatalf("%q names %q", path, m.Point)
		case ok && m.Known != (m.Point != "" && known(m.Point)):
			t.Fatalf("%+v", m)
		}
		if again, _ := table.Match(method, path, agent, known); again.Plugin != m.Plugin || again.Point != m.Point || again.Route != m.Route {
			t.Fatalf("%+v, then %+v", m, again)
		}
	})
}

func parsedSource(t testing.TB, name, rest string) Source {
	t.Helper()
	m, err := Parse([]byte("name: " + name + "\nversion: 1.0.0\nabi: \"1.0\"\nroles: [control, announce]\n" + rest))
	if err != nil {
		t.Fatal(err)
	}
	return Source{name, "web", m}
}

// TestMatchTypes: a route for media types takes what they say, and leaves the rest to the
// route without.
func TestMatchTypes(t *testing.T) {
	table, err := Compile([]Source{
		routesOf(t, "push", `listens: {http: [{name: push, methods: [POST], path: "/{point}"}]}`),
		routesOf(t, "wmpush", `listens: {http: [{name: push, methods: [POST], path: "/{point}", types: [application/x-wms-pushsetup, application/x-wms-pushstart]}]}`),
		routesOf(t, "wmsp", `listens: {http: [{name: play, methods: [POST], path: "/{point}", agents: ["NSPlayer/"]}]}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ kind, agent, want string }{
		{"", "", "push"}, {"video/mp2t", "", "push"}, {"application/x-wms-pushstart", "", "wmpush"}, {"Application/X-WMS-PushSetup ; a=b", "", "wmpush"},
		{"application/x-wms-pushstart", "NSPlayer/9", "wmpush"}, {"application/x-wms-logstats", "NSPlayer/9", "wmsp"}, {"application/x-wms-pushstartx", "", "push"},
	} {
		if m, ok := table.MatchTyped("POST", "/live", c.agent, c.kind, nil); !ok || m.Plugin != c.want {
			t.Errorf("%q by %q goes to %q, want %q", c.kind, c.agent, m.Plugin, c.want)
		}
	}
	only := `listens: {http: [{name: push, methods: [POST], path: "/{point}", types: [a/b, c/d]}]}`
	other := `listens: {http: [{name: push, methods: [POST], path: "/{point}", types: [c/d]}]}`
	if _, err := Compile([]Source{routesOf(t, "one", only), routesOf(t, "two", other)}); err == nil || !strings.Contains(err.Error(), `of types ["c/d"]`) {
		t.Errorf("two plugins for one media type: %v", err)
	}
	for _, bad := range []string{"A/b", "a", "a/b; c=d", "\"\""} {
		text := manifestText("name: one\nversion: 1.0.0\nabi: \"1.0\"\nroles: [control]\n" + `listens: {http: [{name: push, methods: [POST], path: "/{point}", types: [` + bad + `]}]}`)
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), "media type") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func manifestText(s string) []byte { return []byte(s) }
