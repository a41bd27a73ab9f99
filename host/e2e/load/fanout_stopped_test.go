//go:build linux

package load_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/admin"
)

// pinned is what the kernel may hold at the server for a viewer who has stopped reading: the send buffer that a pool asks for, 256 KiB, which the kernel
// doubles (socket(7), SO_SNDBUF), and one send on top. Without that bound it is some 4 MiB (tcp(7), tcp_wmem).
const pinned = 640 << 10

// TestStoppedReaders: a tenth of the viewers stops reading, and whoever of them is given up is followed by another. The server's memory and what the
// kernel holds for them stay bounded, and the others lose nothing and wait no longer than before.
func TestStoppedReaders(t *testing.T) {
	const rate, lead = 2 * megabit, 3 * time.Second
	length, each := scale(8*time.Second, 10*time.Minute), scale(2*time.Second, 30*time.Second) // each: well below patience
	viewers := scale(100, 200)
	eager(t)
	x := newArena(t, []string{"live: {source: push, buffer: 10s, grace: 0s}"})
	f := asfFilm(t, 0, lead+length+5*each+slack+patience, rate)
	e := push(t, x.at, "live", f, true, lead)
	x.has("live", "mmsh", int(lead/f.step)-1)
	forms := []*form{f.overHTTP("live"), f.overMMSH("live")}
	others := x.seat(viewers*9/10, habit{timed: true}, forms...)

	window := func() time.Duration {
		x.audience.forget(others)
		x.audience.watched(others, int(e.sent.Load()+int64(each/f.step)))
		return x.audience.worst(others)
	}
	var before, meanwhile []time.Duration
	for range scale(1, 5) {
		before = append(before, window())
	}
	var stopped []*seat
	most := uint32(0)
	stop := func() {
		more := x.seat(viewers/10, habit{skips: true, receive: 64 << 10}, forms...)
		x.audience.deafen(more)
		x.until("sockets of those who have stopped are full", func(st admin.Status) bool { return st.Deliver.Waiting >= len(more) })
		held := x.pinned(more)
		if held == 0 {
			t.Error("the kernel holds nothing for those who have stopped: they have not")
		}
		stopped, most = append(stopped, more...), max(most, held)
	}
	stop()
	was := x.footprint()
	for range length / each {
		meanwhile = append(meanwhile, window())
		most = max(most, x.pinned(stopped))       // of those who were not given up meanwhile
		if x.status().Deliver.Viewers < viewers { // they were given up
			stop()
		}
	}
	x.flat(was, x.footprint(), 8<<20, scale[int64](32<<20, 16<<20))
	t.Logf("%d viewers stopped, for each of whom the kernel holds at most %d KiB; the others wait at worst %v before it and %v meanwhile (medians)",
		len(stopped), most>>10, middle(before), middle(meanwhile))
	if most > pinned {
		t.Errorf("the kernel holds %d KiB for a viewer who does not read, at most %d are allowed", most>>10, pinned>>10)
	}
	if soak && middle(meanwhile) > middle(before)+growth {
		t.Errorf("the others' longest wait grows from %v to %v: %v, %v", middle(before), middle(meanwhile), before, meanwhile)
	}
	if soak && x.status().Deliver.Left["stalled"] == 0 {
		t.Error("nobody who had stopped was given up")
	}
	n := e.finish()
	x.audience.ended(others, map[*form]int{forms[0]: n, forms[1]: n})
	x.sound()
}

// pinned is the most that the kernel holds at the server for any of these viewers.
func (x *arena) pinned(seats []*seat) (most uint32) {
	x.t.Helper()
	all, err := kernelSockets(netip.MustParseAddrPort(x.at).Port(), stateEstablished)
	if err != nil {
		x.t.Fatal(err)
	}
	held := map[string]uint32{}
	for _, s := range all {
		held[s.remote] = s.queued
	}
	for _, s := range seats {
		most = max(most, held[s.from])
	}
	return most
}
