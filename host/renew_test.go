package host

import (
	"testing"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/point"
)

// TestRenewMade: a point that was made with another's settings keeps them when the template
// changes, and gets that one's new ones; if it is removed, it keeps what it has.
func TestRenewMade(t *testing.T) {
	settings := func(name string, viewers int) config.Point {
		return config.Point{Name: name, Push: true, Viewers: viewers}
	}
	step := func(action string, now config.Point) []pointStep {
		return []pointStep{{action: action, now: now}}
	}
	all := map[string]*point.Point{
		"s/1":  point.New(madeOptions(settings("s/*", 1), "s/1", "s/*", ""), nil),
		"s/2":  point.New(madeOptions(settings("news", 7), "s/2", "s/*", "news"), nil),
		"news": point.New(pointOptions(settings("news", 7)), nil),
	}
	for _, c := range []struct {
		name         string
		change       proposal
		first, other int
	}{
		{"the template", proposal{templates: step(admin.Changed, settings("s/*", 2))}, 2, 7},
		{"the model", proposal{points: step(admin.Changed, settings("news", 8))}, 2, 8},
		{"no template", proposal{templates: step(admin.Removed, config.Point{})}, 2, 8},
		{"no model", proposal{points: step(admin.Removed, config.Point{})}, 2, 8},
	} {
		c.change.renewMade(all)
		first, other := all["s/1"].Options(), all["s/2"].Options()
		if first.MaxViewers != c.first || other.MaxViewers != c.other || other.Model != "news" || other.Template != "s/*" {
			t.Errorf("%s: %+v, %+v", c.name, first, other)
		}
	}
}
