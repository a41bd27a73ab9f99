package host

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/weir-media/weir/host/internal/handover"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/session"
)

// move is a source on its way.
type move struct {
	frozen *session.Frozen
	feed   *point.Feed
	relay  *relay
	answer chan string // "" for success; closed without one when the link dies
}

// moveEvery is how often sources are looked for that can be moved; one that has events
// to handle is tried again as soon. Chosen.
const moveEvery = 20 * time.Millisecond

// moveLoop moves the sources that can be, and tells the new server how many viewers are
// left. It ends with the link.
func (y *yielding) moveLoop() {
	tick := time.NewTicker(moveEvery)
	defer tick.Stop()
	stays, settled := map[*point.Feed]bool{}, false
	var told handover.Tally
	tally := handover.Tally{Viewers: -1}
	for {
		waiting := 0
		tally.Relayed = 0
		for _, r := range y.l.ports {
			feed := r.ownFeed()
			switch {
			case feed == nil:
			case stays[feed]:
				tally.Relayed++
			default:
				err := y.move(r, feed)
				switch {
				case err == nil:
					tally.Moved++
				case session.IsBusy(err):
					waiting++
				default:
					stays[feed] = true
					tally.Relayed++
					y.s.log.Info("source is relayed", "point", r.p.Name(), "source", feed.Owner(), "why", err)
				}
			}
		}
		tally.Viewers = y.s.viewersHere()
		switch {
		case !settled && waiting == 0:
			settled, told = true, tally
			body := handover.Marshal(tally)
			y.l.post(func() error {
				defer close(y.settled)
				return errors.Join(y.l.conn.Write(handover.Settled, 0, nil, body), y.l.conn.Flush())
			})
		case settled && tally != told:
			told = tally
			y.l.send(handover.Count, tally)
		}
		select {
		case <-y.l.dead:
			return
		case <-y.s.succession.leave:
			return
		case <-tick.C:
		}
	}
}

// viewersHere counts this server's viewers, and those of the servers before it, which it
// relays to.
func (s *Server) viewersHere() int {
	x := &s.succession
	x.mu.Lock()
	defer x.mu.Unlock()
	n := int(s.pool.Stats().Viewers)
	if x.before != nil && !x.before.isDead() {
		n += x.tally.Viewers
	}
	return n
}

// move passes a source to the new server. On an error it goes on here.
func (y *yielding) move(r *relay, feed *point.Feed) error {
	frozen, err := y.s.room.Freeze(feed)
	if err != nil {
		return err
	}
	m := &move{frozen: frozen, feed: feed, relay: r, answer: make(chan string, 1)}
	x, file, err := frozen.Export()
	if err == nil {
		err = y.dispatch(m, x, file)
	}
	if err != nil {
		frozen.Thaw()
		return err
	}
	why, ok := <-m.answer
	switch {
	case !ok:
		frozen.Thaw()
		return errors.New("the new process has ended")
	case why != "":
		return fmt.Errorf("the new process: %s", why) // moved has thawed it
	}
	y.s.log.Info("source moved away", "point", r.p.Name(), "source", x.Parent.Plugin+" "+x.Parent.Name, "pid", y.l.peer.PID)
	return nil
}

// dispatch has the writer send a source behind the last of its packets.
func (y *yielding) dispatch(m *move, x session.Export, file *os.File) error {
	body := handover.Marshal(x)
	if len(body) > handover.MaxBody {
		_ = file.Close()
		return fmt.Errorf("%w: it holds too much input", session.ErrStays)
	}
	succession := &y.s.succession
	succession.mu.Lock()
	if y.moves == nil {
		succession.mu.Unlock()
		_ = file.Close()
		return errors.New("the new process has ended")
	}
	y.moves[m.relay.number] = m
	succession.mu.Unlock()
	y.l.post(func() error {
		defer file.Close()
		if _, err := m.relay.advance(); err != nil {
			return err
		}
		if err := m.relay.drain(); err != nil {
			return err
		}
		return y.l.conn.Write(handover.Move, m.relay.number, []int{int(file.Fd())}, body)
	})
	return nil
}

// moved takes the new server's answer: from now on it sends what the source brings.
// Reader.
func (y *yielding) moved(stream uint32, why string) error {
	x := &y.s.succession
	x.mu.Lock()
	m := y.moves[stream]
	delete(y.moves, stream)
	x.mu.Unlock()
	if m == nil {
		return errors.New("nothing was moved")
	}
	if why != "" {
		m.frozen.Thaw()
	} else {
		m.relay.adopt(m.frozen.Drop(), fmt.Sprintf("relay from process %d: %s", y.l.peer.PID, m.feed.Owner()))
	}
	m.answer <- why
	return nil
}

// adopt makes a feed the relay's whose source is now on the other side.
func (r *relay) adopt(feed *point.Feed, owner string) {
	if feed == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.in.feed == nil && feed.Pass(owner) == nil {
		r.in.feed = feed
	}
}

// receive takes a moved source into this process, and says why not. Writer.
func (r *relay) receive(x session.Export, file *os.File) (why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	feed := r.in.feed
	if feed == nil {
		_ = file.Close()
		return "point " + x.Point + " has another source there"
	}
	r.noteNext()
	if err := r.l.room.Import(x, feed, r.l.home(x.Conn.Listener), file); err != nil {
		_ = file.Close()
		return err.Error()
	}
	r.in.feed = nil
	return ""
}
