package host

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weir-media/weir/host/internal/handover"
	"github.com/weir-media/weir/host/internal/point"
)

// yielding is a take-over on the side of the old server. The link's reader owns it, but
// for answers.
type yielding struct {
	s         *Server
	l         *link
	made      []handover.Made       // points that the new server is asked to make
	listeners map[string]*listening // that were offered
	released  []*listening          // at Commit
	committed bool
	settled   chan struct{}    // closed when Settled was sent
	moves     map[uint32]*move // by stream; of the mover and the reader, under s.succession.mu
}

// yieldTo serves one who wants to take over: one at a time.
func (s *Server) yieldTo(conn *handover.Conn) {
	_ = conn.SetReadDeadline(time.Now().Add(greetTimeout))
	f, err := conn.Read()
	if err != nil || f.Kind != handover.Hello {
		if stranger := conn.Stranger(); stranger != nil { // it has seen whose this one is, and left
			err = stranger
		} else {
			err = errors.Join(errors.New("no greeting"), err)
		}
		s.log.Warn("take-over refused", "error", err)
		_ = conn.Close()
		conn.CloseFiles()
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	f.Close()
	var peer handover.Greeting
	if err = handover.Unmarshal(f.Body, &peer); err == nil {
		err = peer.Check()
	}
	if err == nil {
		err = s.mayYield()
	}
	if err != nil {
		s.log.Warn("take-over refused", "by_pid", peer.PID, "error", err)
		_ = conn.Send(handover.Refuse, handover.Text{Text: err.Error()})
		_ = conn.Close()
		conn.CloseFiles()
		return
	}
	s.log.Info("another process begins to take over", "pid", peer.PID, "release", peer.Release)
	made := s.madeFor(peer)
	y := &yielding{s: s, l: newLink(s, conn, peer, made), made: made, moves: map[uint32]*move{}, settled: make(chan struct{})}
	x := &s.succession
	x.mu.Lock()
	x.after = y.l
	x.mu.Unlock()
	y.l.post(y.offer)
	y.l.run(y.step)
	x.loops.Go(y.watch)
}

// mayYield says why nobody can take over now.
func (s *Server) mayYield() error {
	s.mu.Lock()
	closing := s.closing
	s.mu.Unlock()
	x := &s.succession
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.served || closing:
		return errors.New("this server is ending")
	case x.after != nil && !x.after.isDead():
		return fmt.Errorf("process %d is taking over already", x.after.peer.PID)
	case x.before != nil && !x.settled && !x.before.isDead():
		return errors.New("this server has not yet taken over itself all that it can; try again in a moment")
	}
	return nil
}

// offer greets, and sends sockets and windows. Writer.
func (y *yielding) offer() error {
	c := y.l.conn
	g := y.s.greeting()
	g.Made = y.made
	if err := c.Write(handover.Hello, 0, nil, handover.Marshal(g)); err != nil {
		return err
	}
	groups, listeners, err := y.s.offeredSockets()
	if err != nil {
		return err
	}
	y.s.succession.mu.Lock()
	y.listeners = listeners
	y.s.succession.mu.Unlock()
	for _, g := range groups {
		err = errors.Join(err, g.write(c))
	}
	if err != nil {
		return err
	}
	if err := y.l.flushPoints(); err != nil { // the windows
		return err
	}
	return c.Write(handover.Ready, 0, nil, handover.Marshal(handover.Text{}))
}

// step handles what the new server sends. Reader.
func (y *yielding) step(f *handover.Frame) error {
	switch f.Kind {
	case handover.Commit:
		var keeps handover.Group
		if err := handover.Unmarshal(f.Body, &keeps); err != nil {
			return err
		}
		return y.commit(keeps)
	case handover.Serving:
		if !y.committed {
			return errors.New("it serves without Commit")
		}
		y.serving()
		return nil
	case handover.Moved:
		var why handover.Text
		if err := handover.Unmarshal(f.Body, &why); err != nil {
			return err
		}
		return y.moved(f.Stream, why.Text)
	}
	return errors.New("not expected here")
}

// commit gives up what two processes cannot share: datagrams, and addresses that the
// new one does not want as they are.
func (y *yielding) commit(keeps handover.Group) error {
	s := y.s
	if !s.changes.mu.TryLock() { // an apply holds plugins at its gate, and they could not be asked
		y.l.send(handover.Refuse, handover.Text{Text: "the configuration of the old server is being changed; try again"})
		return nil
	}
	defer s.changes.mu.Unlock()
	flows := y.l.flowFeeds() // asks plugins, so before the lock
	s.mu.Lock()
	defer s.mu.Unlock()
	y.s.succession.mu.Lock()
	offered := y.listeners
	y.s.succession.mu.Unlock()
	for name, l := range s.listeners {
		if offered[name] != l || s.closing {
			y.l.send(handover.Refuse, handover.Text{Text: "the configuration of the old server has changed meanwhile; try again"})
			return nil
		}
	}
	if y.lacksMade() {
		y.l.send(handover.Refuse, handover.Text{Text: "a point was made meanwhile; try again"})
		return nil
	}
	y.committed, s.closing = true, true
	for _, l := range s.listeners {
		switch {
		case l.isSteered(): // until the new server has put its sockets in the table
			continue
		case len(l.udp) > 0:
			l.close() // what waits in its sockets is the new server's
		case l.tcp != nil && !slices.Contains(keeps.Addresses, l.config.Name):
			l.tcp.Retire(false)
		default:
			continue
		}
		y.released = append(y.released, l)
	}
	y.s.succession.loops.Go(func() { y.committedAfter(flows) })
	return nil
}

