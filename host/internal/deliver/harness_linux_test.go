package deliver

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/stream"
)

const ms = media.Time(time.Millisecond)

// patience is how long a test waits for an event before it fails.
const patience = 20 * time.Second

func newPool(t testing.TB, o Options) *Pool {
	t.Helper()
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// link gives the two ends of a TCP connection over loopback, the first as a
// descriptor that belongs to the caller.
func link(t testing.TB) (fd int, peer *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := s.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var dupErr error
	err = raw.Control(func(f uintptr) { fd, dupErr = unix.Dup(int(f)) })
	if err = errors.Join(err, dupErr); err != nil {
		t.Fatal(err)
	}
	s.Close()
	peer = c.(*net.TCPConn)
	t.Cleanup(func() { peer.Close() })
	return fd, peer
}

// narrow makes a link whose reader takes less than a megabyte before it stops. A
// window below loopback's 64 KiB segments would make it crawl.
func narrow(t testing.TB) (fd int, peer *net.TCPConn) {
	fd, peer = link(t)
	if err := peer.SetReadBuffer(256 << 10); err != nil {
		t.Fatal(err)
	}
	return fd, peer
}

// sink records what a viewer's sink is told.
type sink struct {
	mu    sync.Mutex
	input bytes.Buffer
	got   chan struct{} // one for each Readable, as far as there is room
	held  chan Reason
	left  chan Reason
	stats Stats
	calls int
}

func newSink() *sink {
	return &sink{got: make(chan struct{}, 100), held: make(chan Reason, 10), left: make(chan Reason, 10)}
}

func (s *sink) Readable(b []byte) {
	s.mu.Lock()
	s.input.Write(b)
	s.mu.Unlock()
	select {
	case s.got <- struct{}{}:
	default:
	}
}

func (s *sink) Held(why Reason) {
	select {
	case s.held <- why:
	default: // nobody asks about so many
	}
}

func (s *sink) Detached(st Stats, why Reason) {
	s.mu.Lock()
	s.stats = st
	s.calls++
	s.mu.Unlock()
	s.left <- why
}

func (s *sink) wantLeft(t testing.TB, want Reason) Stats {
	t.Helper()
	select {
	case got := <-s.left:
		if got != want {
			t.Fatalf("left with %v, want %v", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("still attached, want %v", want)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls != 1 {
		t.Fatalf("told %d times that the viewer has left", s.calls)
	}
	return s.stats
}

func (s *sink) wantHeld(t testing.TB, want Reason) {
	t.Helper()
	select {
	case got := <-s.held:
		if got != want {
			t.Fatalf("held by %v, want %v", got, want)
		}
	case <-time.After(patience):
		t.Fatalf("not held, want %v", want)
	}
}

// sealedPacket has a number, a length and a checksum.
func sealedPacket(b []byte, seq uint64, n int) []byte {
	b = binary.LittleEndian.AppendUint64(b[:0], seq)
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	for i := range n {
		b = append(b, byte(seq)+byte(i))
	}
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// script writes sealed packets to a log.
type script struct {
	log *stream.Log
	seq uint64
	buf []byte
}

func (s *script) put(n int, f media.Flags) {
	s.buf = sealedPacket(s.buf, s.seq, n)
	s.log.Append(media.Packet{DTS: media.Time(s.seq) * ms, Flags: f}, s.buf)
	s.seq++
}

func (s *script) bytes(from, to uint64, n int) []byte {
	var all []byte
	for seq := from; seq < to; seq++ {
		all = append(all, sealedPacket(nil, seq, n)...)
	}
	return all
}

func wantBytes(t testing.TB, r io.Reader, want []byte) {
	t.Helper()
	if c, ok := r.(net.Conn); ok {
		_ = c.SetReadDeadline(time.Now().Add(patience))
	}
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil {
		t.Fatalf("read %d of %d bytes: %v", n, len(want), err)
	}
	if !bytes.Equal(got, want) {
		i := 0
		for got[i] == want[i] {
			i++
		}
		t.Fatalf("byte %d of %d is wrong: %q, want %q", i, len(want), clip(got[i:]), clip(want[i:]))
	}
}

func clip(b []byte) []byte { return b[:min(40, len(b))] }

func wantEnd(t testing.TB, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	if n, err := c.Read(make([]byte, 100)); !errors.Is(err, io.EOF) {
		t.Fatalf("read %d bytes, %v; want the end", n, err)
	}
}

// readSealed reads whole packets until the end, or until packet last, and gives how many came and
// at which numbers the reader had to go on after a gap.
func readSealed(t testing.TB, r io.Reader, last uint64) (got uint64, gaps []uint64) {
	t.Helper()
	if c, ok := r.(net.Conn); ok {
		_ = c.SetReadDeadline(time.Now().Add(patience))
	}
	var want uint64
	var b []byte
	for {
		b = append(b[:0], make([]byte, 12)...)
		if _, err := io.ReadFull(r, b); err == io.EOF {
			return got, gaps
		} else if err != nil {
			t.Fatalf("after %d packets: %v", got, err)
		}
		n := int(binary.LittleEndian.Uint32(b[8:]))
		b = append(b, make([]byte, n+4)...)
		if _, err := io.ReadFull(r, b[12:]); err != nil {
			t.Fatalf("inside a packet after %d: %v", got, err)
		}
		seq := binary.LittleEndian.Uint64(b)
		if crc32.ChecksumIEEE(b[:12+n]) != binary.LittleEndian.Uint32(b[12+n:]) {
			t.Fatalf("packet after %d is damaged", got)
		}
		if seq < want {
			t.Fatalf("packet %d after %d", seq, want)
		}
		if seq > want && got > 0 {
			gaps = append(gaps, seq)
		}
		want = seq + 1
		got++
		if seq == last {
			return got, gaps
		}
	}
}

// until waits for a condition that is brought about by other goroutines.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(patience)
	for tick := time.NewTicker(time.Millisecond); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not reached: %s", what)
		}
	}
}
