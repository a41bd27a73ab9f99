package session

import (
	"slices"
	"time"

	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/point"
)

// packagedBehind is how far a packager may be behind its source and still be with it:
// chosen.
const packagedBehind = media.Time(time.Second)

// IsPackaged tells whether the packagers that run have packaged what the point's source
// has brought.
func (room *Room) IsPackaged(p *point.Point) bool {
	for _, from := range p.Snapshot().Renditions {
		if from.Log.Header() == nil || from.Log.Ended() {
			continue
		}
		for _, r := range room.Runners() {
			if !r.hasPackaged(p, from) {
				return false
			}
		}
	}
	return true
}

func (r *Runner) hasPackaged(p *point.Point, from *point.Rendition) bool {
	g := r.Generation()
	if g == nil || !r.State().Works() || !r.grant.Load().attaches(p.Name()) {
		return true
	}
	return !slices.ContainsFunc(g.Manifest().Packages, func(k manifest.Package) bool {
		if k.From != from.Name() {
			return false
		}
		to, err := p.Rendition(k.To)
		return err != nil || to.Log.Header() == nil || to.Log.LastDTS()+packagedBehind < from.Log.LastDTS()
	})
}
