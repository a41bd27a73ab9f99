package session

import (
	"io"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/point"
)

// Role is what a session does.
type Role string

// The roles.
const (
	RoleViewer   Role = "viewer"
	RoleSource   Role = "source"
	RoleFormat   Role = "format"
	RolePackager Role = "packager"
	RoleDocument Role = "document"
	RoleNone     Role = "none" // a request or connection that has become neither
)

// Session is what is kept while one peer, source or task talks to weir through one
// plugin. Only its worker's goroutine touches it, but for the fields of inbox.
type Session struct {
	id     uint64
	r      *Runner
	w      *worker
	era    *era           // nil before its first event
	born   time.Duration  // since room.started
	peer   netip.AddrPort // zero: name tells
	on     string         // point's name, once known
	blob   []byte
	schema string // that blob was written in
	inbox  inbox
	conns  []*conn
	view   *view  // its viewer, if it has one
	links  *links // read as it is, written to by way of link
	seat   seat   // the view's
	telling
}

type kind uint8

const (
	kindExchange kind = iota
	kindRaw
	kindFormat
	kindSource
	kindPackager
	kindDocument
)

// links are what a session holds beyond its connections.
type links struct {
	x         *exchange
	child     *Session // format session that this one feeds
	childDone bool     // it has answered the end of its input
	parent    *Session // of a format session
	feed      *point.Feed
	pace      *pacer
	pack      *packing
	answer    func(documentAnswer)
	watched   []*point.Point
	kept      map[*point.Point]uint64 // of them, not told of yet → the timer that ends it
	name      string                  // of a session that is no peer's
	network   network                 // if it is not the peer's
	login
	timers map[uint32]uint64 // timer → its number in the worker's heap
	keyed  *keyed            // nil: nobody can join it
}

// login is who a session's peer is.
type login struct {
	user      string // empty: it has not logged in
	loggingIn bool   // LOGGED is still to come
}

// since is when the session was opened.
func (s *Session) since() time.Time { return s.w.r.room.started.Add(s.born) }

// name is the peer's address, or what the session is, for status.
func (s *Session) name() string {
	if s.peer.IsValid() {
		return s.peer.String()
	}
	return s.links.name
}

// network is that of its peer, or of the parent's peer; zero: nobody outside.
func (s *Session) network() network {
	switch of := s.links.network; {
	case of != network{}:
		return of
	case s.peer.IsValid():
		return networkOf(s.peer.Addr())
	}
	return network{}
}

// unlinked are the links of a session that has none, as a viewer's. Nobody writes to them.
var unlinked links

// link gives the session's links for a change. Worker, or whoever makes the session.
func (s *Session) link() *links {
	if s.links == &unlinked {
		s.links = new(links)
	}
	return s.links
}

// unlink lets go of links that hold nothing. Worker.
func (s *Session) unlink() {
	l := s.links
	isSource := l.child != nil || l.parent != nil || l.feed != nil || l.pace != nil || l.pack != nil
	isNobodys := l.name == "" && l.login == (login{}) && l.network == (network{})
	if !isSource && l.x == nil && l.answer == nil && len(l.watched) == 0 && isNobodys && len(l.timers) == 0 && l.keyed == nil {
		s.links = &unlinked
	}
}

// inbox is where others leave events for the session.
type inbox struct {
	mu      sync.Mutex
	letters *letters    // nil: there are none
	ready   atomic.Bool // it stands in the worker's ready list
	over    atomic.Bool // the session has ended
	frozen  bool        // nothing is taken out: it may be on its way to another process; the worker's
}

// letters are events that wait.
type letters struct {
	queue  []abi.Event
	points map[*point.Point]bool // that have changed
}

// open gives the letters for a change. The lock is held.
func (i *inbox) open() *letters {
	if i.letters == nil {
		i.letters = new(letters)
	}
	return i.letters
}

// queued gives how many events wait. The lock is held.
func (i *inbox) queued() int {
	if i.letters == nil {
		return 0
	}
	return len(i.letters.queue)
}

// takeFirst takes the first event out. The lock is held.
func (i *inbox) takeFirst() {
	l := i.letters
	l.queue[0] = nil // a viewer is not to hold its request
	l.queue = l.queue[1:]
	i.tidy()
}

// tidy lets go of letters that are none. The lock is held.
func (i *inbox) tidy() {
	if l := i.letters; l != nil && len(l.queue) == 0 && len(l.points) == 0 {
		i.letters = nil
	}
}

// conn is one connection of a session.
type conn struct {
	number uint32
	in     *inlet
	net    *netio.Conn // nil for files and format sessions
	reader *intake     // of net; nil if nobody reads it into in
	file   io.Closer
	flow   *flowing // of datagrams, which come into in
	out    *reach   // to another computer; what comes is read into in
	closed bool
	retain uint64
	keeps  bool

	greeted  bool   // the plugin has consumed or written
	greeting uint64 // timer by which it must have
}

// plain is the connection of an exchange whose body nobody reads. Nobody writes to it.
var plain = []*conn{{number: 1}}

func (s *Session) conn(number uint32) *conn {
	if number == 0 && s.cur.event != nil {
		number = s.cur.event.EventHead().Conn
	}
	for _, c := range s.conns {
		if c.number == number {
			return c
		}
	}
	return nil
}

// enqueue leaves an event for the session; it may be called by any goroutine. A
// session for which too many wait is ended.
func (s *Session) enqueue(e abi.Event) {
	s.inbox.mu.Lock()
	if s.inbox.over.Load() {
		s.inbox.mu.Unlock()
		return
	}
	fits := s.r.admit(s.inbox.queued())
	if fits {
		l := s.inbox.open()
		l.queue = append(l.queue, e)
	}
	s.inbox.mu.Unlock()
	if !fits {
		s.r.reach(eventsBound)
		s.w.post(func() { s.w.end(s, "event_overflow") })
		return
	}
	s.w.markReady(s)
}

// dropQueue lets go of the events of a session that is over.
func (s *Session) dropQueue() {
	s.inbox.mu.Lock()
	s.r.bounds.forget(s.inbox.queued(), 0)
	s.inbox.letters = nil
	s.inbox.mu.Unlock()
}

// hasQueued reports whether an event waits to be handled.
func (s *Session) hasQueued() bool {
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	return s.inbox.queued() > 0
}

func (s *Session) markReady() { s.w.markReady(s) }

// Changed notes a change of a watched point.
func (s *Session) Changed(p *point.Point) {
	if s.inbox.over.Load() {
		return
	}
	s.noteChanged(p)
	s.w.markReady(s)
}

// noteChanged has the next POINT tell of p. It may be called by any goroutine.
func (s *Session) noteChanged(p *point.Point) {
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	l := s.inbox.open()
	if l.points == nil {
		l.points = map[*point.Point]bool{}
	}
	l.points[p] = true
}

func (s *Session) role() Role {
	switch {
	case s.view != nil:
		return RoleViewer
	case s.kind == kindFormat:
		return RoleFormat
	case s.kind == kindPackager:
		return RolePackager
	case s.kind == kindDocument:
		return RoleDocument
	case s.kind == kindSource || s.links.child != nil || s.links.feed != nil:
		return RoleSource
	}
	return RoleNone
}
