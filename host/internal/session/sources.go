package session

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/host/internal/point"
)

// sources starts the points that have a URL, and starts them again when they end.
type sources struct {
	mu     sync.Mutex
	active map[string]bool
	wait   map[string]time.Duration
	timers map[string]*alarm // of points that wait for their next start
	wishes map[string]*wish  // of points whose source is started on demand, and wanted
	ending map[string]bool   // points whose source is being ended, by who starts the next
	closed bool
	alarms alarms
	read   atomic.Int64 // connections whose input feeds points
}

const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second // interface.md: pull retries with 1–30 s
)

// StartSources starts the source of each point that has a URL and none running.
func (room *Room) StartSources() {
	for _, p := range room.Points() {
		if !p.Options().IsPush() {
			room.startSource(p)
		}
	}
}

func (room *Room) startSource(p *point.Point) {
	if room.point(p.Name()) != p || p.Options().IsPush() {
		return // it was removed, or changed, while it waited
	}
	if isStopped(p) || !room.isWanted(p) {
		return
	}
	scheme, _, _ := strings.Cut(p.Options().URL, ":")
	r := room.starter(scheme)
	if r == nil {
		p.Fail("no running plugin starts " + scheme + ": sources; enable one in plugins.yaml")
		return
	}
	s := &room.sources
	s.mu.Lock()
	if s.active == nil {
		s.active = map[string]bool{}
	}
	busy := s.active[p.Name()] || s.closed
	s.active[p.Name()] = true
	s.mu.Unlock()
	if busy {
		return
	}
	p.Expect()
	r.start(p)
}

// starter gives the running plugin that starts sources with this URL scheme.
func (room *Room) starter(scheme string) *Runner {
	for _, r := range room.Runners() {
		if g := r.Generation(); g != nil && r.State().Works() && slices.Contains(g.Manifest().Sources, scheme) {
			return r
		}
	}
	return nil
}

// sourceEnded has a point's source started again after a while that doubles.
func (room *Room) sourceEnded(name, reason, text string) {
	p := room.point(name)
	s := &room.sources
	s.mu.Lock()
	delete(s.active, name)
	if s.closed || p == nil || p.Options().IsPush() || isStopped(p) || s.ending[name] {
		s.mu.Unlock()
		return
	}
	if !s.wants(p) {
		s.mu.Unlock()
		p.Rest()
		return
	}
	s.wait[name] = min(max(2*s.wait[name], firstRetry), lastRetry)
	wait := s.wait[name]
	if s.timers == nil {
		s.timers = map[string]*alarm{}
	}
	s.cancel(s.timers[name])
	s.timers[name] = s.after(wait, func() {
		s.waited(name)
		room.startSource(p)
	})
	s.mu.Unlock()
	p.Fail(text)
	about := []any{"point", name, "reason", reason, "in", wait}
	if text != reason {
		about = append(about, "why", text)
	}
	room.log.Warn("source ended; it is started again", about...)
}

func isStopped(p *point.Point) bool {
	_, stopped := p.IsStopped()
	return stopped
}

// succeeded notes that a point's source has come up, so that its next failure waits
// as little as the first.
func (s *sources) succeeded(name string) {
	s.mu.Lock()
	delete(s.wait, name)
	s.mu.Unlock()
}

// end notes that a point's source is about to be ended, which is nobody's failure; forget
// follows.
func (s *sources) end(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending == nil {
		s.ending = map[string]bool{}
	}
	s.ending[name] = true
}

// waited notes that the time until a point's next start is over.
func (s *sources) waited(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.timers, name)
}

// stop starts and ends no more sources, and waits for those alarms that have begun to.
func (s *sources) stop() {
	s.mu.Lock()
	s.closed = true
	for a := range s.alarms.set {
		s.cancel(a)
	}
	s.mu.Unlock()
	s.alarms.loops.Wait()
}
