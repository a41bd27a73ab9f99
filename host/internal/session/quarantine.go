package session

import "time"

// A plugin is guilty, and not those who talk to it, when within judgedTime faults came
// from guiltyNetworks networks and were more than one in guiltyShare of its events
// (containment.md, "Faults": three, 5 %, a minute).
const (
	judgedTime     = 60 // seconds
	guiltyNetworks = 3
	guiltyShare    = 20
	// weighedFaults is how many of the last faults show who brings most (chosen: 14 KiB).
	weighedFaults = 256
)

// quarantine judges a plugin by its last minute. Its zero value has seen nothing; it is
// guarded by who has it.
type quarantine struct {
	seconds [judgedTime]second
	recent  [guiltyNetworks]guilt // the parties whose faults are the latest
	last    []guilt               // weighedFaults, the oldest at next
	next    int
	wait    wait
}

// second is what came in one second.
type second struct {
	at     int64 // of the room's clock
	events uint64
	faults uint64
}

type guilt struct {
	of network // party
	at int64
}

func (q *quarantine) now(now time.Time) *second {
	at := now.Unix()
	s := &q.seconds[uint64(at)%judgedTime]
	if s.at != at {
		*s = second{at: at}
	}
	return s
}

// handled counts events that the plugin is told, whatever comes of them.
func (q *quarantine) handled(now time.Time, events int) { q.now(now).events += uint64(events) }

// fault counts one that a session of that network has brought; all sessions that nobody
// outside is at count as of one. One that is put aside already makes no further network
// guilty: it has its sentence, and what it opened before may go on to bring faults.
func (q *quarantine) fault(now time.Time, of network, isAside bool) {
	s := q.now(now)
	s.faults++
	g := guilt{of.party(), s.at}
	if len(q.last) < weighedFaults {
		q.last = append(q.last, g)
	} else {
		q.last[q.next] = g
		q.next = (q.next + 1) % weighedFaults
	}
	if isAside {
		return
	}
	slot := &q.recent[0]
	for i := range q.recent {
		x := &q.recent[i]
		if x.at != 0 && x.of == g.of {
			slot = x
			break
		}
		if x.at < slot.at {
			slot = x
		}
	}
	*slot = g
}

// judge reports whether the plugin is to be kept out, and how long: twice as long as the
// last time, less a half for each quiet minute since. It is judged anew afterwards.
func (q *quarantine) judge(now time.Time) (span time.Duration, guilty bool) {
	since := now.Unix() - judgedTime
	for _, g := range q.recent {
		if g.at <= since {
			return 0, false
		}
	}
	var events, faults uint64
	for _, s := range q.seconds {
		if s.at > since {
			events += s.events
			faults += s.faults
		}
	}
	counted, of := q.weigh(since)
	if faults*counted*guiltyShare <= events*of {
		return 0, false
	}
	for quiet := now.Sub(q.wait.until); q.wait.span > 0 && quiet >= time.Minute; quiet -= time.Minute {
		q.wait.span /= 2
	}
	q.wait.double(now)
	*q = quarantine{wait: q.wait}
	return q.wait.span, true
}

// weigh gives how many of the last faults count, of how many: whoever brings most counts
// for no more than all others together, so that one who has found a crash and two to
// whom it happens do not make the plugin guilty.
func (q *quarantine) weigh(since int64) (counted, of uint64) {
	most, each := uint64(0), map[network]uint64{}
	for _, g := range q.last {
		if g.at > since {
			each[g.of]++
			most = max(most, each[g.of])
			of++
		}
	}
	return of - most + min(most, of-most), of
}
