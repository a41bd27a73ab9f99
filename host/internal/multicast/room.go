package multicast

import (
	"cmp"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/weir-media/weir/host/internal/deliver"
	"github.com/weir-media/weir/host/internal/point"
)

// Destination is one address that a rendition of a point is sent to. It is comparable:
// one that differs in anything is another.
type Destination struct {
	Point     *point.Point
	Rendition string
	To        netip.AddrPort
	TTL       int    // hops; negative: the system's choice
	Interface string // empty: as the system routes
	Loopback  bool   // a group's datagrams reach receivers on this computer
}

// Options describe a Room. Pool and Log must be set.
type Options struct {
	Pool *deliver.Pool
	Log  *slog.Logger
	// After is for tests, in the place of time.After.
	After func(time.Duration) <-chan time.Time
}

// Room is all senders of a server. All methods are safe for concurrent use. New makes
// one, Close ends it.
type Room struct {
	options Options
	loops   sync.WaitGroup
	bell    chan struct{} // something is dirty; of one place
	done    chan struct{}

	mu      sync.Mutex // held over the opening of sockets
	senders map[Destination]*sender
	closed  bool

	news news
}

// news is what others tell of: points, and workers, which must not wait for Room.mu.
type news struct {
	mu    sync.Mutex
	dirty []*sender
	left  []departure
}

// departure is a sender's viewer that has left the pool.
type departure struct {
	sender *sender
	stats  deliver.Stats
	why    deliver.Reason
}

// take gives what there is, and keeps none.
func (n *news) take() (dirty []*sender, left []departure) {
	n.mu.Lock()
	defer n.mu.Unlock()
	dirty, left = n.dirty, n.left
	n.dirty, n.left = nil, nil
	for _, s := range dirty {
		s.dirty = false
	}
	return dirty, left
}

// New makes a room without senders.
func New(o Options) *Room {
	if o.After == nil {
		o.After = time.After
	}
	r := &Room{options: o, bell: make(chan struct{}, 1), done: make(chan struct{}), senders: map[Destination]*sender{}}
	r.loops.Go(r.loop)
	return r
}

// Set puts the destinations in force: new ones begin, others end, and those that are the
// same go on as they are.
func (r *Room) Set(want []Destination) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	kept := make(map[Destination]bool, len(want))
	for _, d := range want {
		kept[d] = true
	}
	for d, s := range r.senders {
		if !kept[d] {
			delete(r.senders, d)
			s.stop("it is no longer configured")
		}
	}
	for _, d := range want {
		if r.senders[d] == nil {
			s := &sender{Destination: d, room: r, reason: noRendition, since: time.Now()}
			r.senders[d] = s
			d.Point.Watch(s)
			r.mark(s)
		}
	}
}

// Close ends all senders. It may be called again.
func (r *Room) Close() {
	r.mu.Lock()
	closed := r.closed
	r.closed = true
	for d, s := range r.senders {
		delete(r.senders, d)
		s.stop("the server sends no more")
	}
	r.mu.Unlock()
	if !closed {
		close(r.done)
	}
	r.loops.Wait()
}

// Of gives the state of a point's destinations, sorted by their addresses.
func (r *Room) Of(p *point.Point) []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []Status
	for _, s := range r.senders {
		if s.Point == p {
			all = append(all, s.status())
		}
	}
	slices.SortFunc(all, func(a, b Status) int {
		return cmp.Or(a.To.Compare(b.To), cmp.Compare(a.Interface, b.Interface))
	})
	return all
}

// Count gives how many destinations of each point are in each state, of points that have any.
func (r *Room) Count() map[*point.Point]map[State]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[*point.Point]map[State]int{}
	for _, s := range r.senders {
		n := all[s.Point]
		if n == nil {
			n = map[State]int{}
			all[s.Point] = n
		}
		var u deliver.UDPState
		if s.viewer != nil {
			u, _ = s.viewer.UDP()
		}
		n[s.does(u)]++
	}
	return all
}

// mark has the loop look at a sender.
func (r *Room) mark(s *sender) {
	r.news.mu.Lock()
	if !s.dirty {
		s.dirty = true
		r.news.dirty = append(r.news.dirty, s)
	}
	r.news.mu.Unlock()
	r.ring()
}

// departed has the loop hear of a viewer that left.
func (r *Room) departed(d departure) {
	r.news.mu.Lock()
	r.news.left = append(r.news.left, d)
	r.news.mu.Unlock()
	r.ring()
}

func (r *Room) ring() {
	select {
	case r.bell <- struct{}{}:
	default:
	}
}

// loop attaches the senders that can be, so that nobody who tells of a change waits.
func (r *Room) loop() {
	var again <-chan time.Time
	for {
		select {
		case <-r.done:
			return
		case <-r.bell:
		case <-again:
		}
		again = nil
		if next := r.turn(time.Now()); next > 0 {
			again = r.options.After(next)
		}
	}
}

// turn looks at the senders that are marked, and at those whose time has come. It tells
// when that is of the next; 0: of none.
func (r *Room) turn(now time.Time) (next time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	dirty, left := r.news.take()
	for _, d := range left {
		if s := d.sender; r.senders[s.Destination] == s {
			s.left(d, now)
		}
	}
	for _, s := range dirty {
		if r.senders[s.Destination] == s {
			s.look(now)
		}
	}
	for _, s := range r.senders {
		if s.retry.IsZero() {
			continue
		}
		if !s.retry.After(now) {
			s.look(now)
		}
		if wait := s.retry.Sub(now); !s.retry.IsZero() && (next == 0 || wait < next) {
			next = max(wait, time.Millisecond)
		}
	}
	return next
}
