package session

import (
	"fmt"
	"slices"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// maxShared is how often an event may lose a carrier that was at other calls too before
// that counts against it. Carriers make calls that are tried again one after another, so
// it should not come to that (chosen: more than chance brings about).
const maxShared = 4

// losses is how often the event under way has lost its carrier.
type losses struct {
	alone  bool  // once, that was at nothing else
	shared uint8 // that was at other calls too
}

// retry finds the sessions whose events alone make the plugin fail, after a frame of
// them did, and has all others answered. It reports whether a fault was told of, or that
// the plugin does not start again, which is told of too. Worker.
func (w *worker) retry(taken []*Session, f *plugin.Fault) (told bool) {
	suspects := slices.Clone(taken) // the scratch is used again
	from := among(suspects, f)      // before any has ended
	switch {
	case len(suspects) == 1 && !w.pardons(suspects[0], f):
		w.guilty(suspects[0], f)
		return true
	case len(suspects) == 1:
		if told = w.try(suspects); told || !f.Lost && f.Kind != plugin.Memory {
			return told
		}
	case f.Lost: // it may be nobody's fault, and halves would prove nothing
		for _, s := range suspects {
			told = w.try([]*Session{s}) || told
		}
	default:
		for _, s := range suspects {
			s.late = s.late || f.Kind == plugin.Deadline // alone is the second try
		}
		told = w.bisect(suspects)
	}
	if !told {
		w.unexplained(f, len(suspects), evidence{fault: f, era: suspects[0].era, among: from})
	}
	return true
}

// bisect tries suspects by halves, on fresh instances. What the first half does not
// bring is in the second, which need not be tried whole. Worker.
func (w *worker) bisect(suspects []*Session) (told bool) {
	first, second := suspects[:len(suspects)/2], suspects[len(suspects)/2:]
	told = w.try(first)
	if told || len(second) == 1 {
		return w.try(second) || told
	}
	return w.bisect(second)
}

// try has sessions' events handled in a frame of their own. It reports whether a fault
// was told of. Worker.
func (w *worker) try(suspects []*Session) (told bool) {
	suspects = slices.DeleteFunc(slices.Clone(suspects), func(s *Session) bool { return s.inbox.over.Load() })
	if len(suspects) == 0 {
		return false
	}
	e := suspects[0].era
	if !w.ensureInstance(e) {
		for _, s := range suspects {
			w.hold(s)
		}
		return true
	}
	taken := w.build(e, suspects)
	return len(taken) > 0 && w.run(taken)
}

// pardons reports whether a session's event is tried once more on a fresh instance: it
// ran out of time, which on a busy machine happens to the innocent too; or of memory,
// which may have leaked away at the events before; or its carrier died, which may have
// died anyway, or of another session's event. An event whose frame ran out of time before
// has been tried twice already. Worker.
func (w *worker) pardons(s *Session, f *plugin.Fault) bool {
	switch {
	case f.Lost && f.Shared && s.lost.shared < maxShared:
		s.lost.shared++
		return true
	case f.Lost && !s.lost.alone:
		s.lost.alone = true
		return true
	case f.Lost || f.Kind != plugin.Deadline && f.Kind != plugin.Memory || s.late:
		return false
	}
	s.late = true
	if f.Kind == plugin.Memory {
		return true
	}
	w.r.counts.slow.Add(1)
	w.r.log.Warn("event ran out of time; it is tried once more", "event", s.cur.event.Op().String(), "session", s.id, "peer", s.name())
	return true
}

// discard drops an instance that can no longer be trusted. Worker.
func (w *worker) discard(e *era, f *plugin.Fault) {
	if f.Lost {
		e.spare.drop() // its carrier died too
	}
	if f.Fatal() || f.Kind != plugin.Protocol {
		w.dropInstance(e)
	}
}

// unexplained tells of a frame's fault that none of its events brings alone. Worker.
func (w *worker) unexplained(f *plugin.Fault, events int, x evidence) {
	w.r.report(&FaultReport{Fault: f}, x.era)
	if !f.Lost {
		w.r.suspect(x)
	}
	what := "plugin fault; no session alone repeats it"
	if f.Lost {
		what = "plugin's carrier died; no session is to blame, and what it was at is told again"
	}
	w.r.log.Error(what, "kind", f.Kind.String(), "events", events, "fault", f.Error())
}

// guilty ends the one session whose event alone made the plugin fail, and puts its
// network aside. A packager only skips the packets. Worker.
func (w *worker) guilty(s *Session, f *plugin.Fault) {
	r := w.r
	if !s.isSearching() {
		r.suspect(evidenceOf(s, f))
	}
	sentence := r.blame.guilty(r.room.now(), s.network())
	r.report(&FaultReport{Session: s.id, Peer: s.name(), Point: s.on, Network: sentence.network.Prefix, Fault: f}, s.era)
	about := []any{"kind", f.Kind.String(), "session", s.id, "peer", s.name()}
	if s.on != "" {
		about = append(about, "point", s.on)
	}
	if sentence.aside > 0 {
		about = append(about, "throttled", fmt.Sprintf("%v for %v", sentence.network, sentence.aside))
	}
	if said := f.LastWords(); said != "" {
		about = append(about, "said", said)
	}
	r.log.Error("plugin fault", append(about, "fault", f.Error())...)
	r.room.event("fault", r.name, s, f.Error())
	if sentence.quarantine > 0 {
		r.keepOut(sentence.quarantine)
	}
	s.late, s.lost = false, losses{}
	if s.cur.event.Op() == abi.OpPackets && s.links.pack.forgive() {
		return
	}
	during := s.cur.event.Op()
	s.take()
	w.end(s, "fault_"+f.Kind.String())
	if s.kind == kindPackager {
		w.replacePackager(s, during)
	}
}

// guiltyBatch ends a session whose batch breaks the contract. The instance is whole.
// Worker.
func (w *worker) guiltyBatch(s *Session, f *plugin.Fault) {
	f.Plugin, f.Generation = w.r.name, s.era.gen.Number()
	f.Frame = slices.Clone(w.scratch.w.Bytes())
	if f.During == "" {
		f.During = s.cur.event.Op().String()
	}
	s.cur.from = fromNowhere // taken already
	w.guilty(s, f)
}
