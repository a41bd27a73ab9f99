package deliver

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/stream"
)

// receiver is a bound socket with the system's default buffer.
func receiver(t testing.TB) (*net.UDPConn, netip.AddrPort) {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// collect reads datagrams until n bytes have come, and gives them with their sizes.
func collect(t testing.TB, c *net.UDPConn, n int) (all []byte, sizes []int) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 1<<16)
	for len(all) < n {
		got, err := c.Read(b)
		if err != nil {
			t.Fatalf("after %d of %d bytes in %d datagrams: %v", len(all), n, len(sizes), err)
		}
		all = append(all, b[:got]...)
		sizes = append(sizes, got)
	}
	return all, sizes
}

func attachUDP(t testing.TB, p *Pool, s *script, to netip.AddrPort, more func(*AttachUDP)) (*Viewer, *sink) {
	t.Helper()
	k := newSink()
	a := AttachUDP{To: to, Socket: UDPSocket{TTL: -1}}
	a.Log, a.Cursor, a.Sink = s.log, s.log.Cursor(stream.Start{}), k
	if more != nil {
		more(&a)
	}
	v, err := p.AttachUDP(a)
	if err != nil {
		t.Fatal(err)
	}
	return v, k
}

func TestUDPCutsTheRun(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	s := &script{log: stream.New(stream.Options{})}
	c, to := receiver(t)
	for range 100 { // before there is a viewer: what completes no datagram would be sent after a while
		s.put(188*3-16, media.Key)
	}
	s.log.End()
	_, k := attachUDP(t, p, s, to, func(a *AttachUDP) {
		a.Segment, a.First = 1316, [][]byte{[]byte("first"), bytes.Repeat([]byte("h"), 1317)}
		a.OnEnd, a.Cursor = Rule{Mode: Close, Bytes: []byte("BYE")}, s.log.Cursor(stream.Start{Mode: stream.StartSeq})
	})
	want := append([]byte("first"), bytes.Repeat([]byte("h"), 1317)...)
	want = append(append(want, s.bytes(0, 100, 188*3-16)...), "BYE"...)
	got, sizes := collect(t, c, len(want))
	if !bytes.Equal(got, want) {
		t.Fatal("the bytes are not those of the log")
	}
	if head := sizes[:3]; head[0] != 5 || head[1] != 1316 || head[2] != 1 {
		t.Errorf("prefix and header came in datagrams of %v bytes", head)
	}
	if last := sizes[len(sizes)-1]; last != 3 {
		t.Errorf("what is sent at the end came in a datagram of %d bytes", last)
	}
	for i, n := range sizes[3 : len(sizes)-2] {
		if n != 1316 {
			t.Errorf("datagram %d of %d has %d bytes", i, len(sizes), n)
		}
	}
	if st := k.wantLeft(t, SourceEnd); st.Bytes != uint64(len(want)) || st.Packets != 100 {
		t.Errorf("%+v, want %d bytes and 100 packets", st, len(want))
	}
	if st := p.UDPStats(); st.Messages >= st.Datagrams/2 || st.Datagrams != uint64(len(sizes)) {
		t.Errorf("%+v: the kernel cut nothing", st)
	}
}

func TestUDPWaitsForAWholeDatagram(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	s := &script{log: stream.New(stream.Options{})}
	c, to := receiver(t)
	attachUDP(t, p, s, to, func(a *AttachUDP) { a.Segment = 1000 })
	s.put(1484, 0) // a half is left, and goes when nothing follows
	got, sizes := collect(t, c, 1500)
	if !bytes.Equal(got, s.bytes(0, 1, 1484)) || len(sizes) != 2 || sizes[0] != 1000 {
		t.Errorf("datagrams of %v bytes", sizes)
	}
}

func TestUDPPacketIsADatagram(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	s := &script{log: stream.New(stream.Options{})}
	for i := range 60 {
		s.put([]int{700, 700, 300, 900}[i%4], media.Key)
	}
	c, to := receiver(t)
	attachUDP(t, p, s, to, func(a *AttachUDP) { a.Cursor = s.log.Cursor(stream.Start{Mode: stream.StartSeq}) })
	_, sizes := collect(t, c, 60*650+60*16)
	for i, n := range sizes {
		if want := []int{700, 700, 300, 900}[i%4] + 16; n != want {
			t.Fatalf("datagram %d has %d bytes, want %d", i, n, want)
		}
	}
	if st := p.UDPStats(); st.Messages >= st.Datagrams {
		t.Errorf("%+v: equal neighbours went one by one", st)
	}
}

func TestUDPRefusedEndsThatViewerOnly(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	s := &script{log: stream.New(stream.Options{})}
	c, to := receiver(t)
	gone, nowhere := receiver(t)
	gone.Close()
	_, left := attachUDP(t, p, s, nowhere, nil)
	v, k := attachUDP(t, p, s, to, nil)
	for range 50 {
		s.put(200, media.Key)
		collect(t, c, 216)
	}
	left.wantLeft(t, PeerClosed)
	for range 50 {
		s.put(200, media.Key)
		collect(t, c, 216)
	}
	until(t, "all is counted", func() bool { st, _ := v.UDP(); return st.Datagrams >= 100 }) // once the system has it
	if st, ok := v.UDP(); !ok || st.Dropped != 0 || st.Datagrams != 100 || len(k.left) > 0 {
		t.Errorf("the other one: %+v", st)
	}
}

