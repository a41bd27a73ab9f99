package config

import (
	"strings"
	"testing"
	"time"
)

func TestTemplates(t *testing.T) {
	c := parsed(t, `
points: {live: {source: push}}
templates:
  "studio/*": {buffer: 10s, grace: 5s, limits: {viewers: 3, bandwidth: 8Mbit/s, viewer_bandwidth: 64kbit/s, joins: 5}}
  "studio/hd/*": {on_lag: drop}
  "*": {}
`)
	for name, want := range map[string]string{"studio/1": "studio/*", "studio/hd/1": "studio/hd/*", "x": "*", "studio/": "studio/*"} {
		if got, ok := c.Template(name); !ok || got.Name != want || !got.Push {
			t.Errorf("%s: template %q (%v), want %q", name, got.Name, ok, want)
		}
	}
	if s, _ := c.Template("studio/1"); s.Buffer != 10*time.Second || s.Grace != 5*time.Second || s.Viewers != 3 || s.Rates != (Rates{Bandwidth: 8_000_000, PerViewer: 64_000, Joins: 5}) || s.MaxLag != DefaultMaxLag {
		t.Errorf("settings %+v", s)
	}
	if _, ok := parsed(t, "points: {live: {source: push}}").Template("live"); ok {
		t.Error("a configuration without templates has one")
	}
	for name, ok := range map[string]bool{"studio/1": true, "": false, "/x": false, "x/": false, "a/../b": false, "a\nb": false} {
		if err := CheckPointName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestTemplateProblems(t *testing.T) {
	for text, want := range map[string]string{
		"templates:\n  \"/x/*\": {}\n":                       `plugins.yaml:2: templates./x/*: no point's name fits it, since it begins or ends with '/'`,
		"templates:\n  \"a..*\": {}\n":                       "holds '..'",
		"templates:\n  \"studio/*\": {source: push}\n":       "unknown key",
		"templates:\n  \"studio/*\": {multicast: {}}\n":      "unknown key",
		"templates:\n  \"studio/*\": {bufer: 10s}\n":         `did you mean "buffer"?`,
		"templates:\n  \"studio/*\": {grace: -1s}\n":         "plugins.yaml:2: templates.studio/*.grace: -1s is out of range",
		"templates:\n  \"studio/*\": {on_lag: wait}\n":       `"wait" is unknown`,
		"templates:\n  \"studio/*\": {limits: {viewers: 0}}": "whole number from 1",
		"templates: [studio]\n":                              "is not a mapping",
	} {
		_, err := parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
