package session

import (
	"slices"

	"github.com/weir-media/weir/host/internal/manifest"
)

// isBehind reports whether a packager is to go on in another place at its next key
// packet: in the newer generation, or on another worker. Worker.
func (s *Session) isBehind() bool { return s.era != s.w.now || s.w.leaving }

// turn has a packager that stands before a key packet, or a new header, go on where it
// belongs. What it writes to goes on, and it is told of the header again. Worker.
func (s *Session) turn() bool {
	if !s.w.carryOn(s) {
		return false
	}
	return s.links.pack.peekFirst()
}

// carryOn has a packager go on in the newer generation, or on another worker if its own
// takes nobody new. It reports whether it is still this worker's. Worker.
func (w *worker) carryOn(s *Session) bool {
	k := w.packageOf(s)
	if k == nil {
		w.post(func() { w.end(s, "not_packaged") })
		return false
	}
	if w.leaving {
		w.post(func() { w.handOver(s) })
		return false
	}
	old, p := s.era, s.links.pack
	w.join(s, k)
	if old.open == 0 {
		w.post(w.sweep)
	}
	w.r.log.Debug("packager goes on", "point", s.on, "to", p.to.Name(), "generation", w.now.gen.Number(), "at", p.cursor.Seq())
	return true
}

// packageOf gives what the newest manifest says of a packager's work; nil if nothing, or
// for another session. Worker.
func (w *worker) packageOf(s *Session) *manifest.Package {
	if w.now == nil || s.links.pack == nil {
		return nil
	}
	p, all := s.links.pack, w.now.gen.Manifest().Packages
	i := slices.IndexFunc(all, func(k manifest.Package) bool { return k.From == p.from.Name() && k.To == p.to.Name() })
	if i < 0 {
		return nil
	}
	return &all[i]
}

// handOver has a session of another worker take a packager's place. Worker.
func (w *worker) handOver(s *Session) {
	p := s.links.pack
	if s.inbox.over.Load() || p == nil {
		return
	}
	next := w.r.newSession(kindPackager, s.name())
	next.id = s.id // it is the same for all who look
	next.on, next.born = s.on, s.born
	next.link().pack = &packing{s: next, from: p.from, to: p.to, payload: p.payload, cursor: p.cursor, retry: p.retry}
	if accepts(w.now.gen.Manifest(), s) {
		next.blob, next.schema = s.blob, s.schema
	}
	s.link().pack = nil
	p.from.Log.RemoveWaker(s)
	w.end(s, "moved")
	next.w.add(next)
	p.from.Log.AddWaker(next)
	next.markReady()
}
