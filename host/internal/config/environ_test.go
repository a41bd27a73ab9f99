package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

const small = `listeners: {web: {address: "127.0.0.1:8080"}, rtsp: {address: ":8554"}}
plugins: {my-own: {module: a.wasm, config: {text: a, number: 1, "a.b": {c: 2}}}}
points: {live: {source: push}, a.b: {source: {url: "http://x"}}, a-c: {source: push}, sports/news: {source: push}}
`

func TestEnvironment(t *testing.T) {
	c := parsed(t, small,
		"HOME=/x", "WEIR_TOKEN=secret", "weir_token=x", "=odd", "",
		"WEIR_LISTENERS__WEB__ADDRESS=[::1]:80",
		"weir_points__live__buffer=10s",
		"WEIR_POINTS__A_B__LIMITS__VIEWERS=5",
		"WEIR_POINTS__A_C__SOURCE__URL=http://y",
		"WEIR_POINTS__A_B__SOURCE=push",
		"WEIR_POINTS__SPORTS_NEWS__ON_LAG=drop",
		"WEIR_PLUGINS__MY_OWN__LISTENERS=[web, rtsp]",
		"WEIR_PLUGINS__MY_OWN__ENABLED=false",
		"WEIR_PLUGINS__MY_OWN__GRANT__ATTACH=['*']",
		"WEIR_PLUGINS__MY_OWN__CONFIG__TEXT=42",
		"WEIR_PLUGINS__MY_OWN__CONFIG__NUMBER=42",
		"WEIR_PLUGINS__MY_OWN__CONFIG__A_B__C=[x",
		"WEIR_STATE_DIR=s",
	)
	web, _ := c.Listener("web")
	if got := web.Addresses[0].String(); got != "[::1]:80" {
		t.Errorf("web at %s", got)
	}
	live, _ := c.Point("live")
	ab, _ := c.Point("a.b")
	ac, _ := c.Point("a-c")
	news, _ := c.Point("sports/news")
	if live.Buffer != 10*time.Second || ab.Viewers != 5 || !ab.Push || ab.URL != "" || ac.Push || ac.URL != "http://y" || news.OnLag != LagDrop {
		t.Errorf("%+v", c.Points)
	}
	own := c.Plugins[0]
	if own.Enabled || !reflect.DeepEqual(own.Listeners, []string{"web", "rtsp"}) || !own.Grant.Attach.Match("any") {
		t.Errorf("%+v", own)
	}
	want := map[string]any{"text": "42", "number": 42, "a.b": map[string]any{"c": "[x"}}
	if !reflect.DeepEqual(own.Config, want) {
		t.Errorf("config %#v", own.Config)
	}
	if c.StateDir != "etc/s" {
		t.Errorf("state_dir %q", c.StateDir)
	}
}

func TestEnvironmentProblems(t *testing.T) {
	for _, c := range []struct{ text, entry, want string }{
		{small, "WEIR_POINTS__NONE__BUFFER=1s", "environment WEIR_POINTS__NONE__BUFFER: fits no key of plugins.yaml; the form is"},
		{small, "WEIR_X=1", "environment WEIR_X: fits no key"},
		{small, "WEIR_=1", "environment WEIR_: fits no key"},
		{small, "WEIR_POINTS__LIVE=push", "fits no key"},
		{small, "WEIR_PLUGINS__MY_OWN__CONFIG__NEW=1", "fits no key"},
		{small, "WEIR_POINTS__LIVE__BUFFER=1", `environment WEIR_POINTS__LIVE__BUFFER: points.live.buffer: "1" is not a duration`},
		{small, "WEIR_PLUGINS__MY_OWN__LISTENERS=web", "environment WEIR_PLUGINS__MY_OWN__LISTENERS: plugins.my-own.listeners: is not a list"},
		{"points: {a-b: {source: push}, a.b: {source: push}}", "WEIR_POINTS__A_B__GRACE=1s", `fits both points.a-b.grace and points."a.b".grace; change the file instead`},
	} {
		_, err := parse(c.text, c.entry)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.entry, err, c.want)
		}
	}
	_, err := parse(small, "WEIR_POINTS__LIVE__GRACE=1s", "weir_points__live__grace=2s")
	if err == nil || !strings.Contains(err.Error(), "sets points.live.grace like WEIR_POINTS__LIVE__GRACE; unset one of them") {
		t.Errorf("got %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(whole), "WEIR_POINTS__DEMO__BUFFER=3s")
	f.Add([]byte(small), "WEIR_PLUGINS__MY_OWN__CONFIG__A_B__C={a: 1}")
	f.Add([]byte(limited), "WEIR_PLUGINS__MINE__LIMITS__STATE=2KiB")
	f.Add([]byte("points: {a: {source: push, limits: }}"), "WEIR_POINTS__A__SOURCE__URL=x:y")
	f.Add([]byte("a: &a [*a]\n--- b"), "weir_=")
	f.Add([]byte("? {a: b}\n: c\n1: !!binary x\n2: !!timestamp 2001-01-01\n"), "WEIR_1=2")
	f.Add([]byte(listeners), "WEIR_LISTENERS__WIDE__PORTS=[1-65535]")
	f.Add([]byte("listeners: {a: {protocol: udp, addresses: ['::/0', '0.0.0.0/0'], port: 1, steer: off}}"), "WEIR_LISTENERS__A__STEER=require")
	f.Fuzz(func(t *testing.T, text []byte, entry string) {
		c, err := parse(string(text), entry)
		if (c == nil) == (err == nil) {
			t.Fatal("either a configuration or an error")
		}
		if err != nil {
			_ = err.Error()
			return
		}
		for _, p := range c.Points {
			if wrongWithPointName(p.Name) != "" || p.Push == (p.URL != "") || p.Buffer < minBuffer {
				t.Fatalf("accepted %+v", p)
			}
		}
		for _, l := range c.Listeners {
			checkListener(t, l)
		}
		for _, p := range c.Plugins {
			checkPlugin(t, p)
		}
	})
}
