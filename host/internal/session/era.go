package session

import (
	"fmt"
	"slices"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin"
)

// era is one generation at work in one worker: the instance that runs, what a further
// one is told, and when it is tried again after it did not start. A worker has one for
// new sessions, and older ones while sessions stay with what came before.
type era struct {
	gen    *build
	config []byte // JSON
	inst   plugin.Instance
	retry  backoff
	open   int  // sessions
	began  bool // an instance has started
	called bool
	spare  spare
	until  time.Time // an old one's sessions end then
	keyed  time.Time // its packagers have met a key packet by then
	timer  uint64    // of until
}

// keyWait is how long a packager may wait for a key packet, however short the plugin's
// drain time is (chosen: encoders send one each 2 to 10 s).
const keyWait = 10 * time.Second

// newEra begins an era of what is in force. Worker.
func (w *worker) newEra() *era {
	return &era{gen: w.r.gen.Load().hold(), config: w.r.settings()}
}

// install has the worker's sessions go on in a new era, of which an instance runs: the
// next event of each goes to it, with the state that the host holds. Those that hold
// what it does not read stay in their eras for a while. Worker.
func (w *worker) install(e *era, inst plugin.Instance) (went Switched) {
	if old := w.now; old != nil {
		w.old = append(w.old, old)
	}
	w.now = e
	w.r.stalls.clear(w)
	if inst != nil {
		w.use(e, inst)
	}
	for _, s := range w.sessions {
		k := w.packageOf(s)
		if s.links.pack != nil && k == nil {
			went.Ended = append(went.Ended, s.id)
			w.end(s, "not_packaged")
			continue
		}
		if s.links.pack == nil && !accepts(e.gen.Manifest(), s) {
			went.Stayed = append(went.Stayed, s.id)
			continue
		}
		went.Moved = append(went.Moved, s.id)
		if !isSteady(s) {
			w.join(s, k)
		}
	}
	for _, old := range w.old {
		w.limit(old)
	}
	w.sweep()
	w.awaken()
	return went
}

// isSteady reports whether a session goes on at a place of its own choice: a packager at
// the next key packet, which it sees only while its era answers.
func isSteady(s *Session) bool {
	return s.links.pack != nil && s.links.pack.begun && !s.era.isStalled()
}

// accepts reports whether a generation reads what a session holds.
func accepts(m *manifest.Manifest, s *Session) bool {
	return len(s.blob) == 0 || m.State.Reads(s.schema)
}

// eraOf gives the era that a session is told in: for a new one that which is now. Worker.
func (w *worker) eraOf(s *Session) *era {
	if s.era == nil && w.now != nil && !s.inbox.over.Load() {
		w.enter(s, w.now)
	}
	return s.era
}

// eraOfFirst gives that of the first session which has not ended, or nil. Worker.
func (w *worker) eraOfFirst(batch []*Session) *era {
	for _, s := range batch {
		if !s.inbox.over.Load() {
			return w.eraOf(s)
		}
	}
	return nil
}

// enter has a session be told in an era. Worker.
func (w *worker) enter(s *Session, e *era) {
	if s.era != nil {
		s.era.open--
	}
	s.era = e
	e.open++
}

// join has a session go on in the newest era: a packager as that packages, k, told of
// the header again, and without a state that it does not read. Worker.
func (w *worker) join(s *Session, k *manifest.Package) {
	if p := s.links.pack; p != nil {
		p.payload, p.faults, p.most, p.begun = k.Payload, 0, 0, false
		if !accepts(w.now.gen.Manifest(), s) {
			s.blob, s.schema = nil, "" // the rendition has all that it needs
		}
	}
	w.enter(s, w.now)
}

// limit has an old era end in time. Worker.
func (w *worker) limit(e *era) {
	if !e.until.IsZero() {
		return
	}
	now := w.r.room.now()
	e.until, e.keyed = now.Add(time.Duration(w.r.drain.Load())), now.Add(keyWait)
	e.timer = w.timers.add(e.until, func() { w.expire(e) })
}

// expire ends what is still in an old era, in the words of its protocol. A packager only
// waits no longer for a key packet, of which one should have come. Worker.
func (w *worker) expire(e *era) {
	if !slices.Contains(w.old, e) {
		return
	}
	text := fmt.Sprintf("the plugin %s was replaced, and what this session holds is not known to its new version", w.r.name)
	stays := func(s *Session) bool { return s.era == e && s.links.pack == nil }
	w.stopAll(abi.StopDisabled, text, stays)
	for _, s := range w.sessions {
		if stays(s) {
			w.endWith(s, "replaced", text)
		}
	}
	if now := w.r.room.now(); now.Before(e.keyed) && e.open > 0 {
		e.until = e.keyed
		e.timer = w.timers.add(e.keyed, func() { w.expire(e) })
	} else {
		w.carryAll(e)
	}
	w.sweep()
}

// carryAll has an old era's packagers wait for no key packet. Worker.
func (w *worker) carryAll(e *era) {
	for _, s := range w.sessions {
		if s.era == e && s.links.pack != nil {
			w.carryOn(s)
			w.markReady(s)
		}
	}
}

// sweep lets go of old eras without sessions. It is not called while an event of theirs
// is under way. Worker.
func (w *worker) sweep() {
	for _, e := range slices.Clone(w.old) {
		if e.open == 0 {
			w.endEra(e)
		}
	}
}

// endEra lets go of what an era, or none, holds. Worker.
func (w *worker) endEra(e *era) {
	if e == nil {
		return
	}
	w.dropInstance(e)
	e.spare.close()
	w.timers.cancel(e.timer)
	w.old = slices.DeleteFunc(w.old, func(x *era) bool { return x == e })
	if w.now == e {
		w.now = nil
		w.r.stalls.clear(w)
	}
	e.gen.release()
}

// endEras lets go of all. Worker.
func (w *worker) endEras() {
	w.endEra(w.now)
	for _, e := range slices.Clone(w.old) {
		w.endEra(e)
	}
}

func (w *worker) dropInstance(e *era) {
	if e.inst != nil {
		e.inst.Close()
		e.inst = nil
		// The last verdicts are views of the instance's memory.
		sc := &w.scratch
		sc.reader, sc.verdict, sc.rec = abi.Reader{}, verdicts{}, records{}
	}
}

// leaveEra takes an ended session out of its era, which ends with its last. Worker.
func (w *worker) leaveEra(s *Session) {
	e := s.era
	if e == nil {
		return
	}
	e.open--
	if e.open == 0 && e != w.now {
		w.post(w.sweep)
	}
}

// Staying are sessions that a reload has left with an older generation.
type Staying struct {
	Generation uint64
	Version    string
	Sessions   int
	Packagers  int // that wait for a key packet
	Until      time.Time
}

// staying adds a worker's. Worker.
func (w *worker) staying(all []Staying) []Staying {
	for _, e := range w.old {
		n := Staying{Generation: e.gen.Number(), Version: e.gen.Manifest().Version, Until: e.until}
		for _, s := range w.sessions {
			switch {
			case s.era != e:
			case s.links.pack != nil:
				n.Packagers++
			default:
				n.Sessions++
			}
		}
		i := slices.IndexFunc(all, func(x Staying) bool { return x.Generation == n.Generation })
		switch {
		case n.Sessions+n.Packagers == 0:
		case i < 0:
			all = append(all, n)
		default:
			all[i].Sessions += n.Sessions
			all[i].Packagers += n.Packagers
			if n.Until.After(all[i].Until) {
				all[i].Until = n.Until
			}
		}
	}
	return all
}
