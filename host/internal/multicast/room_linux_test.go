package multicast

import (
	"bytes"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/deliver"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/point"
)

// patience is how long a test waits for an event before it fails.
const patience = 20 * time.Second

type rig struct {
	t     *testing.T
	pool  *deliver.Pool
	room  *Room
	point *point.Point
	feed  *point.Feed
	tick  chan time.Time // ends the room's waiting
	asked chan time.Duration
}

func newRig(t *testing.T) *rig {
	pool, err := deliver.New(deliver.Options{Workers: 2, Latency: 2 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, pool: pool, tick: make(chan time.Time), asked: make(chan time.Duration, 100)}
	r.room = New(Options{Pool: pool, Log: slog.New(slog.DiscardHandler), After: func(d time.Duration) <-chan time.Time {
		r.asked <- d
		return r.tick
	}})
	r.point = point.New(point.Options{Name: "live", Grace: time.Hour, Latency: 2 * time.Millisecond}, nil)
	t.Cleanup(func() {
		r.room.Close()
		pool.Close()
	})
	return r
}

// open has a source feed the point.
func (r *rig) open(rendition string) {
	r.t.Helper()
	feed, err := r.point.Publish("test", true, time.Now())
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := feed.Open(rendition); err != nil {
		r.t.Fatal(err)
	}
	feed.SetHeader([]byte("HEADER"))
	r.feed = feed
}

func (r *rig) put(b string) { r.feed.Append(media.Packet{Flags: media.Key}, []byte(b)) }

func (r *rig) receiver() (*net.UDPConn, Destination) {
	r.t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.Close() })
	return c, Destination{Point: r.point, Rendition: "asf", To: c.LocalAddr().(*net.UDPAddr).AddrPort(), TTL: -1, Loopback: true}
}

func (r *rig) want(c *net.UDPConn, want string) {
	r.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 2000)
	n, err := c.Read(b)
	if err != nil || !bytes.Equal(b[:n], []byte(want)) {
		r.t.Fatalf("got %q, %v; want %q", b[:n], err, want)
	}
}

func (r *rig) until(what string, ok func([]Status) bool) {
	r.t.Helper()
	end := time.Now().Add(patience)
	for tick := time.NewTicker(time.Millisecond); !ok(r.room.Of(r.point)); <-tick.C {
		if time.Now().After(end) {
			r.t.Fatalf("not reached: %s: %+v", what, r.room.Of(r.point))
		}
	}
}

func (r *rig) untilState(want State) {
	r.t.Helper()
	r.until(string(want), func(all []Status) bool { return len(all) > 0 && all[0].State == want })
}

func TestSourceComesAndGoes(t *testing.T) {
	r := newRig(t)
	c, d := r.receiver()
	r.room.Set([]Destination{d})
	r.untilState(Waiting)
	if st := r.room.Of(r.point)[0]; st.Reason != noRendition {
		t.Errorf("it waits since %q", st.Reason)
	}
	r.open("mpegts") // another form
	r.put("x")
	r.feed.Close("gone")
	r.untilState(Waiting)
	for round := range 2 {
		r.open("asf") // the form before ends
		r.untilState(Sending)
		if round == 0 {
			r.want(c, "HEADER")
		}
		r.put("first")
		r.want(c, "first")
		r.feed.Close("gone") // viewers are kept for the grace period
	}
	r.open("mpegts") // asf ends
	r.untilState(Waiting)
	r.feed.Close("gone")
	r.open("asf")
	r.want(c, "HEADER")
	r.put("again")
	r.want(c, "again")
	r.until("all is counted", func(all []Status) bool { return all[0].Datagrams >= 5 }) // once the system has it
	if st := r.room.Of(r.point)[0]; st.Bytes != 2*6+2*5+5 || st.Datagrams != 5 || st.Dropped != 0 {
		t.Errorf("%+v", st)
	}
}

func TestSetLeavesOthersAlone(t *testing.T) {
	r := newRig(t)
	r.open("asf")
	a, first := r.receiver()
	b, second := r.receiver()
	r.room.Set([]Destination{first})
	r.want(a, "HEADER")
	r.room.Set([]Destination{first, second})
	r.want(b, "HEADER")
	r.put("both")
	r.want(a, "both") // and no second header
	r.want(b, "both")
	r.room.Set([]Destination{second})
	for end := time.Now().Add(patience); r.pool.Stats().Viewers > 1; {
		if time.Now().After(end) {
			t.Fatal("the first destination is still sent to")
		}
		<-time.After(time.Millisecond)
	}
	r.put("one")
	r.want(b, "one")
	second.TTL = 7
	r.room.Set([]Destination{second})
	r.want(b, "HEADER")
	if all := r.room.Of(r.point); len(all) != 1 || all[0].TTL != 7 {
		t.Errorf("%+v", all)
	}
	_ = a.SetReadDeadline(time.Now().Add(time.Millisecond))
	if n, err := a.Read(make([]byte, 10)); err == nil {
		t.Errorf("%d bytes for one that is configured no more", n)
	}
	r.room.Close()
	r.room.Set([]Destination{first})
	if all := r.room.Of(r.point); len(all) != 0 {
		t.Errorf("after Close: %+v", all)
	}
}

func TestUnknownInterfaceIsTriedAgain(t *testing.T) {
	r := newRig(t)
	r.open("asf")
	d := Destination{Point: r.point, Rendition: "asf", To: netip.MustParseAddrPort("239.192.7.7:26000"), TTL: 1, Interface: "nosuch0"}
	r.room.Set([]Destination{d})
	r.untilState(Failed)
	st := r.room.Of(r.point)[0]
	if !strings.Contains(st.Reason, "interface nosuch0") || !strings.Contains(st.Remedy, "there is no interface nosuch0; bring it up") {
		t.Errorf("%q; %q", st.Reason, st.Remedy)
	}
	if wait := <-r.asked; wait <= 0 || wait > leastRetry {
		t.Errorf("it is tried again after %v", wait)
	}
}

func TestRefusingReceiverIsPaused(t *testing.T) {
	r := newRig(t)
	r.open("asf")
	c, d := r.receiver()
	other, fine := r.receiver()
	r.room.Set([]Destination{d, fine})
	r.want(c, "HEADER")
	r.want(other, "HEADER")
	c.Close()
	of := func(all []Status) Status {
		for _, st := range all {
			if st.To == d.To {
				return st
			}
		}
		return Status{}
	}
	r.until("paused", func(all []Status) bool {
		r.put("x")
		r.want(other, "x")
		return of(all).State == Paused && of(all).Reason == "connection refused" && of(all).Dropped > 0
	})
	r.until("tried again", func(all []Status) bool {
		r.put("x")
		r.want(other, "x")
		return of(all).Retries > 0
	})
}
