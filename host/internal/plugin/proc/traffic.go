package proc

import (
	"sync"
	"time"
)

// oneByOne is how long a process that replaces another makes its calls one after another, so that a call that was lost and is made again is judged
// by what it does alone; chosen: the frames that were lost are sent again at once, and have at most 64 events each.
const oneByOne = 5 * time.Second

// traffic knows which calls a process is at. It is safe for concurrent use.
type traffic struct {
	single sync.Mutex // held by a call that is to be alone
	until  time.Time  // calls that begin before are alone; set before the first

	mu     sync.Mutex
	under  int           // calls under way
	begun  uint64        // calls, ever
	limits time.Duration // of the calls under way together
	sum    time.Duration // of the limits of all calls ever. It may wrap around: only differences count
	broken bool          // the process has ended, or is ended for something that none of its calls did
}

// passage is one call's way through a process.
type passage struct {
	of     *traffic
	limit  time.Duration
	single bool
	clean  bool          // no other call was under way when it began
	late   bool          // the process was of no use any more when it began
	number uint64        // of the call
	before time.Duration // of traffic's sum, less what the calls that were under way already may use
}

// enter begins a call, once it may.
func (t *traffic) enter(limit time.Duration) passage {
	p := passage{of: t, limit: limit, single: time.Now().Before(t.until)}
	if p.single {
		t.single.Lock()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p.before = t.sum - t.limits
	t.under++
	t.begun++
	t.limits += limit
	t.sum += limit
	p.clean, p.late, p.number = t.under == 1, t.broken, t.begun
	return p
}

// leave ends the call, and reports whether it was alone all the time. broken: the process is of no use any more.
func (p *passage) leave(broken bool) (alone bool) {
	t := p.of
	t.mu.Lock()
	alone = p.alone()
	t.under--
	t.limits -= p.limit
	t.broken = t.broken || broken
	t.mu.Unlock()
	if p.single {
		t.single.Unlock()
	}
	return alone
}

// alone reports whether the process has been at nothing else since the call began. mu is held.
func (p *passage) alone() bool { return p.clean && p.of.begun == p.number && !p.of.broken }

// look gives the time of processors that the calls which were under way since this one began may use together, and whether it is alone.
func (p *passage) look() (may time.Duration, alone bool) {
	t := p.of
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sum - p.before, p.alone()
}

// condemn says that the process is ended for something that none of its calls did.
func (t *traffic) condemn() {
	t.mu.Lock()
	t.broken = true
	t.mu.Unlock()
}

// count is how many calls are under way.
func (t *traffic) count() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.under
}
