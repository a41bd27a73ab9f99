package host

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"

	"github.com/weir-media/weir/host/internal/handover"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/session"
)

// link joins two servers of which one takes over from the other. Over it go the steps
// of the take-over, and the packets of each pushed point from the side that has its
// source to the other, for as long as both live.
//
// Two goroutines own it: the reader handles what comes, and never waits for the writer;
// the writer alone writes, and owns the outlets. Close joins both.
type link struct {
	room  *session.Room
	log   *slog.Logger
	conn  *handover.Conn
	peer  handover.Greeting
	steps func(*handover.Frame) error // takes what is no packet's; of the reader
	mail  linkMail
	ports map[string]*relay // by point; fixed
	homes homes
	loops sync.WaitGroup
	dead  chan struct{} // closed when the connection is
	once  sync.Once
}

// linkMail is what the writer is to do.
type linkMail struct {
	mu   sync.Mutex
	jobs []func() error
	wake chan struct{} // of capacity 1
}

// homes are the listeners to which connections that were moved here belong.
type homes struct {
	mu     sync.Mutex
	byName map[string]*netio.Listener
}

// newLink makes a link over which the points go that both servers have, and those that the
// new one was asked to make: of these, some may be gone since, and the link's end retires them.
func newLink(s *Server, conn *handover.Conn, peer handover.Greeting, made []handover.Made) *link {
	l := &link{room: s.room, log: s.log.With("peer_pid", peer.PID), conn: conn, peer: peer, dead: make(chan struct{}), ports: map[string]*relay{}}
	l.mail.wake = make(chan struct{}, 1)
	l.homes.byName = map[string]*netio.Listener{}
	number := uint32(0)
	names := slices.Clone(peer.Points)
	for _, m := range made {
		names = append(names, m.Name)
	}
	for _, name := range names { // the streams that come are numbered by the other side
		if p := s.room.Point(name); p != nil && l.ports[name] == nil && p.Options().IsPush() {
			number++
			l.ports[name] = newRelay(l, p, number)
		}
	}
	return l
}

// run starts the goroutines. Frames that are no packet's go to steps.
func (l *link) run(steps func(*handover.Frame) error) {
	l.steps = steps
	l.loops.Go(l.readLoop)
	l.loops.Go(l.writeLoop)
}

// readLoop owns the reading side, and the relays' incoming half.
func (l *link) readLoop() {
	streams := map[uint32]*relay{}
	for {
		f, err := l.conn.Read()
		if err == nil {
			if err = l.take(streams, &f); err != nil {
				err = fmt.Errorf("%v: %w", f.Kind, err)
			}
			f.Close()
		}
		if err != nil {
			l.fail(err)
			break
		}
	}
	for _, r := range l.ports {
		r.lose()
		r.p.Retire()
	}
	l.conn.CloseFiles()
}

func (l *link) take(streams map[uint32]*relay, f *handover.Frame) error {
	switch f.Kind {
	case handover.Begin:
		var s handover.Source
		if err := handover.Unmarshal(f.Body, &s); err != nil {
			return err
		}
		r := l.ports[s.Point]
		if r == nil {
			return fmt.Errorf("a stream of point %q, which is not relayed", s.Point)
		}
		streams[f.Stream] = r
		r.begin(s, fmt.Sprintf("relay from process %d: %s", l.peer.PID, s.Owner))
		return nil
	case handover.Header, handover.Packet, handover.End:
		r := streams[f.Stream]
		if r == nil {
			return fmt.Errorf("no stream %d has begun", f.Stream)
		}
		return r.take(f)
	}
	return l.steps(f)
}

// writeLoop owns the writing side.
func (l *link) writeLoop() {
	for {
		more, err := l.writeOnce()
		if err == nil && !more {
			err = l.conn.Flush()
		}
		if err != nil {
			l.fail(err)
			return
		}
		if more {
			continue
		}
		select {
		case <-l.mail.wake:
		case <-l.dead:
			return
		}
	}
}

// writeOnce does what is posted, then sends a part of what the points have.
func (l *link) writeOnce() (more bool, err error) {
	l.mail.mu.Lock()
	jobs := l.mail.jobs
	l.mail.jobs = nil
	l.mail.mu.Unlock()
	for _, job := range jobs {
		if err := job(); err != nil {
			return false, err
		}
	}
	for _, r := range l.ports {
		m, err := r.advance()
		if err != nil {
			return false, err
		}
		more = more || m
	}
	return more, nil
}

// flushPoints sends all that the points have now. Writer.
func (l *link) flushPoints() error {
	for _, r := range l.ports {
		if _, err := r.advance(); err != nil {
			return err
		}
		if err := r.drain(); err != nil {
			return err
		}
	}
	return nil
}

// flowFeeds gives the sources that come as datagrams.
func (l *link) flowFeeds() []*point.Feed {
	var all []*point.Feed
	for _, r := range l.ports {
		if f := r.ownFeed(); f != nil && l.room.ComesAsDatagrams(f) {
			all = append(all, f)
		}
	}
	return all
}

// post has the writer do a job. After the link's end it may never be done.
func (l *link) post(job func() error) {
	l.mail.mu.Lock()
	l.mail.jobs = append(l.mail.jobs, job)
	l.mail.mu.Unlock()
	l.poke()
}

// send has the writer send a message.
func (l *link) send(k handover.Kind, v any) {
	l.post(func() error { return l.conn.Write(k, 0, nil, handover.Marshal(v)) })
}

func (l *link) poke() {
	select {
	case l.mail.wake <- struct{}{}:
	default:
	}
}

// fail ends the link.
func (l *link) fail(why error) {
	l.once.Do(func() {
		if errors.Is(why, io.EOF) {
			l.log.Info("take-over connection closed by the other side")
		} else if why != nil {
			l.log.Warn("take-over connection lost", "error", why)
		}
		close(l.dead)
		_ = l.conn.Close()
	})
}

// isDead tells whether the link has ended.
func (l *link) isDead() bool {
	select {
	case <-l.dead:
		return true
	default:
		return false
	}
}

// Close ends the link and joins its goroutines. Connections that were moved here go on
// until closeHomes.
func (l *link) Close() {
	l.fail(nil)
	l.loops.Wait()
	for _, r := range l.ports {
		r.close()
	}
}

// home gives the listener of a moved connection.
func (l *link) home(name string) *netio.Listener {
	l.homes.mu.Lock()
	defer l.homes.mu.Unlock()
	h := l.homes.byName[name]
	if h == nil {
		h = netio.Home(name, l.log)
		l.homes.byName[name] = h
	}
	return h
}

// closeHomes cuts moved connections that are being closed.
func (l *link) closeHomes() {
	l.homes.mu.Lock()
	defer l.homes.mu.Unlock()
	for _, h := range l.homes.byName {
		h.Close()
	}
}
