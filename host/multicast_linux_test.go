package host_test

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/sample"
	"github.com/weir-media/weir/sdk/asf"
)

// callYAML has a point that is fed, and callers by UDP.
const callYAML = `
listeners:
  web: {address: "127.0.0.1:0"}
  calls: {protocol: udp, address: "127.0.0.1:0"}
points:
  live: {source: push, grace: 1s%s}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["*"]}}
  asf: {module: "builtin:asf"}
  callin: {module: "builtin:callin", listeners: [calls], grant: {attach: ["live"]}}
`

func serveCalls(t *testing.T, more string) *hosttest.Server {
	t.Helper()
	return hosttest.Start(t, fmt.Sprintf(callYAML, more), hosttest.WithPlugin("callin", filepath.Join("..", "testplugins", "callin")))
}

// listen gives a receiver and its address.
func listen(t *testing.T) (*net.UDPConn, string) {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, c.LocalAddr().String()
}

// datagram reads one.
func datagram(t *testing.T, c *net.UDPConn) []byte {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	b := make([]byte, 1<<16)
	n, err := c.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return b[:n]
}

// wantFilm reads the header of the film and then packets of it, each a datagram.
func wantFilm(t *testing.T, c *net.UDPConn, packets int) {
	t.Helper()
	film := sample.Demo()
	n, size, err := asf.HeaderSize(film)
	if err != nil {
		t.Fatal(err)
	}
	if b := datagram(t, c); !bytes.Equal(b[:16], film[:16]) || len(b) != n {
		t.Fatalf("%d bytes came in the place of the header's %d", len(b), n)
	}
	wantPackets(t, c, packets, size)
}

func wantPackets(t *testing.T, c *net.UDPConn, packets, size int) {
	t.Helper()
	for range packets {
		if b := datagram(t, c); size > 0 && len(b) != size || len(b) < 100 {
			t.Fatalf("a packet of %d bytes, want %d", len(b), size)
		}
	}
}

// TestCallers: who calls by UDP becomes a viewer, sent to from the address that was called;
// one that has gone ends alone.
func TestCallers(t *testing.T) {
	s := serveCalls(t, "")
	b := air(t, s, 0)
	call := func(words string) *net.UDPConn {
		c, err := net.Dial("udp4", s.Addr("calls")) // nothing else than from there is received
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := c.Write([]byte(words)); err != nil {
			t.Fatal(err)
		}
		key := bytes.TrimSpace(datagram(t, c.(*net.UDPConn)))
		if !bytes.HasPrefix(key, []byte("KEY ")) {
			t.Fatalf("got %q", key)
		}
		if _, err := c.Write([]byte(string(key) + " " + words)); err != nil {
			t.Fatal(err)
		}
		return c.(*net.UDPConn)
	}
	stays, leaves, bye := call("JOIN live asf"), call("JOIN live asf"), call("JOIN live asf")
	for _, c := range []*net.UDPConn{stays, leaves, bye} {
		if got := datagram(t, c); string(got) != "HELLO live asf\n" {
			t.Fatalf("got %q", got)
		}
		wantFilm(t, c, 3)
	}
	s.WaitViewers("live", 3)
	leaves.Close()
	s.WaitViewers("live", 2)
	if _, err := bye.Write([]byte("BYE")); err != nil {
		t.Fatal(err)
	}
	s.WaitViewers("live", 1)
	wantPackets(t, stays, 20, 0)
	if no := call("JOIN nix"); !bytes.HasPrefix(datagram(t, no), []byte("NO ")) {
		t.Error("a point that is not granted is given")
	}
	for _, x := range s.Sessions("live") {
		if x.Plugin == "callin" && (x.Role != "viewer" || x.Rendition != "asf" || x.BytesOut == 0 || x.Peer != stays.LocalAddr().String()) {
			t.Errorf("%+v", x)
		}
	}
	if _, err := stays.Write([]byte("BYE")); err != nil {
		t.Fatal(err)
	}
	s.WaitViewers("live", 0) // the listener's socket has no viewer
	last := call("JOIN live asf")
	if got := datagram(t, last); string(got) != "HELLO live asf\n" {
		t.Fatalf("got %q", got)
	}
	s.WaitViewers("live", 1)
	b.encoder.Close()
	for string(datagram(t, last)) != "END\n" {
	}
	s.WaitViewers("live", 0)
}

