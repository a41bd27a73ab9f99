package config

import (
	"fmt"
	"testing"
)

func TestDifferences(t *testing.T) {
	a := parsed(t, "listeners: {web: {addresses: [127.0.0.1], port: 80}}\nplugins: {p: {module: m, config: {a: 1, b: {c: 2}}}}\npoints: {a.b: {source: push}}\n")
	b := parsed(t, "listeners: {web: {addresses: [127.0.0.1, '::1'], port: 80}}\nplugins: {p: {module: m, config: {a: 1, b: {c: 3}}}}\npoints: {a.b: {source: {url: 'x:y'}}}\n",
		"WEIR_POINTS__A_B__GRACE=1s")
	want := []string{
		`listeners.web.addresses ["127.0.0.1"] -> ["127.0.0.1","::1"]`,
		"plugins.p.config.b.c 2 -> 3",
		`points."a.b".grace  -> 1s`,
		`points."a.b".source push -> `,
		`points."a.b".source.url  -> x:y`,
	}
	var got []string
	for _, d := range Differences(a, b) {
		got = append(got, fmt.Sprintf("%s %s -> %s", d.Name(), d.Old, d.New))
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if d := Differences(a, a); d != nil {
		t.Errorf("with itself: %v", d)
	}
}
