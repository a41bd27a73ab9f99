package deliver

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/stream"
)

// reader is a watcher whose bytes are kept.
type reader struct {
	*watcher
	got []byte
	at  int // where in the log its bytes begin
}

func (r *reader) read() {
	b := make([]byte, 1<<20)
	for {
		n, err := unix.Read(r.peer, b)
		if n <= 0 || err != nil {
			return
		}
		r.got = append(r.got, b[:n]...)
	}
}

// TestConvoy: viewers who are together, who have come apart because their sockets were full, who were held and written to, and who come in the midst of it,
// each get every byte of the log in its order, and their counts say so.
func TestConvoy(t *testing.T) {
	dice := rand.New(rand.NewPCG(3, 4))
	for what, c := range map[string]struct {
		packets int
		size    func() int
	}{
		"many packets in a chunk": {400, func() int { return 1 + dice.IntN(20_000) }},
		"one packet in a chunk":   {400, func() int { return 40_000 }}, // what is next is always in the next chunk, and a socket may take a part
	} {
		t.Run(what, func(t *testing.T) { convoys(t, dice, c.packets, c.size) })
	}
}

func convoys(t *testing.T, dice *rand.Rand, packets int, size func() int) {
	simulate(t, func(t *testing.T) {
		s := newSim(t, 5*time.Millisecond, time.Microsecond)
		defer s.close()
		l := stream.New(stream.Options{Window: time.Hour, MaxBytes: 1 << 30, ChunkBytes: 64 << 10})
		l.SetHeader([]byte("h"))
		var film []byte
		var starts []int
		var all []*reader
		join := func() {
			all = append(all, &reader{watcher: s.attachBy(tcpPair(t), l, stream.Start{}, Attach{Hold: dice.IntN(8) == 0}), at: len(film)})
		}
		for range 20 {
			join()
		}
		s.turn()
		for i := range packets {
			b := make([]byte, size())
			for k := range b {
				b[k] = byte(i + k/256)
			}
			starts = append(starts, len(film))
			film = append(film, b...)
			l.Append(media.Packet{DTS: media.FromDuration(time.Duration(i) * time.Millisecond), Flags: media.Key}, b)
			s.run(time.Duration(i)*time.Millisecond, func() {})
			if i%40 == 20 {
				join()
				s.turn()
			}
			x := all[dice.IntN(len(all))]
			switch dice.IntN(6) {
			case 0:
				x.Hold()
			case 1, 2:
				x.Resume()
			case 3:
				x.read() // the others' sockets fill
			case 4:
				for _, x := range all {
					x.read()
				}
			}
		}
		for _, x := range all {
			x.Resume()
		}
		for missing := true; missing; {
			missing = false
			for _, x := range all {
				x.read()
				missing = missing || len(x.got) < len(film)-x.at
			}
			s.turn() // who can be written to is told by an event
			s.run(s.worker.clock()+10*time.Millisecond, func() {})
		}
		for i, x := range all {
			if want := film[x.at:]; !bytes.Equal(x.got, want) {
				t.Errorf("viewer %d has %d bytes that are not the log's %d", i, len(x.got), len(want))
			}
			st := x.Stats()
			var want uint64
			for _, at := range starts {
				if at >= x.at {
					want++
				}
			}
			if st.Bytes != uint64(len(x.got)) || st.Packets != want || x.count.at.Load() != l.Written() {
				t.Errorf("viewer %d: %d bytes and %d packets of %d and %d, at %d of %d", i, st.Bytes, st.Packets, len(x.got), want, x.count.at.Load(), l.Written())
			}
		}
	})
}

// TestFollow: who stands where the viewer before stood follows it, and whoever is asked anything else does not.
func TestFollow(t *testing.T) {
	rules := Attach{MaxLag: time.Hour}
	for what, c := range map[string]struct {
		leader, viewer Attach
		change         func(s *sim, v *Viewer) // of the viewer, before
		follows        bool
	}{
		"at the same place":   {rules, rules, func(*sim, *Viewer) {}, true},
		"under other rules":   {rules, Attach{MaxLag: time.Minute}, func(*sim, *Viewer) {}, false},
		"held":                {rules, rules, func(_ *sim, v *Viewer) { v.state.held = true }, false},
		"leaving":             {rules, rules, func(_ *sim, v *Viewer) { v.state.leave = Closed }, false},
		"in a burst":          {rules, rules, func(_ *sim, v *Viewer) { v.state.burst = firstBurst }, false},
		"to change":           {rules, rules, func(_ *sim, v *Viewer) { v.state.next = &letter{} }, false},
		"at its end":          {rules, rules, func(_ *sim, v *Viewer) { v.state.ended = true }, false},
		"with output":         {rules, rules, func(_ *sim, v *Viewer) { v.add([]byte("rest"), 0) }, false},
		"at another place":    {rules, rules, func(_ *sim, v *Viewer) { v.cursor.Advance(1) }, false},
		"beside no leader":    {rules, rules, func(s *sim, _ *Viewer) { s.worker.convoy = convoy{leads: true} }, false},
		"outside of a round":  {rules, rules, func(s *sim, _ *Viewer) { s.worker.convoy = convoy{} }, false},
		"with a skip to tell": {Attach{OnLag: LagSkip, MaxLag: time.Nanosecond}, Attach{OnLag: LagSkip, MaxLag: time.Nanosecond}, func(*sim, *Viewer) {}, false},
	} {
		t.Run(what, func(t *testing.T) {
			simulate(t, func(t *testing.T) {
				s := newSim(t, 5*time.Millisecond, time.Microsecond)
				defer s.close()
				l := tsLog(time.Hour)
				s.put(l, 0, 100)
				leader, viewer := s.attach(l, stream.Start{}, c.leader), s.attach(l, stream.Start{}, c.viewer)
				s.run(time.Second, func() { s.drain(leader, viewer) })
				s.put(l, time.Second, 100)
				s.put(l, 2*time.Second, 100)
				w := s.worker
				w.convoy = convoy{leads: true}
				w.serve(leader.Viewer, w.clock())
				c.change(s, viewer.Viewer)
				before := viewer.count.bytes.Load()
				if got := w.follow(viewer.Viewer, w.clock()); got != c.follows {
					t.Errorf("it follows: %v", got)
				}
				want := before
				if c.follows {
					want += 200
				}
				if n := viewer.count.bytes.Load(); n != want {
					t.Errorf("it was sent %d bytes, not %d", n, want)
				}
				viewer.state.next = nil
			})
		})
	}
}

// tcpPair makes a socket that may take a part of what it is given, unlike a socket pair's, and its peer.
func tcpPair(t *testing.T) (pair [2]int) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	const kind = unix.SOCK_STREAM | unix.SOCK_CLOEXEC
	listener, err := unix.Socket(unix.AF_INET, kind, 0)
	must(err)
	defer unix.Close(listener)
	must(unix.Bind(listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(unix.Listen(listener, 1))
	at, err := unix.Getsockname(listener)
	must(err)
	pair[1], err = unix.Socket(unix.AF_INET, kind, 0)
	must(err)
	must(unix.SetsockoptInt(pair[1], unix.SOL_SOCKET, unix.SO_RCVBUF, 128<<10))
	must(unix.Connect(pair[1], at))
	must(unix.SetNonblock(pair[1], true))
	pair[0], _, err = unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	must(err)
	return pair
}
