package deliver

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/stream"
)

// TestViewersHoldLittle measures the heap with many viewers who have got their head and
// are live: what they were attached with is given back, and rules alike are shared.
func TestViewersHoldLittle(t *testing.T) {
	const viewers, most = 2000, 400
	p := newPool(t, Options{Workers: 2, Latency: quick})
	l := stream.New(stream.Options{})
	l.SetHeader([]byte("h"))
	l.Append(media.Packet{Flags: media.Key}, make([]byte, 1000))
	peers := make([]int, viewers)
	own := make([]int, viewers)
	for i := range peers {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		own[i], peers[i] = pair[0], pair[1]
		t.Cleanup(func() { _ = unix.Close(pair[1]) })
	}
	before := heap()
	for _, fd := range own {
		_, err := p.Attach(Attach{
			FD: fd, Head: make([]byte, 500), Log: l, Cursor: l.Cursor(stream.Start{Mode: stream.StartKey}), MaxLag: time.Second,
			OnChange: Rule{Mode: Close, Bytes: make([]byte, 100)}, OnEnd: Rule{Mode: Close, Bytes: make([]byte, 100)}, By: "test",
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	until(t, "all are live", func() bool {
		st := p.Stats()
		return st.Viewers == viewers && st.Bytes == viewers*1500
	})
	each := (int64(heap()) - int64(before)) / viewers
	t.Logf("%d bytes of heap each", each)
	if each > most {
		t.Errorf("a viewer holds %d bytes of the heap, more than %d", each, most)
	}
	runtime.KeepAlive(own)
	runtime.KeepAlive(peers)
}

// heap is what is in use once all garbage is gone.
func heap() uint64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestBurstsAllocateNothing: neither do rounds in parts, nor bursts, take memory.
func TestBurstsAllocateNothing(t *testing.T) {
	s := newSim(t, 40*time.Millisecond, 0)
	defer s.close()
	base := time.Duration(0)
	s.worker.clock = func() time.Duration { base += partTime / 4; return base } // each part is short
	l := tsLog(time.Hour)
	for at := time.Duration(0); at < time.Minute; at += 10 * time.Millisecond {
		s.put(l, at, 100)
	}
	var all []*watcher
	for range 100 {
		all = append(all, s.attach(l, stream.Start{Mode: stream.StartSeq}, Attach{BurstRate: 2}))
	}
	for range 200 {
		s.turn()
	}
	before, turns := s.sends(), 0
	n := testing.AllocsPerRun(200, func() {
		turns++
		s.turn()
		s.drain(all...)
	})
	if n != 0 {
		t.Errorf("%v allocations a turn", n)
	}
	if sent := s.sends() - before; sent == 0 || all[0].state.burst != onBurst {
		t.Errorf("%d sends in %d turns, burst %d", sent, turns, all[0].state.burst)
	}
}
