package session

import (
	"io"
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
	id   uint64
	r    *Runner
	w    *worker
	era  *era // nil before its first event
	born time.Time
	kind kind
	name string // peer's address or what it is, for status
	on   string // point's name, once known
	// network is its peer's, or that of the parent's peer; zero: nobody outside.
	network network
	blob    []byte
	schema  string // that blob was written in
	inbox   inbox
	conns   []*conn
	links   links
	timers  map[uint32]uint64 // timer → its number in the worker's heap
	telling
}

// telling is how far a session is with what it is told.
type telling struct {
	cur    current
	data   abi.Data // reused for each DATA
	refuse int      // batches refused in a row
	solo   bool     // the event under way wants a frame of its own
	late   bool     // the event under way, or its frame, has run out of time once
	lost   losses   // of the event under way
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
	view      *view
	child     *Session // format session that this one feeds
	childDone bool     // it has answered the end of its input
	parent    *Session // of a format session
	feed      *point.Feed
	pace      *pacer
	pack      *packing
	answer    func(documentAnswer)
	watched   []*point.Point
}

// inbox is where others leave events for the session.
type inbox struct {
	mu     sync.Mutex
	queue  []abi.Event
	ready  atomic.Bool // it stands in the worker's ready list
	over   atomic.Bool // the session has ended
	frozen bool        // nothing is taken out: it may be on its way to another process; the worker's
	points map[*point.Point]bool
}

// current is the event that is under way.
type current struct {
	event abi.Event
	from  origin
	conn  *conn
	input delivery
	point *point.Point // that an unanswered POINT tells of
}

type origin uint8

const (
	fromNowhere origin = iota
	fromQueue
	fromPoint
	fromInput
	fromPackets
	fromHeader
)

// conn is one connection of a session.
type conn struct {
	number uint32
	in     *inlet
	net    *netio.Conn // nil for files and format sessions
	reader *intake     // of net; nil if nobody reads it into in
	file   io.Closer
	flow   *flowing // of datagrams, which come into in
	closed bool
	retain uint64
	keeps  bool

	greeted  bool   // the plugin has consumed or written
	greeting uint64 // timer by which it must have
}

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
	fits := s.r.admit(len(s.inbox.queue))
	if fits {
		s.inbox.queue = append(s.inbox.queue, e)
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
	s.r.bounds.forget(len(s.inbox.queue), 0)
	s.inbox.queue = nil
	s.inbox.mu.Unlock()
}

// hasQueued reports whether an event waits to be handled.
func (s *Session) hasQueued() bool {
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	return len(s.inbox.queue) > 0
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
	if s.inbox.points == nil {
		s.inbox.points = map[*point.Point]bool{}
	}
	s.inbox.points[p] = true
}

func (s *Session) role() Role {
	switch {
	case s.links.view != nil:
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
