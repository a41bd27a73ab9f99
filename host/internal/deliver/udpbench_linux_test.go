package deliver

import (
	"bytes"
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/stream"
)

// Without UDP_SEGMENT the same comes one by one.
func TestUDPWithoutSegmentation(t *testing.T) {
	b := newUDPBench(t, 1)
	b.viewers[0].udp.plain = true
	b.put()
	b.turn()
	st := &b.worker.udp.totals
	if st.messages.Load() != st.datagrams.Load() || st.datagrams.Load() != tsPerRound {
		t.Errorf("%d messages, %d datagrams; want %d each", st.messages.Load(), st.datagrams.Load(), tsPerRound)
	}
}

// A message that the kernel refuses to cut is cut here, and the destination is remembered.
func TestUDPSegmentationRefused(t *testing.T) {
	b := newUDPBench(t, 2)
	v := b.viewers[0]
	// No checksum, no UDP_SEGMENT: the kernel says EINVAL (udp(7)).
	if err := unix.SetsockoptInt(v.udp.socket.fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		b.put()
		b.turn()
	}
	for i, c := range b.peers {
		if got, _ := collect(t, c, 2*roundBytes); len(got) != 2*roundBytes {
			t.Errorf("receiver %d has %d bytes", i, len(got))
		}
	}
	if !v.udp.plain || b.worker.udp.totals.dropped[DropUnreachable].Load() > 0 {
		t.Error("the refusal is not remembered, or datagrams were lost")
	}
}

// What a full socket did not take goes first when it has room.
func TestUDPFullSocketKeepsItsBatch(t *testing.T) {
	b := newUDPBench(t, 3)
	s := b.viewers[0].udp.socket
	b.put()
	whole := b.log.Cursor(stream.Start{Mode: stream.StartSeq})
	want, _ := whole.Batch(roundBytes)
	for _, v := range b.viewers {
		s.add(v, want, tsPacket)
	}
	s.keep(1) // as if the first had been sent
	if s.n != 2 || s.owners[0].viewer != b.viewers[1] || s.owners[2].viewer != nil {
		t.Fatalf("%d messages are kept", s.n)
	}
	if !b.worker.udp.send(s, b.now) {
		t.Fatal("the rest was not sent")
	}
	for _, c := range b.peers[1:] {
		if got, _ := collect(t, c, roundBytes); !bytes.Equal(got, want) {
			t.Error("the rest has not come as it was")
		}
	}
}

// udpBench is a worker that is turned by hand, with UDP viewers.
type udpBench struct {
	bench
	viewers []*Viewer
	peers   []*net.UDPConn
}

func newUDPBench(t testing.TB, viewers int) *udpBench {
	b := &udpBench{bench: *newBench(t, 0)}
	for range viewers {
		c, to := receiver(t)
		b.viewers, b.peers = append(b.viewers, b.attach(t, to, tsPacket)), append(b.peers, c)
	}
	b.turn()
	return b
}

func TestUDPAllocatesNothing(t *testing.T) {
	b := newUDPBench(t, 100)
	round := func() {
		b.put()
		b.turn()
	}
	for range 10 {
		round()
	}
	if n := testing.AllocsPerRun(100, func() { b.turn() }); n != 0 {
		t.Errorf("%v allocations in a turn without packets", n)
	}
	before := b.worker.udp.totals.datagrams.Load()
	// The log itself takes a chunk of 4 MiB every 168 rounds.
	if n := testing.AllocsPerRun(100, round); n >= 1 {
		t.Errorf("%v allocations in a round of 100 viewers", n)
	}
	if sent := b.worker.udp.totals.datagrams.Load() - before; sent < 100*100*tsPerRound {
		t.Errorf("only %d datagrams were sent", sent)
	}
}

func BenchmarkUDPRound(b *testing.B) {
	u := newUDPBench(b, benchViewer)
	b.SetBytes(benchViewer * roundBytes)
	b.ReportAllocs()
	for b.Loop() {
		u.put()
		u.turn()
	}
}
