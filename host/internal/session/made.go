package session

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/point"
)

// Templates make points for sources that come to a name which no point has. Their methods
// are called by several goroutines and must not block.
type Templates interface {
	// Fits gives the template that a name fits; empty: none.
	Fits(name string) string
	// Make makes a point of that name, by the template that it fits, with the settings of
	// the point like; empty: with the template's own.
	Make(name, like string) (*point.Point, error)
}

// maxMade bounds the points that are there without being configured. Chosen: far more
// than encoders come to one server.
const maxMade = 256

// pointTable is the points by name: a map that is replaced and never changed.
type pointTable struct {
	atomic.Pointer[map[string]*point.Point]
	mu sync.Mutex // held by who replaces it
}

// ChangePoints replaces the table of points by what change makes of a copy.
func (room *Room) ChangePoints(change func(all map[string]*point.Point)) {
	t := &room.points
	t.mu.Lock()
	defer t.mu.Unlock()
	all := maps.Clone(*t.Load())
	change(all)
	t.Store(&all)
}

// template gives the template from which a point of that name would be made; empty: none.
func (room *Room) template(name string) string {
	if room.options.Templates == nil {
		return ""
	}
	return room.options.Templates.Fits(name)
}

// MakePoint makes a point for a source, by the template that its name fits, with the settings
// of the point like if that is not empty; or it gives the one that has been made meanwhile.
func (room *Room) MakePoint(name, like string) (*point.Point, error) {
	if room.template(name) == "" {
		return nil, point.ErrNoSuch
	}
	t := &room.points
	t.mu.Lock()
	defer t.mu.Unlock()
	old := *t.Load()
	if p := old[name]; p != nil {
		return p, nil
	}
	made := 0
	for _, p := range old {
		if p.Options().Template != "" {
			made++
		}
	}
	if made >= maxMade {
		return nil, denyf(abi.ELIMIT, "%d points were made from templates already", maxMade)
	}
	p, err := room.options.Templates.Make(name, like)
	if err != nil {
		return nil, err // a word of this room's owner: EINVAL
	}
	p.OnGone(room.forgetPoint)
	all := maps.Clone(old)
	all[name] = p
	t.Store(&all)
	room.log.Info("point made", "point", name, "template", p.Options().Template, "like", like)
	return p, nil
}

// forgetPoint takes a point that was made, and that nobody needs any more, off the table.
func (room *Room) forgetPoint(p *point.Point) {
	room.ChangePoints(func(all map[string]*point.Point) {
		if all[p.Name()] == p {
			delete(all, p.Name())
		}
	})
	room.log.Info("point gone", "point", p.Name(), "template", p.Options().Template)
}
