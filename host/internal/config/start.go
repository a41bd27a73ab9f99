package config

import "time"

// Bounds of how long a source that is started on demand goes on without viewers. The default is the interface's; the rest is chosen.
const (
	DefaultIdle = 30 * time.Second
	minIdle     = time.Second
	maxIdle     = 24 * time.Hour
)

// start reads when the source of a point runs.
func (l *loader) start(p *Point, source at) {
	when, idle := source.key("start"), source.key("idle")
	switch text := when.text(); {
	case text == "demand":
		p.Demand = idle.duration(DefaultIdle, minIdle, maxIdle)
	case when.present() && text != "always":
		when.fail("%q is unknown; write always, or demand to have the source run while somebody watches", text)
	case idle.present():
		idle.fail("stands without start: demand; a source that always runs is never idle, so remove it")
	}
}
