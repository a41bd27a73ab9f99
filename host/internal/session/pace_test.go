package session

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/stream"
)

// arrivals notes when each packet of a log was appended.
type arrivals struct {
	mu     sync.Mutex
	cursor stream.Cursor
	all    []arrival
	ended  time.Time
}

type arrival struct {
	at  time.Time
	dts media.Time
}

func follow(l *stream.Log) *arrivals {
	a := &arrivals{cursor: l.Cursor(stream.Start{Mode: stream.StartSeq})}
	l.AddWaker(a)
	a.Wake(l)
	return a
}

// Wake reads what has come.
func (a *arrivals) Wake(*stream.Log) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		k, st := a.cursor.Next()
		switch st {
		case stream.HeaderChange:
			a.cursor.TakeHeader()
			continue
		case stream.More:
			a.all = append(a.all, arrival{time.Now(), k.DTS})
			continue
		case stream.Ended:
			a.ended = time.Now()
		}
		return
	}
}

func (a *arrivals) list() []arrival {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]arrival(nil), a.all...)
}

// playing starts a room with a file and gives its log's arrivals.
func playing(t *testing.T, file []byte, loops bool, wait time.Duration) (*rig, *arrivals) {
	r := newRig(t, false, point.Options{Name: "demo", URL: "file:film", Grace: time.Second})
	r.files["film"] = file
	r.add(toyYAML, toy)
	r.add(fileYAML, filer(loops))
	time.Sleep(wait)
	synctest.Wait()
	to, err := r.points["demo"].Rendition("toy")
	if err != nil {
		t.Fatalf("%v; %+v", err, r.points["demo"].Snapshot())
	}
	return r, follow(to.Log)
}

// onTime wants each packet at its own time, counted from the first one.
func onTime(t *testing.T, all []arrival, from time.Time) {
	t.Helper()
	for i, x := range all {
		if want := from.Add(x.dts.Duration()); x.at.Sub(want).Abs() > 2*time.Millisecond {
			t.Fatalf("packet %d of %d is %v off", i, len(all), x.at.Sub(want))
		}
		if i > 0 && x.dts != all[i-1].dts+media.Time(toyStep) {
			t.Fatalf("packet %d at %v follows one at %v", i, x.dts.Duration(), all[i-1].dts.Duration())
		}
	}
}

// TestAnHourWithoutDrift: a file of 10 s looped for an hour comes packet by packet at
// the right time, without a gap at the seams.
func TestAnHourWithoutDrift(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r, got := playing(t, toyFile(20), true, 0)
		time.Sleep(time.Hour)
		synctest.Wait()
		all := got.list()
		if want := int(time.Hour/toyStep) + 1; len(all) != want {
			t.Fatalf("%d packets in an hour, want %d", len(all), want)
		}
		onTime(t, all[1:], start)
		if n := r.room.Runner("toy").one().timers.heap.Len(); n > 100 {
			t.Errorf("%d timers are kept", n)
		}
		r.room.Close()
	})
}

// TestManyLoopsAtOnce: a file of which many rounds fit into what is read ahead.
func TestManyLoopsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r, got := playing(t, toyFile(2), true, 0)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if all := got.list(); len(all) != int(5*time.Minute/toyStep)+1 {
			t.Fatalf("%d packets", len(all))
		}
		onTime(t, got.list()[1:], start)
		r.room.Close()
	})
}

// TestFileIsReadOneSecondAhead: pacing bounds what is read, not only what is sent.
func TestFileIsReadOneSecondAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var file []byte // packets so large that the inlets hold few
		for i := range 100 {
			file = append(file, toyPacket(time.Duration(i)*toyStep, string(make([]byte, 60<<10)))...)
		}
		r, got := playing(t, file, false, 0)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		runner := r.room.Runner("toy")
		var waiting int
		runner.one().do(func() {
			for _, s := range runner.one().sessions {
				waiting = len(s.links.pace.queue)
			}
		})
		if n := len(got.list()); n != 21 {
			t.Errorf("%d packets after 10 s", n)
		}
		if most := int(time.Second/toyStep) + 3; waiting == 0 || waiting > most {
			t.Errorf("%d packets are parsed ahead, at most %d should be", waiting, most)
		}
		r.room.Close()
	})
}

// TestFiniteFilePlaysOut: all of a file that does not loop comes, each packet at its
// time; then the point waits and the file is started again.
func TestFiniteFilePlaysOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		r, got := playing(t, toyFile(20), false, 0)
		time.Sleep(9500*time.Millisecond + 100*time.Millisecond)
		synctest.Wait()
		all := got.list()
		if len(all) != 20 {
			t.Fatalf("%d packets of 20", len(all))
		}
		onTime(t, all, start)
		if p := r.points["demo"]; p.Snapshot().HasSource {
			t.Errorf("after the last packet: %+v", p.Snapshot())
		}
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if snap := r.points["demo"].Snapshot(); !snap.HasSource || snap.State != point.Live {
			t.Errorf("the file was not started again: %+v", snap)
		}
		r.room.Close()
	})
}

// TestMissingFileIsTriedAgain: with waits of 1 s to 30 s that double.
func TestMissingFileIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false, point.Options{Name: "demo", URL: "file:film"})
		r.add(toyYAML, toy)
		r.add(fileYAML, filer(true))
		synctest.Wait()
		if snap := r.points["demo"].Snapshot(); snap.State != point.Failed || snap.Reason != "file does not exist" {
			t.Errorf("%v %q", snap.State, snap.Reason)
		}
		calls := r.counts.called()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		// START, and DIALED, at 1, 3, 7, 15, 31 s and every 30 s from then on.
		if n := (r.counts.called() - calls) / 2; n < 20 || n > 25 {
			t.Errorf("%d attempts in 10 minutes", n)
		}
		r.room.Close()
	})
}
