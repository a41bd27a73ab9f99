package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weir-media/weir/host/internal/handover"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/session"
	"github.com/weir-media/weir/host/internal/steer"
)

// taking is a take-over on the side of the new server. The link's reader owns it once
// the link runs.
type taking struct {
	s       *Server
	l       *link
	sockets takenSockets
	there   offered            // what the old server has offered
	steps   chan handover.Kind // Ready, Committed, Settled, in this order
	refused chan error         // of capacity 1
}

// takeOver prepares this server in the place of the one that runs, up to the moment in
// which that one has given up what two cannot share. It gives nil when there is none.
func (s *Server) takeOver(ctx context.Context) (*taking, error) {
	conn, err := handover.Dial(s.takeoverPath())
	if errors.Is(err, handover.ErrNobody) {
		s.log.Info("no server runs that could be taken over from; this one starts by itself", "socket", s.takeoverPath())
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	peer, err := s.greet(conn)
	if err != nil {
		_ = conn.Close()
		conn.CloseFiles()
		return nil, fmt.Errorf("take over: %w", err)
	}
	s.makeAsBefore(peer.Made)
	s.switchAsBefore(peer.Stopped, peer.Started)
	s.log.Info("taking over", "from_pid", peer.PID, "release", peer.Release)
	t := &taking{s: s, l: newLink(s, conn, peer, peer.Made), steps: make(chan handover.Kind, 4), refused: make(chan error, 1)}
	s.inherited = append([]socketSource{&t.sockets}, s.inherited...)
	t.l.run(t.step)
	if err := t.prepare(ctx); err != nil {
		if !t.l.isDead() || !s.isAlone() {
			t.giveUp()
			return nil, t.refusal(err)
		}
		s.log.Warn("the other process has died while this one took over; this one goes on with what it has got", "pid", peer.PID)
	}
	s.succession.mu.Lock()
	s.succession.before = t.l
	s.succession.mu.Unlock()
	return t, nil
}

// refusal words why there is no take-over.
func (t *taking) refusal(why error) error {
	return fmt.Errorf("take over from process %d: that one goes on and nothing has changed: %w", t.l.peer.PID, why)
}

// dyingFor is how long a process may take between the end of its connections and that of
// its sockets: chosen.
const dyingFor = time.Second

// isAlone tells whether the server that was to be taken over from is dead.
func (s *Server) isAlone() bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(dyingFor); time.Now().Before(end); <-tick.C {
		conn, err := handover.Dial(s.takeoverPath())
		if errors.Is(err, handover.ErrNobody) {
			return true
		}
		if err == nil {
			_ = conn.Close()
		}
	}
	return false
}

// greet exchanges greetings.
func (s *Server) greet(conn *handover.Conn) (peer handover.Greeting, err error) {
	if err = conn.Send(handover.Hello, s.greeting()); err != nil {
		return peer, err
	}
	_ = conn.SetReadDeadline(time.Now().Add(stepTimeout))
	f, err := conn.Read()
	if err != nil {
		return peer, err
	}
	_ = conn.SetReadDeadline(time.Time{})
	f.Close()
	switch f.Kind {
	case handover.Refuse:
		return peer, refusal(f.Body)
	case handover.Hello:
		if err = handover.Unmarshal(f.Body, &peer); err == nil {
			err = peer.Check()
		}
		return peer, err
	}
	return peer, fmt.Errorf("it answers %v", f.Kind)
}

func refusal(body []byte) error {
	var why handover.Text
	if err := handover.Unmarshal(body, &why); err != nil {
		return err
	}
	return fmt.Errorf("it refuses: %s", why.Text)
}

// prepare goes from Ready to Committed.
func (t *taking) prepare(ctx context.Context) error {
	if err := t.await(ctx, handover.Ready); err != nil {
		return err
	}
	t.there = t.sockets.offered()
	if err := t.judge(t.there); err != nil {
		return err
	}
	keeps := t.sockets.keep(t.s.config())
	if err := t.openAside(t.there); err != nil {
		return err
	}
	t.s.awaitPoints(ctx)
	t.l.send(handover.Commit, handover.Group{What: groupTCP, Addresses: keeps})
	if err := t.await(ctx, handover.Committed); err != nil {
		return err
	}
	return t.sockets.adoptSteering(&t.s.steering, steer.Options{Log: t.s.log})
}

