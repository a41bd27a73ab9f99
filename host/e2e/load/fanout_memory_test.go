//go:build linux

package load_test

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/admin"
)

// viewerMemory is what a plain TCP viewer may take of the server's heap and stacks (delivery, "memory").
const viewerMemory = 1 << 10

// TestMemory: what many plain TCP viewers hold of the server's memory, by its own metrics, and that none of them has a goroutine.
//
// What they hold is what is free again when they have left: a plugin's memory grows in steps of megabytes with the requests that it has seen, stays, and is
// nobody's. (The tables of sessions stay as large as they were too, some 100 bytes for each.)
//
// The short form has a tenth of the viewers, so the same noise weighs ten times as much: how full the logs' last chunks are, and some 100 KiB of the metrics
// themselves. A viewer with a goroutine, a request or a buffer of its own takes more than the short form allows.
func TestMemory(t *testing.T) {
	const rate, lead = 50_000, 21 * time.Second // bits per second; more than the buffer, so that the log has its full size from the start
	viewers, each := scale(1000, 10_000), scale[int64](4*viewerMemory, viewerMemory)
	needDescriptors(t, viewers+1000)
	eager(t)
	x := newArena(t, []string{"live: {source: push, buffer: 20s, grace: 0s}"})
	f := asfFilm(t, 0, lead+10*time.Minute, rate)
	e := push(t, x.at, "live", f, true, lead)
	x.has("live", "asf", int(lead/f.step)-1)
	kind := f.overHTTP("live")
	some := x.seat(100, habit{}, kind)
	for range 4 { // what a plugin's memory grows by is behind it then, most often
		x.audience.leave(x.seat(500, habit{}, kind))
	}
	x.settles(len(some))
	x.hasSpares()
	before := x.footprint()

	seats := sit(viewers, habit{}, kind)
	for i, s := range seats {
		s.habit.home = [4]byte{127, 0, 1, byte(1 + i%200)}
	}
	x.audience.join(x.at, seats)
	x.audience.wait("watch", seats, func(s *seat) bool { return s.first >= 0 })
	x.settles(len(some) + viewers)
	x.audience.watched(seats, int(e.sent.Load()))
	with := x.footprint()
	x.whole(append(seats, some...))
	x.audience.leave(seats)
	x.settles(len(some))
	without := x.footprint()

	held := (with.memory - without.memory) / int64(viewers)
	t.Logf("%d viewers hold %d bytes each; they join: %s; they leave: %s", viewers, held, with.since(before), without.since(with))
	if held > each {
		t.Errorf("a viewer holds %d bytes of heap and stacks, at most %d were promised", held, each)
	}
	if with.goroutines > before.goroutines+noise.goroutines {
		t.Errorf("%d viewers come with %d goroutines", viewers, with.goroutines-before.goroutines)
	}
	if n := with.descriptors - before.descriptors; n > viewers+noise.descriptors {
		t.Errorf("%d viewers come with %d descriptors", viewers, n)
	}
	if without.descriptors > before.descriptors+noise.descriptors {
		t.Errorf("%d descriptors stay", without.descriptors-before.descriptors)
	}
	n := e.finish()
	x.audience.ended(some, map[*form]int{kind: n})
	x.sound()
}

// settles waits until that many viewers are served and nothing of their requests goes on.
func (x *arena) settles(viewers int) {
	x.t.Helper()
	x.until("all are served", func(st admin.Status) bool { return st.Deliver.Viewers == viewers && st.Deliver.Waiting == 0 })
}

// hasSpares waits until the plugins that are in use have their spare instances, which come a second after a plugin's first event and take some 6 MiB each.
func (x *arena) hasSpares() {
	x.t.Helper()
	x.until("plugins have their spares", func(st admin.Status) bool {
		for _, p := range st.Plugins {
			if p.Events > 0 && p.Spares == 0 {
				return false
			}
		}
		return true
	})
}

// needDescriptors raises the limit of open files for this process and those that it starts.
func needDescriptors(t *testing.T, n int) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur >= uint64(n) {
		return
	}
	raised := unix.Rlimit{Cur: uint64(n), Max: max(limit.Max, uint64(n))}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &raised); err != nil {
		t.Skipf("%d open files are needed, %d are allowed: %v", n, limit.Max, err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) })
}
