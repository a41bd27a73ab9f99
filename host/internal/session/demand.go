package session

import (
	"context"
	"time"

	"github.com/weir-media/weir/host/internal/point"
)

const (
	// holdTime is how long a request waits for the source that it has started (chosen: an
	// encoder on the network answers and brings a key frame within it, and players wait longer).
	holdTime = 5 * time.Second
	// wishLooks is how often in its time without viewers a source is looked after, and
	// leastLook the least time between two looks (chosen: it stops later by an eighth at most).
	wishLooks = 8
	leastLook = 100 * time.Millisecond
)

// wish is somebody's to watch a point whose source is started on demand.
type wish struct {
	p     *point.Point
	last  time.Time // when there was a viewer, or one asked
	timer *alarm    // until it is looked after
}

// want notes that somebody asks for a point, and has its source started if it is one that
// is started on demand. Any goroutine.
func (room *Room) want(p *point.Point) {
	o := p.Options()
	if o.Demand == 0 || o.IsPush() || isStopped(p) || room.point(p.Name()) != p {
		return
	}
	s := &room.sources
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return
	}
	w := s.wishes[p.Name()]
	isFirst := w == nil || w.p != p
	if isFirst {
		if w != nil { // of the point that had the name before
			s.cancel(w.timer)
		}
		w = &wish{p: p}
		w.timer = s.after(o.Demand, func() { room.lookAfter(w) })
		if s.wishes == nil {
			s.wishes = map[string]*wish{}
		}
		s.wishes[p.Name()] = w
	}
	w.last = room.now()
	waits := s.timers[p.Name()] != nil
	s.mu.Unlock()
	if isFirst && !waits {
		room.log.Info("source is started on demand", "point", p.Name())
		room.startSource(p)
	}
}

// wants reports whether a point's source is to run. The lock is held.
func (s *sources) wants(p *point.Point) bool {
	w := s.wishes[p.Name()]
	return p.Options().Demand == 0 || w != nil && w.p == p
}

// isWanted reports whether a point's source is to be started. One that nobody wants rests;
// one that ran always, until the configuration changed, is looked after from now on.
func (room *Room) isWanted(p *point.Point) bool {
	s := &room.sources
	s.mu.Lock()
	wanted, active := s.wants(p), s.active[p.Name()]
	s.mu.Unlock()
	switch {
	case wanted:
		return true
	case active:
		room.want(p)
	default:
		p.Rest()
	}
	return false
}

// lookAfter stops a source that nobody has watched for its time. It is the alarm's goroutine.
func (room *Room) lookAfter(w *wish) {
	name, o, watched := w.p.Name(), w.p.Options(), w.p.Snapshot().Viewers > 0
	s := &room.sources
	s.mu.Lock()
	if s.closed || s.wishes[name] != w {
		s.mu.Unlock()
		return
	}
	now := room.now()
	if watched {
		w.last = now
	}
	isGone := room.point(name) != w.p || o.Demand == 0
	if left := o.Demand - now.Sub(w.last); left > 0 && !isGone {
		w.timer = s.after(min(left, max(o.Demand/wishLooks, leastLook)), func() { room.lookAfter(w) })
		s.mu.Unlock()
		return
	}
	delete(s.wishes, name)
	s.mu.Unlock()
	if !isGone {
		room.log.Info("source is stopped: nobody watches", "point", name, "for", o.Demand)
		room.EndSource(name, "nobody has watched for "+o.Demand.String())
	}
}

// hold has a request for a point wait until the source that it has started can be
// watched, or cannot, for holdTime at most. It is the request's goroutine.
func (room *Room) hold(ctx context.Context, p *point.Point) {
	if p == nil || p.Options().Demand == 0 {
		return
	}
	c := point.NewBell()
	p.Watch(c)
	defer p.Unwatch(c)
	room.want(p)
	limit := time.NewTimer(holdTime)
	defer limit.Stop()
	for !isDecided(p) {
		select {
		case <-c:
		case <-limit.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// keepBack has a session not be told of a point until its source, which is being started
// on demand, can be watched, or cannot, for holdTime at most: once, however often it asks
// meanwhile. Worker.
func (s *Session) keepBack(p *point.Point) {
	o := p.Options()
	if o.Demand == 0 || o.IsPush() || isDecided(p) {
		return
	}
	l := s.link()
	if _, ok := l.kept[p]; ok {
		return
	}
	if l.kept == nil {
		l.kept = map[*point.Point]uint64{}
	}
	l.kept[p] = s.w.timers.add(s.r.room.now().Add(holdTime), func() {
		l.kept[p] = 0 // in vain
		s.markReady()
	})
}

// isKeptBack reports whether the session is not to be told of a point yet. Worker.
func (s *Session) isKeptBack(p *point.Point) bool {
	timer := s.links.kept[p]
	if !isDecided(p) {
		return timer != 0
	}
	s.w.timers.cancel(timer)
	delete(s.links.kept, p)
	return false
}

// isDecided reports whether waiting for a point's source has an end: it can be watched in
// all its renditions, or it has failed.
func isDecided(p *point.Point) bool {
	s := p.Snapshot()
	switch s.State {
	case point.Failed, point.Draining, point.Stopped:
		return true
	case point.Live:
	default:
		return false
	}
	for _, r := range s.Renditions {
		if r.Log.Header() == nil {
			return false
		}
	}
	return true
}
