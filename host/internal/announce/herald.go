package announce

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/weir-media/weir/host/internal/point"
)

// SAPState is what becomes of a notice.
type SAPState string

// The states.
const (
	SAPAnnounced SAPState = "announced"
	SAPWaiting   SAPState = "waiting" // there is nothing to say yet, or any more
	SAPFailed    SAPState = "failed"  // it cannot be said; it is tried again
)

// SAPStates gives all of them.
func SAPStates() []SAPState { return []SAPState{SAPAnnounced, SAPWaiting, SAPFailed} }

// SAPStatus is a notice at one moment.
type SAPStatus struct {
	Notice
	SAPCounts
	State  SAPState
	Reason string // why not announced, or why not written anew; empty: all is well
	Since  time.Time
}

// herald says one notice. The loop owns it, but for what SAP.mu guards.
type herald struct {
	Notice
	sender                 Sender // nil: none is open
	announcement, deletion []byte // what was sent last; nil: nothing that holds
	next                   time.Time

	// SAP.mu guards the rest.
	state  SAPState
	reason string
	since  time.Time
	counts SAPCounts
}

// look says what a herald has to say, if it has changed or its time has come.
func (a *SAP) look(h *herald, now time.Time) {
	announcement, deletion, err := a.options.Write(h.Notice)
	switch {
	case errors.Is(err, ErrNotAnnounced):
		a.takeBack(h)
		h.next = now.Add(h.Interval)
		a.set(h, SAPWaiting, err.Error(), now)
		return
	case err != nil && h.announcement == nil:
		h.next = now.Add(h.Interval)
		a.set(h, SAPFailed, err.Error(), now)
		return
	case err != nil:
		// The writer did not answer: what was said last holds.
	case !bytes.Equal(announcement, h.announcement):
		a.takeBack(h)
		h.announcement, h.deletion, h.next = bytes.Clone(announcement), bytes.Clone(deletion), now
	}
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	if h.next.After(now) {
		a.set(h, h.state, reason, now)
		return
	}
	h.next = now.Add(h.Interval)
	if failed := a.send(h, h.announcement, &h.counts.Announcements); failed != nil {
		a.set(h, SAPFailed, failed.Error(), now)
		return
	}
	a.set(h, SAPAnnounced, reason, now)
}

// takeBack deletes what was announced.
func (a *SAP) takeBack(h *herald) {
	if h.announcement == nil {
		return
	}
	if err := a.send(h, h.deletion, &h.counts.Deletions); err != nil {
		a.options.Log.Warn("announcement not taken back", "point", h.Point.Name(), "group", h.Group.To, "to", h.To, "error", err)
	}
	h.announcement, h.deletion = nil, nil
}

// send sends one datagram and counts it.
func (a *SAP) send(h *herald, b []byte, count *uint64) (err error) {
	if h.sender == nil {
		h.sender, err = a.options.Open(h.Notice)
	}
	if err == nil {
		if err = h.sender.Send(b); err != nil {
			h.close() // an interface that comes again needs another socket
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	total := a.totals[h.Point.Name()]
	if err != nil {
		h.counts.Failed++
		total.Failed++
		return err
	}
	*count++
	if count == &h.counts.Deletions {
		total.Deletions++
	} else {
		total.Announcements++
	}
	return nil
}

func (h *herald) close() {
	if h.sender != nil {
		_ = h.sender.Close()
		h.sender = nil
	}
}

// set notes what becomes of a herald's notice, and logs a change.
func (a *SAP) set(h *herald, s SAPState, reason string, now time.Time) {
	a.mu.Lock()
	isNew := h.state != s
	if isNew {
		h.state, h.since = s, now
	}
	isNewReason := h.reason != reason
	h.reason = reason
	a.mu.Unlock()
	log := a.options.Log.With("point", h.Point.Name(), "group", h.Group.To, "to", h.To)
	switch {
	case s == SAPFailed && (isNew || isNewReason):
		log.Warn("announcement failed; it is tried again", "error", reason)
	case !isNew:
	case s == SAPAnnounced:
		log.Info("announced")
	default:
		log.Info("announced no more", "why", reason)
	}
}

// Of gives the state of a point's notices, in a fixed order.
func (a *SAP) Of(p *point.Point) (all []SAPStatus) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for n, h := range a.heralds {
		if n.Point == p {
			all = append(all, SAPStatus{n, h.counts, h.state, h.reason, h.since})
		}
	}
	slices.SortFunc(all, func(x, y SAPStatus) int { return x.compare(y.Notice) })
	return all
}

// Counts gives what was sent of each point that has, or had, notices, and how many of its
// notices are in each state, both by the point's name.
func (a *SAP) Counts() (sent map[string]SAPCounts, states map[string]map[SAPState]int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	sent, states = map[string]SAPCounts{}, map[string]map[SAPState]int{}
	for p, c := range a.totals {
		sent[p] = *c
	}
	for n, h := range a.heralds {
		name := n.Point.Name()
		if states[name] == nil {
			states[name] = map[SAPState]int{}
		}
		states[name][h.state]++
	}
	return sent, states
}
