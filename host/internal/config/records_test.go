package config

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/journal"
)

func TestRecords(t *testing.T) {
	c, err := Options{}.Parse("f.yaml", "/etc/weir", []byte(`
limits: {viewers: 500, bandwidth: 1.5Gbit/s, viewer_bandwidth: 2500kbit/s, joins: 100}
log: {sessions: logs/%Y%m%d.log}
webhooks:
- {url: "https://example.net/weir", events: [play, stop], secret_file: hook.secret}
- {url: "http://127.0.0.1:9/"}
points:
  live: {source: push, enabled: false, limits: {viewers: 10, bandwidth: 8Mbit/s, viewer_bandwidth: 64000bit/s, joins: 5}}
  tv: {source: push, archive: {file: "rec/{point}-%Y.ts", rendition: mpegts, rotate: 1h}}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Limits{500, Rates{1_500_000_000, 2_500_000, 100}}); c.Limits != want {
		t.Errorf("limits %+v, want %+v", c.Limits, want)
	}
	if want := (SessionLog{File: "/etc/weir/logs/%Y%m%d.log", Keep: 30}); c.Log != want {
		t.Errorf("log %+v, want %+v", c.Log, want)
	}
	if want := []Webhook{{"https://example.net/weir", []journal.Kind{journal.Play, journal.Stop}, "/etc/weir/hook.secret"}, {"http://127.0.0.1:9/", nil, ""}}; !reflect.DeepEqual(c.Webhooks, want) {
		t.Errorf("webhooks %+v, want %+v", c.Webhooks, want)
	}
	live, tv := c.Points[0], c.Points[1]
	if want := (Archive{Rendition: "mpegts", File: "/etc/weir/rec/{point}-%Y.ts", After: time.Hour}); tv.Archive != want || live.Archive != (Archive{}) {
		t.Errorf("archive %+v, want %+v", tv.Archive, want)
	}
	if want := (Rates{8_000_000, 64_000, 5}); live.Enabled || !tv.Enabled || live.Rates != want || live.Viewers != 10 || tv.Rates != (Rates{}) {
		t.Errorf("live %+v\ntv %+v", live, tv)
	}
}

func TestWrongRecords(t *testing.T) {
	for text, want := range map[string]string{
		`limits: {bandwidth: 8}`:                                           "limits.bandwidth: \"8\" is not a bit rate",
		`limits: {bandwidth: 8MB/s}`:                                       "is not a bit rate",
		`limits: {bandwidth: xbit/s}`:                                      "is not a bit rate",
		`limits: {viewer_bandwidth: 1bit/s}`:                               "limits.viewer_bandwidth: 1bit/s is out of range",
		`limits: {bandwidth: NaNbit/s}`:                                    "out of range",
		`limits: {joins: 0}`:                                               "limits.joins",
		`limits: {buffer: 1MiB}`:                                           "limits.buffer: unknown key",
		`log: {rotate: daily}`:                                             "log.rotate: stands without sessions",
		`log: {sessions: a.log}`:                                           "is the same each day",
		`log: {sessions: "%Y/a%d.log"}`:                                    "only the file's name can hold the time",
		`log: {sessions: "a%x%d.log"}`:                                     `has "%x"`,
		`log: {sessions: "a%d%"}`:                                          "a % at its end",
		`log: {sessions: logs/}`:                                           "names no file",
		`log: {sessions: a.log, rotate: 1B}`:                               "log.rotate: \"1B\" is neither daily nor a size",
		`log: {sessions: "%d", keep: 0}`:                                   "log.keep",
		`webhooks: {events: [play]}`:                                       "webhooks: names no url",
		`webhooks: {url: "ftp://x/"}`:                                      "webhooks.url: \"ftp://x/\" is no URL of a web server",
		`webhooks: {url: "http://a:b@x/"}`:                                 "holds a password",
		`webhooks: [{url: "http://x/", events: [pley]}]`:                   "there is no event \"pley\"",
		`points: {live: {source: push, enabled: no way}}`:                  "neither true nor false",
		`points: {a: {source: push, archive: {rotate: 1h}}}`:               "points.a.archive: names no file",
		`points: {a: {source: push, archive: {path: x}}}`:                  "f.yaml:1: points.a.archive.path: unknown key; it is called file: write that",
		`points: {a: {source: push, archive: {file: "x%"}}}`:               "a % at its end",
		`points: {a: {source: push, archive: {file: x, rendition: mmsh}}}`: "\"mmsh\" cannot be kept",
		`points: {a: {source: push, archive: {file: x, rotate: 1ms}}}`:     "is neither a time",
		`points: {live: {source: push, limits: {bandwidth: 1}}}`:           "points.live.limits.bandwidth",
		`points: {live: {source: push, limits: {bandwith: 1kbit/s}}}`:      "unknown key",
	} {
		if _, err := (Options{}).Parse("f.yaml", ".", []byte(text), nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v\nwant %s", text, err, want)
		}
	}
}
