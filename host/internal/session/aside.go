package session

import "slices"

// asideShare bounds how much of a worker's time the sessions set aside may take while
// others are ready: after a turn of theirs the others have three times as long (chosen:
// at the cost of faults nobody else is slowed down by more than a third).
const asideShare = 4

// lanes are sessions that wait for turns of their own, by whom they are of: each party
// has its turn, however many sessions it has.
type lanes []*lane

type lane struct {
	of      network // party
	waiting []*Session
}

func (l *lanes) add(s *Session) {
	of := s.network().party()
	i := slices.IndexFunc(*l, func(x *lane) bool { return x.of == of })
	if i < 0 {
		i = len(*l)
		*l = append(*l, &lane{of: of})
	}
	(*l)[i].waiting = append((*l)[i].waiting, s)
}

// take gives the session whose turn it is; nil if nobody waits.
func (l *lanes) take() *Session {
	if len(*l) == 0 {
		return nil
	}
	x := (*l)[0]
	s := x.waiting[0]
	x.waiting[0] = nil
	x.waiting = x.waiting[1:]
	*l = slices.Delete(*l, 0, 1)
	if len(x.waiting) > 0 {
		*l = append(*l, x)
	}
	return s
}

// setAside takes the sessions of networks that are put aside out of a batch: they wait
// for turns of their own. Worker.
func (w *worker) setAside(batch []*Session) []*Session {
	if !w.r.blame.isSoiled.Load() {
		return batch
	}
	now, others := w.r.room.now(), batch[:0]
	for _, s := range batch {
		if s.isOnAir() || !w.r.blame.delays(now, s.network()) {
			others = append(others, s)
		} else {
			w.aside.add(s)
		}
	}
	clear(batch[len(others):])
	return others
}

// isOnAir reports whether others see and hear what becomes of a session, or its peer does
// already: it waits for nobody, whatever else comes from its network. Had it brought a
// fault itself, it would be over. Worker.
func (s *Session) isOnAir() bool {
	return s.isSource() || s.kind == kindFormat || s.kind == kindPackager || s.view != nil
}

// handleAside gives the next session that is set aside its turn, if it is due: it always
// is when nobody else is ready. Worker.
func (w *worker) handleAside(areOthers bool) {
	if len(w.aside) == 0 {
		return
	}
	began := w.r.room.now()
	if areOthers && began.Before(w.asideDue) {
		return
	}
	w.handle(w.nextAside())
	ended := w.r.room.now()
	w.asideDue = ended.Add((asideShare - 1) * ended.Sub(began))
}

// nextAside gives the session whose turn it is among those set aside, alone in its frame:
// between two frames of all others there is one such at most, so that its fault costs
// them the start of one instance. It is nil if there is none. Worker.
func (w *worker) nextAside() []*Session {
	for s := w.aside.take(); s != nil; s = w.aside.take() {
		if !s.inbox.over.Load() {
			return []*Session{s}
		}
	}
	return nil
}
