package deliver

import (
	"time"

	"github.com/weir-media/weir/host/internal/stream"
)

// Bursts wait while others join, one after the other: for joinPause after the last, but go
// on for a part each burstPause, or each crowdPause while a crowd is no older than crowdTime.
// Chosen: a thousand come in that time, most of which is for who has nothing yet; later on a
// burst would notice the pause.
const (
	joinPause  = 2 * partTime
	burstPause = 6 * partTime
	crowdPause = 15 * partTime
	crowdTime  = 100 * time.Millisecond
)

// noteJoin notes a turn in which somebody joined. A crowd begins with who comes after a pause.
func (t *turns) noteJoin(now time.Duration) {
	if now-t.joined > crowdPause {
		t.crowd = now
	}
	t.joined = now
}

// pause is how long bursts wait from now on; 0: they need not, or there are none.
func (w *worker) pause(now time.Duration) time.Duration {
	if len(w.bursts.viewers) == 0 {
		return 0
	}
	t := &w.turns
	pause := burstPause
	if now-t.crowd <= crowdTime {
		pause = crowdPause
	}
	return max(0, min(t.joined+joinPause, t.served+pause)-now)
}

// beginsWhole tells whether what a viewer is owed and its first packets can go out together.
func (v *Viewer) beginsWhole() bool {
	s := &v.state
	return v.count.sends.Load() == 0 && v.out.pending() && v.cursor.AtBoundary() && s.leave == None && s.next == nil && !s.held
}

// first sends a viewer that joins what it is owed (a head, a header) and its first packets
// in one call, as much as the worker's buffer holds: a call costs what 60 KiB do. The rest of
// its burst waits for others who join. It does nothing, and says so, where they do not fit.
func (w *worker) first(v *Viewer, now time.Duration) (end outcome, bytes uint64, ok bool) {
	owed := v.out.buf[v.out.off:]
	n := copy(w.input, owed)
	if n < len(owed) {
		return goOn, 0, false
	}
	packets, st := v.cursor.BatchTo(len(w.input)-n, v.allowed(now))
	if st != stream.More {
		return goOn, 0, false
	}
	n += copy(w.input[n:], packets)
	sent, r := send(int(v.fd), w.input[:n])
	if end = v.after(r); end != goOn {
		return end, 0, true
	}
	head := min(sent, len(owed))
	v.wrote(head)
	if sent > head {
		v.cursor.Advance(sent - head)
	}
	if sent < n {
		return blocked, uint64(sent), true
	}
	return shareOut, uint64(sent), true
}
