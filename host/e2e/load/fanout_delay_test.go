//go:build linux

package load_test

import (
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// TestDelay: how long a packet takes from the encoder to a viewer, at a latency of 5 ms and at the default, beside a floor that does nothing but write each
// packet to each viewer when it comes.
//
// The floor is measured at the same time, so what the machine does is in both. The short form's bar is above what a busy machine does to a median, and
// below what a packet waits for that is not sent before the next one comes.
func TestDelay(t *testing.T) {
	const rate, lead = megabit, 2 * time.Second
	viewers, count := scale(20, 200), scale(200, 4000) // of each; packets
	x := newArena(t, []string{"quick: {source: push, buffer: 10s, grace: 0s, latency: 5ms}", "usual: {source: push, buffer: 10s, grace: 0s}"})
	f := asfFilm(t, 0, lead+time.Duration(count)*packetSize*8*time.Second/rate+patience, rate)
	bottom := newFloor(t, f.header)
	var encoders []*encoder
	var seats [][]*seat
	for _, p := range []struct{ at, point string }{{bottom.at, "floor"}, {x.at, "quick"}, {x.at, "usual"}} {
		e := push(t, p.at, p.point, f, false, lead)
		if p.at == x.at {
			x.has(p.point, "asf", int(lead/f.step)-1)
		}
		some := sit(viewers, habit{timed: true}, f.overHTTP(p.point))
		x.audience.join(p.at, some)
		x.audience.wait("watch", some, func(s *seat) bool { return s.first >= 0 })
		encoders, seats = append(encoders, e), append(seats, some)
	}
	for i, some := range seats {
		x.audience.watched(some, int(encoders[i].sent.Load()))
		x.audience.see(func() {
			for _, s := range some {
				s.delays = &delays{sent: encoders[i], from: int(encoders[i].sent.Load()) + 1}
			}
		})
	}
	var medians [3]time.Duration
	for i, some := range seats {
		x.audience.wait("have enough packets", some, func(s *seat) bool { return len(s.delays.list) >= count })
		x.audience.see(func() {
			var all []time.Duration
			for _, s := range some {
				all = append(all, s.delays.list[:count]...)
			}
			medians[i] = middle(all)
		})
	}
	t.Logf("%d viewers each: median delay %v at the floor, %v at a latency of 5 ms, %v at the default", viewers, medians[0], medians[1], medians[2])
	for i, most := range []time.Duration{scale(20*time.Millisecond, 5*time.Millisecond), scale(60*time.Millisecond, 45*time.Millisecond)} {
		if got := medians[i+1] - medians[0]; got > most {
			t.Errorf("%s adds %v to the floor's delay, at most %v", []string{"a latency of 5 ms", "the default"}[i], got, most)
		}
	}
	for i, some := range seats[1:] {
		n := encoders[i+1].finish()
		x.audience.ended(some, map[*form]int{some[0].form: n})
	}
	x.whole(seats[0])
	x.sound()
}

// floor is the least that a server does: one goroutine reads an encoder's packets and writes each to each viewer, who is let in at a key packet.
type floor struct {
	at string

	header []byte

	mu       sync.Mutex
	arriving []net.Conn
	watching []net.Conn
}

func newFloor(t *testing.T, header []byte) *floor {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &floor{at: l.Addr().String(), header: header}
	s := &http.Server{Handler: x}
	over := make(chan struct{})
	go func() { defer close(over); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-over; x.close() })
	return x
}

// ServeHTTP takes the encoder, and viewers.
func (x *floor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		x.relay(r.Body)
		return
	}
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.arriving = append(x.arriving, conn)
}

// relay has the header from the film that is pushed.
func (x *floor) relay(body io.Reader) {
	if _, err := io.ReadFull(body, make([]byte, len(x.header))); err != nil {
		return
	}
	packet := make([]byte, packetSize)
	for {
		if _, err := io.ReadFull(body, packet); err != nil {
			return
		}
		x.spread(packet)
	}
}

func (x *floor) spread(packet []byte) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if packet[streamAt]&keyBit != 0 {
		for _, c := range x.arriving {
			_, _ = c.Write(append([]byte("HTTP/1.1 200 OK\r\n\r\n"), x.header...))
		}
		x.watching, x.arriving = append(x.watching, x.arriving...), nil
	}
	for _, c := range x.watching {
		_, _ = c.Write(packet) // who has gone is no matter of the measurement
	}
}

func (x *floor) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range append(x.arriving, x.watching...) {
		_ = c.Close()
	}
}
