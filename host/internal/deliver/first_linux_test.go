package deliver

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/stream"
)

// TestBeginsWhole: who joins is sent the head and the first packets in one call; the rest
// of the burst waits a little for others who join, and all of it comes.
func TestBeginsWhole(t *testing.T) {
	simulate(t, func(t *testing.T) {
		s := newSim(t, 40*time.Millisecond, 10*time.Microsecond)
		defer s.close()
		l := tsLog(time.Minute)
		for i := range 100 {
			s.put(l, time.Duration(i)*10*time.Millisecond, 1000)
		}
		head := []byte("HTTP/1.1 200 OK\r\n\r\nheader")
		x := s.attach(l, stream.Start{Mode: stream.StartBurst, Back: 2 * time.Second}, Attach{Head: head})
		s.turn()
		if sends, got := x.count.sends.Load(), x.count.bytes.Load(); sends != 1 || got <= uint64(len(head)) || got > readBytes {
			t.Fatalf("%d bytes in %d sends", got, sends)
		}
		began := s.worker.clock()
		var got []byte
		s.run(began+joinPause-tick, func() {})
		if n := x.count.sends.Load(); n != 1 {
			t.Errorf("the burst went on within %v, in %d sends", joinPause, n-1)
		}
		s.run(began+joinPause+2*tick, func() {})
		for {
			n, err := unix.Read(x.peer, s.waste)
			if n <= 0 || err != nil {
				break
			}
			got = append(got, s.waste[:n]...)
		}
		if len(got) != len(head)+100*1000 || !bytes.HasPrefix(got, head) {
			t.Errorf("%d bytes came", len(got))
		}
		if sent := x.Stats().Packets; sent != 100 {
			t.Errorf("%d packets are counted", sent)
		}
	})
}

// TestCrowdGrowsOld: bursts make room for a crowd while it is young; another is one after a pause.
func TestCrowdGrowsOld(t *testing.T) {
	var w worker
	w.bursts.viewers = make([]*Viewer, 1)
	for _, began := range []time.Duration{time.Second, 2 * time.Second} {
		for age := time.Duration(0); age < 2*crowdTime; age += joinPause / 2 {
			now := began + age
			w.turns.noteJoin(now)
			w.turns.served = now - burstPause
			if waits := w.pause(now) > 0; waits != (age <= crowdTime) {
				t.Errorf("a crowd of %v has bursts wait: %v", age, waits)
			}
		}
	}
}

// TestBurstsGoOnWhileOthersJoin: joins that do not end keep nobody from the rest of a burst.
func TestBurstsGoOnWhileOthersJoin(t *testing.T) {
	simulate(t, func(t *testing.T) {
		s := newSim(t, 40*time.Millisecond, 10*time.Microsecond)
		defer s.close()
		l := tsLog(time.Minute)
		for i := range 100 {
			s.put(l, time.Duration(i)*10*time.Millisecond, 1000)
		}
		from := stream.Start{Mode: stream.StartBurst, Back: 2 * time.Second}
		first := s.attach(l, from, Attach{Head: []byte("h")})
		for at := time.Duration(0); at < 2*crowdPause; at += time.Millisecond {
			s.attach(l, from, Attach{Head: []byte("h")})
			s.run(at, func() {})
		}
		if sent := first.Stats().Packets; sent != 100 {
			t.Errorf("%d of 100 packets came", sent)
		}
	})
}
