package session

import (
	"errors"
	"fmt"

	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/point"
)

// ErrStays is in the error of Freeze for a source that cannot go to another process.
var ErrStays = errors.New("the source stays")

// errBusy is in the error of Freeze when another try, a moment later, may succeed.
var errBusy = errors.New("the source has events to handle first")

// IsBusy tells whether Freeze may succeed a moment later.
func IsBusy(err error) bool { return errors.Is(err, errBusy) }

// Frozen is a source that stands still: its connection is not read and its plugins are
// told nothing, while its point and viewers live on. Exactly one of Thaw and Drop ends
// that. One goroutine at a time uses it, and none of a worker.
type Frozen struct {
	room   *Room
	feed   *point.Feed
	parent *Session
	child  *Session
	reader *intake // that was halted; nil if the input had ended before
}

// Freeze stops the pushed source that holds the feed: what it has sent so far is either
// in the point, or in the state and input of its sessions, or still in its connection.
func (room *Room) Freeze(feed *point.Feed) (*Frozen, error) {
	f := &Frozen{room: room, feed: feed}
	for _, r := range room.Runners() {
		r.each(f.find)
	}
	if f.child == nil || f.parent == nil {
		return nil, fmt.Errorf("%w: no session feeds the point", ErrStays)
	}
	var err error
	if !f.parent.w.do(func() { f.reader, err = f.parent.movable() }) {
		err = ErrStays
	}
	if err != nil {
		return nil, err
	}
	if f.reader != nil {
		f.reader.halt()
	}
	for _, s := range []*Session{f.parent, f.child} {
		s.w.do(func() { err = errors.Join(err, s.freeze()) })
	}
	if err != nil {
		f.Thaw()
		return nil, err
	}
	return f, nil
}

// ComesAsDatagrams tells whether the source that holds the feed is a flow of datagrams.
func (room *Room) ComesAsDatagrams(feed *point.Feed) (is bool) {
	f := &Frozen{feed: feed}
	for _, r := range room.Runners() {
		r.each(f.find)
	}
	if f.parent != nil {
		f.parent.w.do(func() { is = len(f.parent.conns) > 0 && f.parent.conns[0].flow != nil })
	}
	return is
}

// find looks for the feed's session among those of a worker. Worker.
func (f *Frozen) find(w *worker) {
	for _, s := range w.sessions {
		if s.links.feed == f.feed {
			f.child, f.parent = s, s.links.parent
		}
	}
}

// movable says whether the sessions of a source can go to another process, and gives the
// reader of its connection. Worker.
func (s *Session) movable() (*intake, error) {
	stays := func(why string) (*intake, error) { return nil, fmt.Errorf("%w: %s", ErrStays, why) }
	l := s.links
	switch {
	case s.inbox.over.Load() || l.child == nil:
		return stays("it is ending")
	case s.kind != kindExchange && s.kind != kindRaw, s.view != nil:
		return stays("it was not pushed over a connection of its own")
	case len(s.conns) != 1 || s.conns[0].net == nil || s.conns[0].in == nil || s.conns[0].closed:
		return stays("it has not one connection")
	case s.conns[0].net.TLS():
		return stays("it comes over TLS")
	case s.kind == kindExchange && (l.x == nil || l.x.over || l.x.conn == nil):
		return stays("its request is answered")
	case s.conns[0].in.hasEnded():
		return stays("its input has ended")
	}
	return s.conns[0].reader, nil
}

func (i *inlet) hasEnded() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.tail.ended || i.tail.closed
}

// freeze has nothing more told to the session. Worker.
func (s *Session) freeze() error {
	switch {
	case s.inbox.over.Load():
		return fmt.Errorf("%w: it is ending", ErrStays)
	case s.links.pace != nil:
		return fmt.Errorf("%w: it is paced", ErrStays)
	case s.kind == kindFormat && len(s.conns) != 1:
		return fmt.Errorf("%w: its format has connections", ErrStays)
	case s.hasQueued():
		return errBusy
	}
	s.inbox.frozen = true
	s.rest()
	s.solo, s.late = false, false
	return nil
}

// Thaw lets the source go on here.
func (f *Frozen) Thaw() {
	for _, s := range []*Session{f.child, f.parent} {
		s.w.do(func() {
			s.inbox.frozen = false
			s.markReady()
		})
	}
	old := f.reader
	if old == nil || old.in.hasEnded() {
		return
	}
	f.parent.w.do(func() {
		if f.parent.inbox.over.Load() {
			return
		}
		k := newIntake(old.c, old.in, old.limit)
		k.into(old.gather.point.Load(), &f.room.sources.read)
		f.parent.conns[0].reader = k
		f.room.readers.Go(k.run)
	})
}

// Drop forgets the source: another process has it. The feed that it gives is the
// caller's; nil when the source has lost its point meanwhile.
func (f *Frozen) Drop() *point.Feed {
	kept := false
	f.child.w.do(func() {
		if f.child.inbox.over.Load() {
			return
		}
		kept = true
		f.child.link().feed, f.child.link().parent = nil, nil
		f.child.w.end(f.child, movedAway)
	})
	f.parent.w.do(func() {
		s := f.parent
		if s.inbox.over.Load() {
			return
		}
		s.link().child = nil
		var c *netio.Conn
		if x := s.links.x; x != nil {
			c, x.over = x.conn, true
		} else {
			c = s.conns[0].net
		}
		s.conns[0].net = nil
		s.w.end(s, movedAway)
		c.Close() // another process has the peer's connection too
	})
	if !kept {
		return nil
	}
	return f.feed
}

// movedAway is why a session ends that goes on in another process.
const movedAway = "moved"
