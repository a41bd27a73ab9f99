package deliver

import (
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/stream"
)

// sim is a worker that is turned by hand in a bubble's time. Each send takes a time that
// is chosen, and peers throw away what they get.
type sim struct {
	t      *testing.T
	worker *worker
	send   time.Duration
	seen   uint64 // sends whose time has passed
	waste  []byte
}

// simulate runs a test whose sims' time passes as soon as all wait.
func simulate(t *testing.T, test func(t *testing.T)) { synctest.Test(t, test) }

func newSim(t *testing.T, latency, send time.Duration) *sim {
	o := Options{Latency: latency}.withDefaults()
	w, err := newWorker(&o, newLedger(1), 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &sim{t: t, worker: w, send: send, waste: make([]byte, 1<<20)}
	w.start = time.Now()
	w.clock = func() time.Duration {
		n := s.sends()
		time.Sleep(time.Duration(n-s.seen) * send)
		s.seen = n
		return time.Since(w.start)
	}
	return s
}

func (s *sim) close() { s.worker.stop.Store(true); s.worker.loop() }

func (s *sim) sends() uint64 {
	n := s.worker.totals.sends.Load()
	for _, f := range s.worker.feeds {
		n += f.sum.sends
	}
	return n
}

// watcher is a viewer and its peer.
type watcher struct {
	*Viewer
	peer int
}

// attach lets a viewer join; it is there after the next turn.
func (s *sim) attach(l *stream.Log, start stream.Start, a Attach) *watcher {
	s.t.Helper()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.attachBy(pair, l, start, a)
}

// attachBy is attach by a socket and its peer.
func (s *sim) attachBy(pair [2]int, l *stream.Log, start stream.Start, a Attach) *watcher {
	s.t.Helper()
	if err := prepare(pair[0], s.worker.options.SendBuffer); err != nil {
		s.t.Fatal(err)
	}
	a.FD, a.Log, a.Cursor = pair[0], l, l.Cursor(start)
	v := newViewer(s.worker, a)
	s.worker.inbox.put(&letter{viewer: v, order: orderAttach})
	s.worker.poke()
	x := &watcher{v, pair[1]}
	s.t.Cleanup(func() { _ = unix.Close(x.peer) })
	return x
}

func (s *sim) drain(all ...*watcher) {
	for _, x := range all {
		for {
			n, err := unix.Read(x.peer, s.waste)
			if n <= 0 || err != nil {
				break
			}
		}
	}
}

// turn is one pass of the worker's loop that does not wait.
func (s *sim) turn() {
	w := s.worker
	events := w.poller.wait(time.Time{}, false)
	w.poked.Store(false)
	w.turn(events, w.clock())
}

// run turns the worker as its loop does until a time.
func (s *sim) run(end time.Duration, after func()) {
	w := s.worker
	for {
		now := w.clock()
		if w.poked.Load() {
			s.turn()
			after()
			continue
		}
		until, block := w.nextTurn(now)
		next := until.Sub(w.start)
		switch {
		case !block:
		case until.IsZero() || next > end:
			if end > now {
				time.Sleep(end - now)
			}
			return
		default:
			time.Sleep(next - now)
		}
		if !block && now >= end {
			return
		}
		s.turn()
		after()
	}
}

func tsLog(window time.Duration) *stream.Log {
	l := stream.New(stream.Options{Window: window, MaxBytes: 1 << 30, ChunkBytes: 1 << 20})
	l.SetHeader([]byte("h"))
	return l
}

// put appends a packet whose time is at.
func (s *sim) put(l *stream.Log, at time.Duration, n int) {
	l.Append(media.Packet{DTS: media.FromDuration(at), Flags: media.Key}, s.waste[:n])
}
