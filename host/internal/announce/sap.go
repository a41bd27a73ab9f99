package announce

import (
	"cmp"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/weir-media/weir/host/internal/point"
)

// SAPPort is where announcements go (RFC 2974 3).
const SAPPort = 9875

// ErrNotAnnounced is why there is nothing to be said of a notice at present: what was said
// is taken back. Any other error of SAPOptions.Write leaves it as it was.
var ErrNotAnnounced = errors.New("there is nothing to announce")

// Notice is a group that SAP tells of. It is comparable: one that differs in anything is
// another.
type Notice struct {
	Point    *point.Point
	Group    Group
	Loopback bool       // receivers on this computer hear of it
	To       netip.Addr // the group that it is announced to
	Interval time.Duration
}

// Sender sends datagrams to one group.
type Sender interface {
	Send(b []byte) error
	Close() error
}

// SAPOptions describe a SAP. Log, Write and Open must be set.
type SAPOptions struct {
	Log *slog.Logger
	// Write gives the datagrams that announce and that delete what a notice is about.
	Write func(Notice) (announcement, deletion []byte, err error)
	// Open gives a sender to Notice.To.
	Open func(Notice) (Sender, error)
	// After is for tests, in the place of time.After.
	After func(time.Duration) <-chan time.Time
	// Now is likewise, in the place of time.Now.
	Now func() time.Time
}

// SAP announces groups (RFC 2974): each again and again, at once anew when what there is
// to say has changed, and the old one deleted before. It is safe for concurrent use.
// NewSAP makes one, Close ends it.
type SAP struct {
	options SAPOptions
	loops   sync.WaitGroup
	bell    chan struct{} // something may have changed; of one place
	done    chan struct{}

	mu      sync.Mutex
	heralds map[Notice]*herald
	leaving []*herald // no longer wanted, and to be taken back
	silent  bool      // what was announced is not taken back
	closed  bool
	totals  map[string]*SAPCounts // by point
}

// SAPCounts are the datagrams that were sent of one point.
type SAPCounts struct{ Announcements, Deletions, Failed uint64 }

// NewSAP makes a SAP without notices.
func NewSAP(o SAPOptions) *SAP {
	if o.After == nil {
		o.After = time.After
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	a := &SAP{options: o, bell: make(chan struct{}, 1), done: make(chan struct{}), heralds: map[Notice]*herald{}, totals: map[string]*SAPCounts{}}
	a.loops.Go(a.loop)
	return a
}

// Set puts the notices in force: new ones begin, others are taken back, and those that are
// the same go on. It does not wait.
func (a *SAP) Set(want []Notice) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	kept := make(map[Notice]bool, len(want))
	for _, n := range want {
		kept[n] = true
	}
	for n, h := range a.heralds {
		if !kept[n] {
			delete(a.heralds, n)
			n.Point.Unwatch(a)
			a.leaving = append(a.leaving, h)
		}
	}
	for _, n := range want {
		if a.heralds[n] == nil {
			a.heralds[n] = &herald{Notice: n, state: SAPWaiting, since: a.options.Now()}
		}
		if name := n.Point.Name(); a.totals[name] == nil {
			a.totals[name] = &SAPCounts{}
		}
		n.Point.Watch(a) // also if another notice of it has gone
	}
	a.Refresh()
}

// Changed has the loop look at everything: a point is not what it was.
func (a *SAP) Changed(*point.Point) { a.Refresh() }

// Refresh has the loop look whether announcements still hold. It does not wait.
func (a *SAP) Refresh() {
	select {
	case a.bell <- struct{}{}:
	default:
	}
}

// Close takes back all that was announced, unless silent: then another server announces
// the same. It may be called again.
func (a *SAP) Close(silent bool) {
	a.mu.Lock()
	closed := a.closed
	a.closed = true
	if !closed {
		a.silent = silent
		for n, h := range a.heralds {
			n.Point.Unwatch(a)
			a.leaving = append(a.leaving, h)
		}
		close(a.done)
	}
	a.mu.Unlock()
	a.loops.Wait()
}

// loop owns the heralds' senders and what they say.
func (a *SAP) loop() {
	for all := true; ; {
		next := a.turn(a.options.Now(), all)
		var again <-chan time.Time
		if next > 0 {
			again = a.options.After(next)
		}
		select {
		case <-a.done:
			a.turn(a.options.Now(), false)
			return
		case <-a.bell:
			all = true
		case <-again:
			all = false
		}
	}
}

// turn takes back what is to be, and has those whose time has come, or all, look whether
// they say something else now. It tells when the next has to speak; 0: none.
func (a *SAP) turn(now time.Time, everyone bool) (next time.Duration) {
	a.mu.Lock()
	all := make([]*herald, 0, len(a.heralds))
	if !a.closed {
		for _, h := range a.heralds {
			all = append(all, h)
		}
	}
	leaving, silent := a.leaving, a.silent
	a.leaving = nil
	a.mu.Unlock()
	slices.SortFunc(all, func(x, y *herald) int { return x.compare(y.Notice) })
	for _, h := range leaving {
		if !silent {
			a.takeBack(h)
		}
		h.close()
	}
	for _, h := range all {
		if everyone || !h.next.After(now) {
			a.look(h, now)
		}
		if wait := h.next.Sub(now); next == 0 || wait < next {
			next = max(wait, time.Millisecond)
		}
	}
	return next
}

func (n Notice) compare(o Notice) int {
	return cmp.Or(cmp.Compare(n.Point.Name(), o.Point.Name()), n.Group.To.Compare(o.Group.To), cmp.Compare(n.Group.Interface, o.Group.Interface), n.To.Compare(o.To))
}