// TestDestinations: receivers that the configuration names are sent to, come and go by a
// change without a touch of others, and one that has gone harms nobody.
func TestDestinations(t *testing.T) {
	first, at := listen(t)
	second, also := listen(t)
	to := func(groups ...string) string {
		var list []string
		for _, g := range groups {
			list = append(list, fmt.Sprintf("{rendition: asf, group: %q}", g))
		}
		return ", multicast: [" + strings.Join(list, ", ") + "]"
	}
	s := serveCalls(t, to(at))
	air(t, s, 0)
	wantFilm(t, first, 3)
	p, err := s.Apply(fmt.Sprintf(callYAML, to(at, also)))
	if err != nil || len(p.Changes) != 1 || p.Changes[0].Note != "1 destination is sent to from now on, the other goes on undisturbed" {
		t.Fatalf("%+v, %v", p, err)
	}
	wantFilm(t, second, 3)
	wantPackets(t, first, 10, 0)
	if m := s.Point("live").Multicast; len(m) != 2 || m[0].State != "sending" || m[0].Datagrams == 0 || m[0].Rendition != "asf" {
		t.Errorf("%+v", m)
	}
	second.Close()
	s.Wait("the second is paused", func() bool {
		for _, m := range s.Point("live").Multicast {
			if m.To == also && m.State == "paused" && m.Reason == "connection refused" {
				return true
			}
		}
		return false
	})
	wantPackets(t, first, 10, 0)
	p, err = s.Apply(fmt.Sprintf(callYAML, to(at)))
	if err != nil || p.Changes[0].Note != "1 destination gets no more, the other goes on undisturbed" {
		t.Fatalf("%+v, %v", p, err)
	}
	wantPackets(t, first, 10, 0)
	if m := s.Point("live").Multicast; len(m) != 1 || m[0].To != at || m[0].DroppedDatagrams != 0 {
		t.Errorf("%+v", m)
	}
	if _, err = s.Apply(fmt.Sprintf(callYAML, to("0.0.0.0:9"))); err == nil || !strings.Contains(err.Error(), "points.live.multicast.0.group: 0.0.0.0 is neither") {
		t.Errorf("no address: %v", err)
	}
}

// TestUnknownInterface: the server starts, says what to do, and sends to the others.
func TestUnknownInterface(t *testing.T) {
	c, at := listen(t)
	s := serveCalls(t, `, multicast: [{rendition: asf, group: "239.192.7.9:9", interface: nosuch0}, {rendition: asf, group: "`+at+`"}]`)
	air(t, s, 0)
	wantFilm(t, c, 3)
	s.Wait("the other has failed", func() bool {
		for _, m := range s.Point("live").Multicast {
			if m.State == "failed" && strings.Contains(m.Remedy, "there is no interface nosuch0; bring it up") {
				return true
			}
		}
		return false
	})
	if log := s.Log(); !strings.Contains(log, "points.live.multicast.0.interface: there is no interface") {
		t.Errorf("the log says nothing of it:\n%s", log)
	}
	metrics := ask(t, s, "/metrics")
	for state, n := range map[string]int{"sending": 1, "waiting": 0, "paused": 0, "failed": 1} {
		if want := fmt.Sprintf("weir_multicast_destinations{point=\"live\",state=%q} %d\n", state, n); !strings.Contains(metrics, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
}

// TestPlanOfServedPoint: a plan names each setting of a point that differs, with its old and new
// value, and says since when it is in force for whom.
func TestPlanOfServedPoint(t *testing.T) {
	const group = `, multicast: {rendition: asf, group: "127.0.0.1:9"}`
	s := serveCalls(t, group+", latency: 20ms")
	p, err := s.Plan(fmt.Sprintf(callYAML, group+", latency: 5ms, burst_rate: 2, max_lag: 5s"))
	if err != nil || len(p.Changes) != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	keys := fmt.Sprint(p.Changes[0].Keys)
	if want := "[{points.live.burst_rate  2} {points.live.latency 20ms 5ms} {points.live.max_lag  5s}]"; keys != want {
		t.Errorf("keys are %s, want %s", keys, want)
	}
	const note = "for viewers who join from now on: max_lag 10s -> 5s, latency 20ms -> 5ms, burst_rate 0 -> 2; " +
		"destinations that are sent to now have the old values until their rendition begins anew"
	if p.Changes[0].Note != note {
		t.Errorf("it says %q", p.Changes[0].Note)
	}
}

// TestDestinationsTakenOver: the server that takes over sends, and the one before it no more.
func TestDestinationsTakenOver(t *testing.T) {
	c, at := listen(t)
	s := serveCalls(t, fmt.Sprintf(", multicast: {rendition: asf, group: %q}", at))
	air(t, s, 0)
	wantFilm(t, c, 3)
	next := s.TakeOver()
	next.Wait("the new server sends", func() bool {
		m := next.Point("live").Multicast
		return len(m) == 1 && m[0].State == "sending" && m[0].Datagrams > 5 && m[0].DroppedDatagrams == 0
	})
	if m := s.Point("live").Multicast; len(m) != 0 {
		t.Errorf("the old server still sends: %+v", m)
	}
	wantPackets(t, c, 10, 0)
}