func TestUDPLastingIsTriedAgain(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	s := &script{log: stream.New(stream.Options{})}
	c, to := receiver(t)
	c.Close()
	v, _ := attachUDP(t, p, s, to, func(a *AttachUDP) { a.Lasting = true })
	until(t, "the viewer is paused", func() bool {
		s.put(200, media.Key)
		st, _ := v.UDP()
		return st.Paused && st.Reason == syscall.ECONNREFUSED
	})
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	until(t, "the viewer is tried again", func() bool {
		s.put(200, media.Key)
		st, _ := v.UDP()
		return st.Retries == 1 && !st.Paused
	})
	s.put(200, media.Key)
	collect(t, c, 216)
	if st := p.UDPStats(); st.Viewers != 1 || st.Paused != 0 || st.Retries != 1 || st.Dropped[DropUnreachable] == 0 {
		t.Errorf("%+v", st)
	}
}

// A receiver that is busy for a while gets all of a burst: it is spread.
func TestUDPBurstIsSpread(t *testing.T) {
	p := newPool(t, Options{Workers: 1})
	s := &script{log: stream.New(stream.Options{})}
	const packets, size = 400, 1316
	for i := range packets { // 4 s of 1 Mbit/s
		s.buf = sealedPacket(s.buf, s.seq, size-16)
		s.log.Append(media.Packet{DTS: media.Time(i) * 10 * ms, Flags: media.Key}, s.buf)
		s.seq++
	}
	c, to := receiver(t)
	started := time.Now()
	attachUDP(t, p, s, to, func(a *AttachUDP) {
		a.Segment, a.Cursor = size, s.log.Cursor(stream.Start{Mode: stream.StartSeq})
	})
	var got []byte
	for len(got) < packets*size {
		<-time.After(20 * time.Millisecond) // busy
		b, _ := collect(t, c, 1)
		for got = append(got, b...); ; got = append(got, b...) {
			_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
			b = make([]byte, size)
			n, err := c.Read(b)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			b = b[:n]
		}
	}
	if !bytes.Equal(got, s.bytes(0, packets, size-16)) {
		t.Error("something was lost")
	}
	if took := time.Since(started); took < 1500*time.Millisecond || took > 3*time.Second {
		t.Errorf("4 s of media came within %v; twice the rate is asked for", took)
	}
}

func TestUDPGroup(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	s := &script{log: stream.New(stream.Options{})}
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skip("there is no interface lo")
	}
	group := netip.MustParseAddr("239.192.7.9")
	var members []*net.UDPConn
	port := 0
	for range 2 {
		c, failed := net.ListenMulticastUDP("udp4", lo, &net.UDPAddr{IP: group.AsSlice(), Port: port})
		if failed != nil {
			t.Fatal(failed)
		}
		defer c.Close()
		port = c.LocalAddr().(*net.UDPAddr).Port
		members = append(members, c)
	}
	attachUDP(t, p, s, netip.AddrPortFrom(group, uint16(port)), func(a *AttachUDP) {
		a.Segment, a.Socket, a.Lasting = 1316, UDPSocket{TTL: 0, Interface: "lo"}, true
	})
	for range 30 {
		s.put(1300, media.Key)
	}
	for _, c := range members {
		if got, _ := collect(t, c, 30*1316); !bytes.Equal(got, s.bytes(0, 30, 1300)) {
			t.Error("a member has not got what was sent")
		}
	}
	_, err = p.AttachUDP(AttachUDP{Attach: Attach{Log: s.log}, To: netip.AddrPortFrom(group, 9), Socket: UDPSocket{Interface: "nosuch0"}})
	if err == nil {
		t.Error("an unknown interface is no error")
	}
}

func TestUDPOrders(t *testing.T) {
	p := newPool(t, Options{Workers: 1, Latency: quick})
	s := &script{log: stream.New(stream.Options{})}
	c, to := receiver(t)
	v, k := attachUDP(t, p, s, to, nil)
	s.put(100, media.Key)
	collect(t, c, 116)
	v.Hold()
	k.wantHeld(t, Detached)
	s.put(100, media.Key)
	other := &script{log: stream.New(stream.Options{})}
	other.put(300, media.Key)
	v.Switch(other.log, other.log.Cursor(stream.Start{Mode: stream.StartSeq}), 0)
	if got, _ := collect(t, c, 316); !bytes.Equal(got, other.bytes(0, 1, 300)) {
		t.Error("the other log's packet has not come")
	}
	_ = v.Write([]byte("bye"))
	v.Finish(Closed)
	if got, _ := collect(t, c, 3); string(got) != "bye" {
		t.Errorf("got %q", got)
	}
	k.wantLeft(t, Closed)
	until(t, "the socket is closed", func() bool { return len(p.workers[0].udp.table.all()) == 0 })
}
