//go:build linux

package load_test

import (
	"testing"
	"time"
)

const megabit = 1_000_000 // bits per second

// TestCrowd: many plain TCP viewers of two points, and each gets every byte from where it began; the server has no goroutine of theirs.
func TestCrowd(t *testing.T) {
	viewers, length := scale(150, 500), scale(5*time.Second, time.Minute)
	const lead = 11 * time.Second // more than the buffer, so that the logs have their full size from the start
	s := serve(t, "live: {source: push, buffer: 10s, grace: 0s}", "ts: {source: push, buffer: 10s, grace: 0s}")
	at := s.Addr("web")
	windows, transport := asfFilm(t, 0, lead+length+slack, megabit), tsFilm(lead+length+slack, megabit)
	first := push(t, at, "live", windows, true, lead)
	second := push(t, at, "ts", transport, false, lead)
	ready(t, s, "live", "mmsh", uint64(lead/windows.step)-1)
	ready(t, s, "ts", "mpegts", uint64(lead/transport.step)/framePackets-1)

	forms := []*form{windows.overHTTP("live"), windows.overMMSH("live"), transport.overTS("ts")}
	a := newAudience(t)
	some := sit(3, habit{}, forms...)
	seats := sit(viewers, habit{}, forms...)
	a.join(at, some) // what the first of a kind makes is nobody's growth
	a.wait("watch", some, func(s *seat) bool { return s.first >= 0 })
	before := measure(t)
	a.join(at, seats)
	a.wait("watch", seats, func(s *seat) bool { return s.first >= 0 })
	joined := time.Now()
	var after level
	within(t, "no goroutine is left of the requests", func() bool {
		after = measure(t)
		return after.goroutines <= before.goroutines+noise.goroutines
	})
	each := (after.heap - before.heap) / int64(viewers)
	t.Logf("%d viewers, %d bytes of heap each: %s", viewers, each, after.since(before))
	// Fewer viewers share what the logs' last chunks differ by.
	if most := scale[int64](32<<10, 8<<10); each > most {
		t.Errorf("heap grows by %d bytes a viewer; %d are sane", each, most)
	}
	if p := s.Point("live").Viewers + s.Point("ts").Viewers; p != viewers+len(some) {
		t.Errorf("status tells %d viewers, there are %d", p, viewers+len(some))
	}

	sent, rest := first.sent.Load(), length-time.Since(joined)
	for _, part := range []time.Duration{rest / 2, rest} { // each far below what an event may take
		a.watched(seats[1:2], int(sent+int64(part/windows.step))) // an mmsh viewer, and with it the others
	}
	last := map[*form]int{forms[2]: second.finish()}
	last[forms[0]] = first.finish()
	last[forms[1]] = last[forms[0]]
	a.ended(append(seats, some...), last)
	innocent(t, s)
	st := s.Status().Deliver
	t.Logf("sent %d MB in %d sends; left: %v", st.Bytes>>20, st.Sends, st.Left)
	if st.DroppedPackets > 0 || st.Left["source_end"] != uint64(viewers+len(some)) {
		t.Errorf("dropped %d packets; viewers left: %v", st.DroppedPackets, st.Left)
	}
}