// await waits for the other side's next step.
func (t *taking) await(ctx context.Context, want handover.Kind) error {
	timer := time.NewTimer(stepTimeout)
	defer timer.Stop()
	select {
	case k := <-t.steps:
		if k != want {
			return fmt.Errorf("%v came instead of %v", k, want)
		}
		return nil
	case err := <-t.refused:
		return err
	case <-t.l.dead:
		return errors.New("its connection has ended")
	case <-timer.C:
		return fmt.Errorf("no %v within %v", want, stepTimeout)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// step handles what the old server sends. Reader.
func (t *taking) step(f *handover.Frame) error {
	switch f.Kind {
	case handover.Sockets:
		return t.sockets.add(f)
	case handover.Ready, handover.Committed:
		return t.next(f.Kind)
	case handover.Refuse:
		select {
		case t.refused <- refusal(f.Body):
		default:
		}
		return nil
	case handover.Move:
		return t.move(f)
	case handover.Settled, handover.Count:
		x := &t.s.succession
		x.mu.Lock()
		defer x.mu.Unlock()
		if f.Kind == handover.Settled && !x.settled {
			x.settled = true
			if err := t.next(f.Kind); err != nil {
				return err
			}
		}
		return handover.Unmarshal(f.Body, &x.tally)
	}
	return errors.New("not expected here")
}

func (t *taking) next(k handover.Kind) error {
	select {
	case t.steps <- k:
		return nil
	default:
		return errors.New("it comes again")
	}
}

// move takes a source.
func (t *taking) move(f *handover.Frame) error {
	var x session.Export
	if err := handover.Unmarshal(f.Body, &x); err != nil {
		return err
	}
	r := t.l.ports[x.Point]
	if r == nil || len(f.Files) != 1 {
		return fmt.Errorf("a source of point %q with %d descriptors", x.Point, len(f.Files))
	}
	stream, file := f.Stream, f.Files[0]
	f.Files = nil
	t.l.post(func() error {
		why := r.receive(x, file)
		if why != "" {
			t.s.log.Info("source stays with the other process", "point", x.Point, "why", why)
		}
		return t.l.conn.Write(handover.Moved, stream, nil, handover.Marshal(handover.Text{Text: why}))
	})
	return nil
}

// abort leaves the old server as it was, which opens again what it had given up once the
// connection has ended.
func (t *taking) abort() {
	t.sockets.Close()
	t.l.Close()
	t.sockets.Close() // what came meanwhile
}

// serving tells the old server that this one accepts, and waits for the sources that
// can move.
func (t *taking) serving(ctx context.Context) {
	t.sockets.Close()
	t.l.send(handover.Serving, handover.Text{})
	if err := t.await(ctx, handover.Settled); err != nil {
		t.s.log.Warn("taken over, but not all sources have been moved", "error", err)
		return
	}
	x := &t.s.succession
	x.mu.Lock()
	tally := x.tally
	x.mu.Unlock()
	t.s.log.Info("taken over", "from_pid", t.l.peer.PID, "sources_moved", tally.Moved, "sources_relayed", tally.Relayed, "viewers_left_there", tally.Viewers)
}

// packagedWithin bounds the wait for packagers, and for sources that this server starts
// itself. Chosen: a viewer would wait as long.
const packagedWithin = 5 * time.Second

// awaitPoints waits until the points that the other server has live can be watched here.
func (s *Server) awaitPoints(ctx context.Context) {
	limit := time.NewTimer(packagedWithin)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond) // chosen: short beside packaging a window
	defer tick.Stop()
	for {
		var missing []string
		for _, p := range s.room.Points() {
			if !s.room.IsPackaged(p) || !p.Options().IsPush() && p.Snapshot().State == point.Waiting {
				missing = append(missing, p.Name())
			}
		}
		if len(missing) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-limit.C:
			s.log.Warn("taking over before all points can be watched", "points", missing)
			return
		case <-tick.C:
		}
	}
}
