package host

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/handover"
)

// A take-over, step by step. The old server answers at its gate, a unix socket; the new
// one has loaded its configuration and its plugins run, but it has no listener yet.
//
//	new                         old
//	Hello            ────▶
//	                 ◀────      Hello, Sockets…, and from now on the packets of each live pushed point
//	                 ◀────      Ready: all windows were sent
//	(its points are live, with packagers; what two can have open, it has)
//	Commit           ────▶      gives up UDP, and addresses that the new one does not want
//	                 ◀────      Committed
//	(it opens its listeners on the same sockets, the admin API, its gate)
//	Serving          ────▶      retires its listeners; connections that it has, it keeps
//	                 ◀────      Move…, each answered by Moved: sources, with their connections
//	                 ◀────      Settled
//
// Until Serving the old one accepts, so whatever becomes of the new one before, nobody is
// refused. A source moves only when the new one has said so; until then it is read here.
// From then on each point's packets go from the side that has its source to the other.

// stepTimeout bounds the wait for the other side's next step. Chosen: far above what
// plugins and windows take.
const stepTimeout = 30 * time.Second

// greetTimeout bounds the wait for the greeting of one who has connected. Chosen.
const greetTimeout = 2 * time.Second

// defaultTakeoverLimit is how long a server that was taken over waits for its viewers.
const defaultTakeoverLimit = time.Hour

// succession is a server's place between the one before it and the one after it. The
// zero value has neither.
type succession struct {
	mu      sync.Mutex
	gate    *net.UnixListener // where the next server may ask
	path    string
	before  *link // to the server that this one has taken over from
	after   *link // to the server that takes over from this one
	served  bool  // after has the listeners
	settled bool  // before has nothing more to move here
	tally   handover.Tally
	retired chan struct{} // closed when a server that was taken over has nothing more to do
	leave   chan struct{} // closed when the server closes
	once    sync.Once
	loops   sync.WaitGroup
}

func (x *succession) init() {
	x.retired, x.leave = make(chan struct{}), make(chan struct{})
}

// takeoverPath is where a server is asked to be taken over.
func (s *Server) takeoverPath() string {
	c := s.config()
	switch {
	case c.Admin.Socket != "":
		return c.Admin.Socket + ".takeover"
	case c.StateDir != "":
		return filepath.Join(c.StateDir, "takeover.sock")
	}
	return filepath.Join(c.Dir, "takeover.sock")
}

// pushPoints names the points to which encoders push.
func (s *Server) pushPoints() []string {
	var names []string
	for _, p := range s.room.Points() {
		if p.Options().IsPush() {
			names = append(names, p.Name())
		}
	}
	return names
}

func (s *Server) greeting() handover.Greeting {
	g := handover.NewGreeting(os.Getpid(), s.options.Version, s.pushPoints())
	g.Failed = s.failures()
	g.Stopped, g.Started = s.switchedPoints()
	g.Templates = s.templateNames()
	return g
}

// openGate lets the next server ask. Without a gate this one runs, but cannot be taken
// over.
func (s *Server) openGate() {
	x := &s.succession
	path := s.takeoverPath()
	gate, err := handover.Listen(path)
	if err != nil {
		s.log.Warn("this server cannot be taken over", "error", err)
		return
	}
	x.mu.Lock()
	x.gate, x.path = gate, path
	x.mu.Unlock()
	x.loops.Go(func() { s.gateLoop(gate) })
}

// gateLoop owns the gate until that is closed.
func (s *Server) gateLoop(gate *net.UnixListener) {
	for {
		sock, err := gate.AcceptUnix()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				s.log.Error("this server cannot be taken over any more", "error", err)
			}
			return
		}
		conn := handover.NewConn(sock)
		if err := handover.CheckPeer(sock); err != nil {
			if stranger := conn.Stranger(); stranger != nil {
				err = stranger
			}
			s.log.Warn("take-over refused", "error", err)
			sock.Close()
			continue
		}
		s.yieldTo(conn)
	}
}

// closeGate answers no more. A gate that nobody has replaced is removed.
func (s *Server) closeGate(replaced bool) {
	x := &s.succession
	x.mu.Lock()
	gate, path := x.gate, x.path
	x.gate = nil
	x.mu.Unlock()
	if gate == nil {
		return
	}
	_ = gate.Close()
	if replaced {
		return
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("take-over socket not removed", "error", err)
	}
}

// leaveSuccession lets nobody take over any more: the server closes. The relays go on.
func (s *Server) leaveSuccession() {
	x := &s.succession
	x.once.Do(func() { close(x.leave) })
	s.closeGate(false)
}

// closeSuccession ends what a take-over has left: the relays.
func (s *Server) closeSuccession() {
	x := &s.succession
	s.leaveSuccession()
	x.mu.Lock()
	links := []*link{x.before, x.after}
	x.mu.Unlock()
	for _, l := range slices.DeleteFunc(links, func(l *link) bool { return l == nil }) {
		l.Close()
	}
	x.loops.Wait()
}

// closeHomes cuts connections that were moved here.
func (s *Server) closeHomes() {
	x := &s.succession
	x.mu.Lock()
	before := x.before
	x.mu.Unlock()
	if before != nil {
		before.closeHomes()
	}
}

// takenOver tells of the server before this one, nil if it has ended or there was none.
func (s *Server) takenOver() *admin.Takeover {
	x := &s.succession
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.before == nil || x.before.isDead() {
		return nil
	}
	return &admin.Takeover{FromPID: x.before.peer.PID, ViewersLeft: x.tally.Viewers, SourcesRelayed: x.tally.Relayed}
}

// isServed tells whether another server has the listeners.
func (x *succession) isServed() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.served
}

// Retired is closed once another server has taken over and nobody needs this one.
func (s *Server) Retired() <-chan struct{} { return s.succession.retired }
