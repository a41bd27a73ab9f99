package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const whole = `admin: {address: "127.0.0.1:7070", token_file: admin.token}
metrics: {address: "127.0.0.1:9090"}
state_dir: state
cache_dir: /var/cache/weir
listeners:
  web: {address: "0.0.0.0:8080"}
  six: {addresses: [192.0.2.10, "::1"], port: 80}
  off: {address: ":8554", enabled: false}
plugins:
  wmsp: {module: "builtin:wmsp", listeners: [web, six], grant: {attach: ["*"]}}
  mine:
    module: ./mine.wasm
    sha256: "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef"
    listeners: [web]
    grant:
      attach: ["live/*"]
      publish: [live]
      dial: ["tcp:10.0.0.0/8:1-65535", "udp:*.example.com:*"]
      read: ["media/*"]
      documents: true
    limits: {memory: 32MiB, event: 5ms}
    config: {burst: 3, deep: {a-b: [1, two]}, 8: x}
  ext: {exec: /opt/ext, enabled: false}
points:
  demo: {source: {url: "file:media/demo.asf"}}
  live.asx: {source: push, buffer: 10s, grace: 0s, limits: {viewers: 1000, buffer: 8MiB}, on_lag: drop, max_lag: 5s, latency: 5ms, burst_rate: 1.5}
`

func parse(text string, environ ...string) (*Config, error) {
	return Options{}.Parse("plugins.yaml", "etc", []byte(text), environ)
}

