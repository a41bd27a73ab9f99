package session

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/point"
)

const (
	// leastGather is how long the input of one source among n may wait at least, n times
	// over, unless its point's latency is less. Chosen: an event costs 0.2 ms (measured), so
	// that all sources' events together take 2 % of a core before any waits longer.
	leastGather = 10 * time.Millisecond
	// mostGather bounds the time for which input waits: the most that a latency may be.
	mostGather = 200 * time.Millisecond
)

// gather has a source's input wait until there is more of it, so that one event brings
// what an encoder sends in many pieces. A piece that comes after a pause never waits. It
// belongs to the reader's goroutine, but for point, among and alarm.
type gather struct {
	point  atomic.Pointer[point.Point]  // that the input feeds; nil: nothing waits
	among  atomic.Pointer[atomic.Int64] // how many sources there are
	alarm  atomic.Pointer[netio.Alarm]  // the reader closes it; nil before its first wait
	last   time.Time                    // when input was read
	dense  bool                         // more than one piece comes in the time
	armed  time.Time                    // the read deadline; zero: none
	told   time.Duration                // to the point
	failed error                        // that came behind what was read; for the next Read
	mute   time.Time                    // till then no alarm is asked for: there was none
	member membership
}

// membership is whether the source counts among those whose input is gathered. It may begin
// after the reader's end.
type membership struct {
	mu   sync.Mutex
	left bool
}

// muteFor is for how long nothing is gathered when there was no alarm, as when there are too
// many open files. Chosen: to try is a few calls.
const muteFor = 10 * time.Second

// into has the input, which feeds p from now on, be gathered; among counts the sources.
func (k *intake) into(p *point.Point, among *atomic.Int64) {
	if k == nil || p == nil {
		return
	}
	m := &k.gather.member
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.left || !k.gather.point.CompareAndSwap(nil, p) {
		return
	}
	among.Add(1)
	k.among.Store(among)
}

// interval is for how long the input may wait now.
func (g *gather) interval() time.Duration {
	p, among := g.point.Load(), g.among.Load()
	if p == nil || among == nil {
		return 0
	}
	return p.Gather(min(leastGather*time.Duration(among.Load()), mostGather), mostGather)
}

// came notes that input was read which nobody had gathered.
func (g *gather) came(now time.Time, d time.Duration) {
	g.dense = d > 0 && now.Sub(g.last) <= d*2/3 // else a wait would save nothing
	g.last = now
}

// gathered waits for the time of the next event and reads all that has come by then. It
// gives 0 and no error when that is nothing, or when it is no time to wait.
func (k *intake) gathered(b []byte, d time.Duration) (n int, err error) {
	if err := k.failed; err != nil {
		k.failed = nil
		return 0, err
	}
	if d <= 0 || !k.dense || k.isMute() {
		k.tell(0)
		return 0, nil
	}
	k.tell(d)
	if err := k.wait(d - time.Since(k.last)); err != nil || !k.dense {
		return 0, err
	}
	for n < len(b) { // a sender may hold back the rest until it hears that the first piece was read (RFC 1122 4.2.3.4)
		m, err := k.c.ReadNow(b[n:])
		n += m
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			if n == 0 {
				return 0, err
			}
			k.failed = err
			break
		}
	}
	k.last, k.dense = time.Now(), n > 0
	return n, nil
}

// wait waits for the time, or until much has come. Halted, it ends before.
func (k *intake) wait(d time.Duration) error {
	if k.alarm.Load() == nil {
		alarm, err := k.c.Alarm()
		if err != nil {
			k.dense, k.mute = false, time.Now().Add(muteFor) // as if there were nothing to wait for
			return nil                                       //nolint:nilerr // events are dearer then, that is all
		}
		k.alarm.Store(alarm)
	}
	if err := k.c.Hush(); err != nil {
		return err
	}
	if k.quit.Load() {
		return errHalted
	}
	_ = k.alarm.Load().Wait(d) // fails when it is closed: it is time to look why
	if k.quit.Load() {
		return errHalted
	}
	if k.limit > 0 && time.Until(k.armed) < k.limit/2 {
		return k.arm() // a deadline that has passed would fail reads that need not wait
	}
	return nil
}

// isMute tells whether there was no alarm a short time ago.
func (g *gather) isMute() bool { return !g.mute.IsZero() && time.Now().Before(g.mute) }

// tell has the point know for how long input waits.
func (g *gather) tell(d time.Duration) {
	if p := g.point.Load(); p != nil && (d > 0 || g.told > 0) {
		g.told = d
		p.Gathered(d)
	}
}

// wake ends a wait, and makes another impossible.
func (g *gather) wake() {
	if alarm := g.alarm.Load(); alarm != nil {
		alarm.Close()
	}
}

// leave counts the source out.
func (g *gather) leave() {
	g.wake()
	g.member.mu.Lock()
	defer g.member.mu.Unlock()
	g.member.left = true
	g.tell(0)
	if among := g.among.Load(); among != nil {
		among.Add(-1)
	}
}
