package deliver

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/host/internal/stream"
)

// TestHeldViewerKeepsNothing: a held viewer whose place has left the log lets go of it, goes
// on at a key packet, and what it did not get is counted; where lag drops viewers, it is
// dropped no sooner than it goes on.
func TestHeldViewerKeepsNothing(t *testing.T) {
	const size, packets = 1000, 2000
	for name, rule := range map[string]LagRule{"skip": LagSkip, "drop": LagDrop} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(t *testing.T) {
				s := newSim(t, 5*time.Millisecond, 0)
				defer s.close()
				l := stream.New(stream.Options{MaxBytes: 256 << 10, ChunkBytes: 64 << 10})
				k := newSink()
				v := s.attach(l, stream.Start{}, Attach{OnLag: rule, Sink: k})
				s.put(l, 0, size)
				s.run(time.Second, func() { s.drain(v) })
				v.Hold()
				put := func(at time.Duration) {
					for range packets {
						s.put(l, at, size)
						at += time.Millisecond
						s.run(at, func() { s.drain(v) })
					}
				}
				put(time.Second)
				s.run(4*time.Second+releaseEvery, func() {})
				put(4*time.Second + releaseEvery)
				missed := s.worker.totals.missed[Overran].packets.Load()
				if (missed > 0) != (rule == LagSkip) || missed == 0 && !v.cursor.Lost() || v.gone.Load() {
					t.Fatalf("%d packets left out, lost: %v, gone: %v", missed, v.cursor.Lost(), v.gone.Load())
				}
				v.Resume()
				s.run(7*time.Second+releaseEvery, func() { s.drain(v) })
				s.drain(v)
				if rule == LagDrop {
					k.wantLeft(t, Lag)
					return
				}
				sent, st := v.Stats().Packets, v.Stats()
				missed = s.worker.totals.missed[Overran].packets.Load()
				if n := s.worker.totals.missed[Overran].bytes.Load(); st.DroppedPackets != missed || n != missed*size || sent+missed != 2*packets+1 || sent < 2 {
					t.Errorf("%d sent, %d left out, %d bytes of them: %+v", sent, missed, n, st)
				}
			})
		})
	}
}

// TestHeldByHeader: a viewer that a new header holds, and whose place has left the log since, is told of the header that is in force where it goes on.
func TestHeldByHeader(t *testing.T) {
	simulate(t, func(t *testing.T) {
		s := newSim(t, 5*time.Millisecond, 0)
		defer s.close()
		l := stream.New(stream.Options{MaxBytes: 256 << 10, ChunkBytes: 64 << 10})
		l.SetHeader([]byte("first"))
		k := newSink()
		v := s.attach(l, stream.Start{}, Attach{OnChange: Rule{Mode: Event}, Sink: k})
		s.put(l, 0, 10)
		s.run(time.Second, func() { s.drain(v) })
		l.SetHeader([]byte("second"))
		s.put(l, time.Second, 10)
		s.run(2*time.Second, func() {})
		k.wantHeld(t, HeaderChange)
		l.SetHeader([]byte("third"))
		for at := 2 * time.Second; at < 2*time.Second+2*releaseEvery; at += 10 * time.Millisecond {
			s.put(l, at, 1000)
			s.run(at, func() {})
		}
		if v.cursor.Lost() {
			t.Fatal("its place has left the log still")
		}
		v.Resume()
		s.run(4*time.Second+2*releaseEvery, func() { s.drain(v) })
		synctest.Wait()
		k.wantHeld(t, HeaderChange)
		v.Resume()
		s.put(l, 4*time.Second+2*releaseEvery, 10)
		s.run(5*time.Second+2*releaseEvery, func() { s.drain(v) })
		if got := v.cursor.Header(); got == nil || string(got.Bytes) != "third" || v.state.held {
			t.Errorf("header %v, held: %v", got, v.state.held)
		}
	})
}