func parsed(t *testing.T, text string, environ ...string) *Config {
	t.Helper()
	c, err := parse(text, environ...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhole(t *testing.T) {
	c := parsed(t, whole)
	c.origins = origins{}
	port := netip.MustParseAddrPort
	want := &Config{
		File: "plugins.yaml", Dir: "etc",
		Admin:    Admin{Address: port("127.0.0.1:7070"), TokenFile: "etc/admin.token"},
		Metrics:  port("127.0.0.1:9090"),
		StateDir: "etc/state", CacheDir: "/var/cache/weir",
		Listeners: []Listener{
			{Name: "off", Steer: SteerAuto, Addresses: []netip.AddrPort{port("0.0.0.0:8554")}},
			{Name: "six", Enabled: true, Steer: SteerAuto, Addresses: []netip.AddrPort{port("192.0.2.10:80"), port("[::1]:80")}},
			{Name: "web", Enabled: true, Steer: SteerAuto, Addresses: []netip.AddrPort{port("0.0.0.0:8080")}},
		},
		Plugins: []Plugin{
			{Name: "ext", Exec: "/opt/ext", Instances: 1, Drain: DefaultDrain},
			{
				Name: "mine", Enabled: true, Instances: 1, Drain: DefaultDrain, Module: "etc/mine.wasm", Listeners: []string{"web"},
				SHA256: "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
				Grant: Grant{
					Attach: Patterns{"live/*"}, Publish: Patterns{"live"}, Read: Patterns{"media/*"}, Documents: true,
					Dial: []Dial{{"tcp", netip.MustParsePrefix("10.0.0.0/8"), "", 1, 65535}, {"udp", netip.Prefix{}, "*.example.com", 1, 65535}},
				},
				Limits: PluginLimits{Memory: 32 << 20, Event: 5 * time.Millisecond},
				Config: map[string]any{"burst": 3, "deep": map[string]any{"a-b": []any{1, "two"}}, "8": "x"},
			},
			{Name: "wmsp", Enabled: true, Instances: 1, Drain: DefaultDrain, Builtin: "wmsp", Listeners: []string{"web", "six"}, Grant: Grant{Attach: Patterns{"*"}}},
		},
		Points: []Point{
			{
				Name: "demo", Enabled: true, URL: "file:media/demo.asf", Buffer: 30 * time.Second, BufferBytes: DefaultBufferBytes, Grace: 30 * time.Second,
				OnLag: LagSkip, MaxLag: 10 * time.Second, Latency: 40 * time.Millisecond,
			},
			{
				Name: "live.asx", Enabled: true, Push: true, Buffer: 10 * time.Second, BufferBytes: 8 << 20, Viewers: 1000,
				OnLag: LagDrop, MaxLag: 5 * time.Second, Latency: 5 * time.Millisecond, BurstRate: 1.5,
			},
		},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
	if p, ok := c.Point("demo"); !ok || p.Name != "demo" {
		t.Error("no point demo")
	}
	if _, ok := c.Plugin("none"); ok {
		t.Error("a plugin none")
	}
	if l, ok := c.Listener("six"); !ok || len(l.Addresses) != 2 {
		t.Error("no listener six")
	}
	if c.Path("a/b") != "etc/a/b" || c.Path("/a") != "/a" || c.Path("") != "" {
		t.Error("Path is wrong")
	}
}

func TestSmallest(t *testing.T) {
	c := parsed(t, "points:\n")
	if c.Admin.Socket != "etc/weir.sock" || c.Metrics.IsValid() || len(c.Points) != 0 {
		t.Errorf("%+v", c)
	}
}

const web = "listeners: {web: {address: ':80'}}\n"

var problemCases = []struct{ name, text, want string }{
	{"empty", "# nothing\n", "plugins.yaml: is empty; write listeners"},
	{"yaml", "a:\n  b: [\n", "plugins.yaml:2: did not find"},
	{"not a mapping", "- a", "plugins.yaml:1: is not a mapping"},
	{"two documents", "points:\n---\npoints:\n", "has a second document"},
	{"alias", "points: &p\nplugins: *p", "plugins.yaml:1: points: anchors and aliases are not read"},
	{"merge", "points:\n  <<: {a: b}", "plugins.yaml:2: points: has a key that is no plain word"},
	{"twice", "points:\npoints:\n", "plugins.yaml:2: points: stands twice; keep one"},
	{"control", "points:\n  \"a\\x1fb\": {source: push}", `plugins.yaml:2: points."a\x1fb": holds a control character`},
	{"unknown", "pionts:\n", `plugins.yaml:1: pionts: unknown key; did you mean "points"?`},
	{"unknown below", "points:\n  live:\n    source: push\n    bufer: 3s", `plugins.yaml:4: points.live.bufer: unknown key; did you mean "buffer"?`},
	{"unknown far", "admin: {colour: red}", "plugins.yaml:1: admin.colour: unknown key; known here: address, socket, token_file"},
	{"kind scalar", "state_dir: [a]", "state_dir: is not one plain value"},
	{"kind list", "plugins: {a: {listeners: web}}", "plugins.a.listeners: is not a list; write [one, two]"},
	{"kind list of", "plugins: {a: {listeners: [[a]]}}", "plugins.a.listeners.0: is not one plain value"},
	{"kind mapping", "plugins: {a: builtin}", "plugins.a: is not a mapping"},
	{"kind names", "plugins: [a]", "plugins: is not a mapping"},
	{"kind config", "plugins: {a: {config: 3}}", "plugins.a.config: is not a mapping"},
	{"kind source", "points: {a: {source: [push]}}", "points.a.source: is not a mapping"},
	{"admin both", "admin: {socket: a, address: ':1'}", "admin.address: stands beside socket; keep one"},
	{"admin token", "admin: {address: ':1'}", "admin.address: the admin API on TCP needs a token; add token_file"},
	{"admin token alone", "admin: {token_file: x}", "admin.token_file: stands without address"},
	{"admin long", "admin: {socket: " + strings.Repeat("a", 108) + "}", "cannot be a socket's path; write one of 1 to 107 bytes"},
	{"listener none", "listeners:\n  web: {}", "plugins.yaml:2: listeners.web: has no address; write address"},
	{"listener no port", "listeners: {web: {addresses: [127.0.0.1]}}", "listeners.web.addresses: stand without a port"},
	{"listener both", "listeners: {web: {address: ':1', port: 2}}", "listeners.web.address: stands beside addresses, port or ports"},
	{"listener name", "listeners: {Web: {address: ':1'}}", `listeners.Web: "Web" is not a name; write a lower-case letter`},
	{"address text", "listeners: {web: {address: 8080}}", `listeners.web.address: "8080" is not ADDRESS:PORT; write for example`},
	{"address host", "listeners: {web: {address: 'localhost:80'}}", `"localhost" is not an IP address; names are not looked up`},
	{"port zero", "listeners: {web: {address: ':0'}}", `port "0" is not 1 to 65535`},
	{"port big", "listeners: {web: {addresses: [127.0.0.1], port: 65536}}", `listeners.web.port: port "65536" is not 1 to 65535`},
	{"overlap", "listeners:\n  a: {address: ':80'}\n  b: {address: '127.0.0.1:80'}", "plugins.yaml:3: listeners.b: 127.0.0.1:80 is already taken by listeners.a (0.0.0.0:80); choose another port"},
	{"overlap metrics", "metrics: {address: ':80'}\n" + web, "plugins.yaml:2: listeners.web: 0.0.0.0:80 is already taken by metrics.address"},
	{"enabled", "listeners: {web: {address: ':80', enabled: yess}}", `listeners.web.enabled: "yess" is neither true nor false`},
	{"plugin none", "plugins: {a: {}}", "plugins.a: names no code; write module"},
	{"plugin both", "plugins: {a: {module: b, exec: c}}", "plugins.a.exec: stands beside module"},
	{"plugin name", "plugins: {a_b: {module: b}}", `plugins.a_b: "a_b" is not a name`},
	{"builtin", "plugins: {a: {module: 'builtin:'}}", `plugins.a.module: "" is not a name`},
	{"hash", "plugins: {a: {module: b, sha256: abc}}", `plugins.a.sha256: "abc" is not a SHA-256; write the 64`},
	{"hash builtin", "plugins: {a: {module: 'builtin:a', sha256: abc}}", "has no hash of its own; remove it"},
	{"listener unknown", web + "plugins:\n  a:\n    module: b\n    listeners:\n    - web\n    - wbe", `plugins.yaml:7: plugins.a.listeners.1: there is no listener "wbe"; add it under listeners, or choose another (did you mean "web"?)`},
	{"listener twice", web + "plugins: {a: {module: b, listeners: [web, web]}}", `plugins.a.listeners.1: "web" stands twice`},
	{"grant", "plugins: {a: {module: b, grant: {attach: ['../x']}}}", `plugins.a.grant.attach.0: "../x" holds '..'`},
	{"grant empty", "plugins: {a: {module: b, grant: {read: ['']}}}", `plugins.a.grant.read.0: the pattern is empty`},
	{"dial", "plugins: {a: {module: b, grant: {dial: ['10.0.0.0/8']}}}", `plugins.a.grant.dial.0: "10.0.0.0/8": the network is neither tcp nor udp; write NETWORK:HOST:PORTS`},
	{"memory", "plugins: {a: {module: b, limits: {memory: 32MB}}}", `plugins.a.limits.memory: "32MB" is not a size`},
	{"memory low", "plugins: {a: {module: b, limits: {memory: 32}}}", `plugins.a.limits.memory: 32 is out of range; choose 64KiB to 4GiB`},
	{"event", "plugins: {a: {module: b, limits: {event: 1m}}}", "plugins.a.limits.event: 1m0s is out of range; choose 100µs to 10s"},
	{"source", "points:\n  a.b: {}", `plugins.yaml:2: points."a.b".source: is missing; write source: push`},
	{"source word", "points: {a: {source: pull}}", `points.a.source: "pull" is unknown; write source: push`},
	{"source url", "points: {a: {source: {url: demo.asf}}}", `points.a.source.url: "demo.asf" is not a URL with a scheme`},
	{"source empty", "points: {a: {source: {}}}", "points.a.source: has no url"},
	{"point slash", "points: {/a: {source: push}}", "points./a: the name begins or ends with '/'; choose one such as"},
	{"point dots", "points: {a/../b: {source: push}}", "the name holds '..'"},
	{"point empty", "points: {'': {source: push}}", `points."": the name is empty`},
	{"buffer", "points: {a: {source: push, buffer: 30}}", `points.a.buffer: "30" is not a duration; write a number with its unit`},
	{"latency", "points: {a: {source: push, latency: 4ms}}", "points.a.latency: 4ms is out of range; choose 5ms to 200ms"},
	{"burst_rate", "points: {a: {source: push, burst_rate: 1}}", `points.a.burst_rate: "1" is not a number from 1.1 to 100; write one, as in 2`},
	{"burst_rate none", "points: {a: {source: push, burst_rate: NaN}}", `points.a.burst_rate: "NaN" is not a number from 1.1`},
	{"on_lag", "points: {a: {source: push, on_lag: wait}}", `points.a.on_lag: "wait" is unknown; write skip`},
	{"buffer of few bytes", "points: {a: {source: push, limits: {buffer: 100KiB}}}", `points.a.limits.buffer: 100KiB is out of range; choose 1MiB to 64GiB`},
	{"viewers", "points: {a: {source: push, limits: {viewers: 0}}}", `points.a.limits.viewers: "0" is not a whole number from 1`},
	{"deep", "plugins: {a: {module: b, config: " + strings.Repeat("{x: ", 9000) + "1" + strings.Repeat("}", 9000) + "}}", "is more than 32 levels deep; flatten it"},
	{"large", "#" + strings.Repeat(" ", maxFileBytes), "plugins.yaml: has more than 4194304 bytes"},
}

func TestProblems(t *testing.T) {
	for _, c := range problemCases {
		t.Run(c.name, func(t *testing.T) {
			got, err := parse(c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) || got != nil {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestAllProblemsInOrder(t *testing.T) {
	_, err := parse("points:\n  b: {source: x}\n  a: {source: y}\nlisteners:\n  web: {}\n")
	var ps Problems
	if !errors.As(err, &ps) || len(ps) != 3 || ps[0].Line != 2 || ps[1].Line != 3 || ps[2].Line != 5 {
		t.Errorf("got %v", err)
	}
}

func TestProblemOfHost(t *testing.T) {
	c := parsed(t, whole, "WEIR_PLUGINS__MINE__CONFIG__BURST=4")
	for _, x := range []struct {
		key  []string
		want string
	}{
		{[]string{"plugins", "mine", "config", "deep", "none"}, "plugins.yaml:22: plugins.mine.config.deep.none: bad"},
		{[]string{"plugins", "mine", "grant", "dial", "1"}, "plugins.yaml:18: plugins.mine.grant.dial.1: bad"},
		{[]string{"plugins", "mine", "config", "burst"}, "environment WEIR_PLUGINS__MINE__CONFIG__BURST: plugins.mine.config.burst: bad"},
		{nil, "plugins.yaml: bad"},
	} {
		if got := c.Problem("bad", x.key...).Error(); got != x.want {
			t.Errorf("got %s, want %s", got, x.want)
		}
	}
}

func TestPortZeroForTests(t *testing.T) {
	text := "listeners: {a: {address: '127.0.0.1:0'}, b: {address: '127.0.0.1:0'}}"
	c, err := Options{AllowPortZero: true}.Parse("f", ".", []byte(text), nil)
	if err != nil || c.Listeners[0].Addresses[0].Port() != 0 {
		t.Errorf("%v %v", c, err)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "plugins.yaml")
	if err := os.WriteFile(path, []byte("points:\n  a: {source: push}\nstate_dir: s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, []string{"HOME=x"})
	if err != nil || c.Dir != dir || c.File != path || c.StateDir != filepath.Join(dir, "s") {
		t.Errorf("%+v, %v", c, err)
	}
	_, err = Load(filepath.Join(dir, "none.yaml"), nil)
	if err == nil || !strings.Contains(err.Error(), "none.yaml: there is no such file; name another with -c") {
		t.Errorf("got %v", err)
	}
	if _, err = Load(dir, nil); err == nil || !strings.Contains(err.Error(), "name a readable file") {
		t.Errorf("got %v", err)
	}
}

// The root plugins.yaml is what runs without a file.
func TestDefault(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "plugins.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Default(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	var builtins, points []string
	for _, p := range c.Plugins {
		builtins = append(builtins, p.Builtin)
		if p.Name != p.Builtin {
			t.Errorf("plugin %q is built-in %q", p.Name, p.Builtin)
		}
	}
	for _, p := range c.Points {
		points = append(points, p.Name)
	}
	if got := strings.Join(builtins, " "); got != "asf asx file http mms mpegts ogg page playlist push rtsp webm wmpush wmsp" {
		t.Errorf("plugins %s", got)
	}
	if got := strings.Join(points, " "); got != "demo live" {
		t.Errorf("points %s", got)
	}
	if demo, _ := c.Point("demo"); demo.URL != "file:builtin/demo.asf" {
		t.Errorf("demo: %+v", demo)
	}
	if file, _ := c.Plugin("file"); !file.Grant.Read.Match("builtin/demo.asf") || file.Grant.Read.Match("plugins.yaml") {
		t.Errorf("file: %+v", file.Grant)
	}
	if c.Admin.Socket != "weir.sock" || len(c.Listeners) != 1 || c.Listeners[0].Addresses[0].String() != "0.0.0.0:8080" {
		t.Errorf("%+v", c)
	}
	_, err = Default(text, []string{"WEIR_LISTENERS__WEB__ADDRESS=x"})
	if err == nil || !strings.HasPrefix(err.Error(), `environment WEIR_LISTENERS__WEB__ADDRESS: listeners.web.address: "x" is not`) {
		t.Errorf("got %v", err)
	}
}
