//go:build linux

package load_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// Slow viewers get small buffers and a film of 8 Mbit/s, so that they are late within seconds.
const slowBuffer = 8 << 10

// TestSlowReaders: viewers that read too little, or nothing, are moved on to a key packet or closed, as the point's rule says. The others lose nothing.
func TestSlowReaders(t *testing.T) {
	const lead = 3 * time.Second
	length := scale(6*time.Second, 100*time.Second)
	s := serve(t, "skip: {source: push, buffer: 3s, grace: 0s, max_lag: 1s}", "drop: {source: push, buffer: 3s, grace: 0s, max_lag: 1s, on_lag: drop}")
	at := s.Addr("web")
	f := asfFilm(t, 0, lead+length+slack, 8*megabit)
	encoders := []*encoder{push(t, at, "skip", f, true, lead), push(t, at, "drop", f, false, lead)}
	a := newAudience(t)
	var healthy, bursty, stuck, dropped []*seat
	forms := map[string]*form{}
	for _, point := range []string{"skip", "drop"} {
		ready(t, s, point, "mmsh", uint64(lead/f.step)-1)
		plain, mmsh := f.overHTTP(point), f.overMMSH(point)
		forms[point+" http"], forms[point+" mmsh"] = plain, mmsh
		healthy = append(healthy, sit(20, habit{}, plain, mmsh)...)
		late := append(sit(4, habit{deaf: true, receive: slowBuffer}, plain, mmsh), sit(4, habit{bite: 1, every: time.Second, receive: slowBuffer}, plain, mmsh)...)
		if point == "drop" {
			dropped = append(late, sit(4, habit{every: time.Hour, receive: slowBuffer}, plain, mmsh)...)
			continue
		}
		stuck = late
		bursty = sit(6, habit{every: 3 * time.Second / 2, skips: true, receive: slowBuffer}, plain, mmsh)
	}
	a.join(at, healthy)
	a.wait("watch", healthy, func(s *seat) bool { return s.first >= 0 })
	before := measure(t)
	before.heap -= spareHeap(s)
	for _, seats := range [][]*seat{bursty, stuck, dropped} {
		a.join(at, seats)
	}
	since := encoders[0].sent.Load()

	s.Wait("viewers are dropped for their lag", func() bool { return s.Status().Deliver.Left["lag"] == uint64(len(dropped)) })
	a.wait("were moved on twice", bursty, func(s *seat) bool { return s.gaps >= 2 })
	if soak {
		s.Wait("deaf viewers are given up", func() bool { return s.Status().Deliver.Left["stalled"] >= 4 })
	}
	a.watched(healthy, int(since+int64(length/f.step)))
	after := measure(t)
	after.heap -= spareHeap(s)
	if n := int64(len(bursty) + len(stuck) + len(dropped)); after.heap-before.heap > n<<20 {
		t.Errorf("heap grew from %d to %d KiB for %d slow viewers", before.heap>>10, after.heap>>10, n)
	}
	judgeDrops(t, s, a, bursty)

	last := map[*form]int{}
	for i, point := range []string{"skip", "drop"} {
		n := encoders[i].finish()
		last[forms[point+" http"]], last[forms[point+" mmsh"]] = n, n
	}
	a.ended(append(healthy, bursty...), last)
	a.leave(stuck)
	s.WaitViewers("skip", 0)
	s.WaitViewers("drop", 0)
	before.heap += spareHeap(s)
	settled(t, before)
	innocent(t, s)
}

// judgeDrops compares what the server says that it dropped with what viewers miss.
func judgeDrops(t *testing.T, s *hosttest.Server, a *audience, bursty []*seat) {
	t.Helper()
	var missed uint64
	a.see(func() {
		for _, x := range bursty {
			missed += uint64(x.missed)
		}
	})
	told := s.Status().Deliver.DroppedPackets
	if missed == 0 || told < missed {
		t.Errorf("viewers miss %d packets, status tells %d", missed, told)
	}
	var inSessions uint64
	for _, x := range s.Sessions("skip") {
		inSessions += x.DroppedPackets
	}
	if inSessions < missed {
		t.Errorf("viewers miss %d packets, their sessions tell %d", missed, inSessions)
	}
	text := metrics(t, s)
	// One that has not caught up since it joined may fall out of the buffer before it is too late.
	lag, overrun := metric(t, text, `weir_deliver_dropped_total{reason="lag"}`), metric(t, text, `weir_deliver_dropped_total{reason="overrun"}`)
	if uint64(lag+overrun) < told || lag == 0 {
		t.Errorf("status tells %d dropped packets, the metrics %v by lag and %v by overrun", told, lag, overrun)
	}
	if n := metric(t, text, `weir_deliver_left_total{reason="lag"}`); n == 0 {
		t.Error("the metrics tell of nobody who was dropped")
	}
	t.Logf("viewers miss %d packets; status tells %d", missed, told)
}

// metrics is what the server tells Prometheus.
func metrics(t *testing.T, s *hosttest.Server) string {
	t.Helper()
	return scrape(t, s.Dir())
}

// scrape asks the server whose folder that is.
func scrape(t *testing.T, dir string) string {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dir, "weir.sock"))
	}}}
	r, err := c.Get("http://localhost/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("metrics: %s, %v", r.Status, err)
	}
	return string(b)
}

func metric(t *testing.T, text, name string) float64 {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (.*)$`).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("the metrics have no %s", name)
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