// flowTimeout is how long plugins may take to end the sources whose datagrams have
// stopped: chosen.
const flowTimeout = time.Second

// committedAfter says that this server has taken its hands off, once the other one has
// been told that these sources have left: their next datagrams are its.
func (y *yielding) committedAfter(flows []*point.Feed) {
	tick := time.NewTicker(time.Millisecond) // chosen: short beside all else
	defer tick.Stop()
	isThere := func(f *point.Feed) bool { return f.Point().Feed() == f }
	for end := time.Now().Add(flowTimeout); slices.ContainsFunc(flows, isThere) && time.Now().Before(end); <-tick.C {
	}
	y.l.post(func() error {
		if err := y.l.flushPoints(); err != nil {
			return err
		}
		return y.l.conn.Write(handover.Committed, 0, nil, handover.Marshal(handover.Text{}))
	})
}

// serving leaves all addresses to the new server, and has the sources moved.
func (y *yielding) serving() {
	s := y.s
	s.mu.Lock()
	for _, l := range s.listeners {
		switch {
		case l.tcp != nil:
			l.tcp.Retire(l.isSteered()) // an anchor's queue is nobody else's
		case l.isSteered():
			l.close()
		}
	}
	s.mu.Unlock()
	if s.admin != nil {
		s.admin.Release()
	}
	s.closeGate(true)
	s.sap.Close(true)   // the new server announces the same
	s.multicast.Close() // and sends to the same
	x := &s.succession
	x.mu.Lock()
	x.served = true
	x.mu.Unlock()
	x.loops.Go(s.vitals.records.archive.Close) // it waits for the disk
	s.changes.watch.follow()                   // it ends: the files are the other process's
	s.log.Info("another process has taken over; this one keeps its viewers", "pid", y.l.peer.PID, "viewers", s.viewersHere(), "limit", s.takeoverLimit())
	x.loops.Go(y.moveLoop)
	x.loops.Go(y.retire)
}

// watch waits for the link's end: before Serving, this server goes on as if nothing had
// been.
func (y *yielding) watch() {
	<-y.l.dead
	y.l.loops.Wait()
	s, x := y.s, &y.s.succession
	x.mu.Lock()
	served := x.served
	for _, m := range y.moves {
		close(m.answer)
	}
	y.moves = nil
	x.mu.Unlock()
	if served {
		return
	}
	y.l.Close()
	s.log.Warn("the take-over has failed; this server goes on", "pid", y.l.peer.PID)
	if y.committed {
		y.resume()
	}
}

// resume opens again what Commit has given up, unless the server closes.
func (y *yielding) resume() {
	s := y.s
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.succession.leave:
		return
	default:
	}
	s.closing = false
	for _, l := range y.released {
		if l.tcp != nil {
			s.changes.retired.Go(func() { l.finish(s.changes.ended) })
		} else {
			l.close()
		}
		s.listeners[l.config.Name] = s.tryListener(l.config)
	}
	if table := s.steering.inUse(); table != nil {
		if err := table.Resume(); err != nil {
			s.log.Error("steering not in force", "error", err)
		}
	}
	s.goListeners()
}

func (s *Server) takeoverLimit() time.Duration {
	if s.options.TakeoverLimit > 0 {
		return s.options.TakeoverLimit
	}
	return defaultTakeoverLimit
}

// retire waits until nobody needs this server any more, or the limit has passed.
func (y *yielding) retire() {
	s, x := y.s, &y.s.succession
	defer close(x.retired)
	select {
	case <-y.settled:
	case <-y.l.dead:
	case <-x.leave:
		return
	}
	limit := time.NewTimer(s.takeoverLimit())
	defer limit.Stop()
	tick := time.NewTicker(100 * time.Millisecond) // chosen: nobody waits for it
	defer tick.Stop()
	for idle := 0; idle < idleTicks; {
		if idle++; s.isNeeded() {
			idle = 0
		}
		select {
		case <-limit.C:
			s.log.Warn("the limit after the take-over has passed", "viewers", s.pool.Stats().Viewers)
			return
		case <-x.leave:
			return
		case <-tick.C:
		}
	}
	s.log.Info("all viewers have left; nothing keeps this process")
}

// idleTicks is how often in a row a server must have nothing to do: a connection between
// its acceptance and its plugin may not be counted for a moment. Chosen.
const idleTicks = 2

// isNeeded tells whether a server that was taken over still serves anybody.
func (s *Server) isNeeded() bool {
	x := &s.succession
	x.mu.Lock()
	before, after := x.before, x.after
	x.mu.Unlock()
	if s.pool.Stats().Viewers > 0 || before != nil && !before.isDead() || s.room.HasPeers() {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.listeners {
		if l.tcp != nil && l.tcp.Busy() > 0 {
			return true
		}
	}
	for _, r := range after.ports {
		if r.ownFeed() != nil {
			return true
		}
	}
	return false
}
