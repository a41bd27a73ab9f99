package deliver

import (
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/stream"
)

const (
	tsPacket    = 1316 // seven MPEG-TS packets
	tsPerRound  = 19   // 25 KB: 40 ms at 5 Mbit/s
	roundBytes  = tsPacket * tsPerRound
	benchViewer = 100
)

// bench is a worker that is turned by hand, with viewers whose peers throw away
// what they are sent.
type bench struct {
	worker *worker
	log    *stream.Log
	fds    []int // the senders' side
	peers  []int
	packet []byte
	waste  []byte
	now    time.Duration
}

func newBench(t testing.TB, viewers int) *bench {
	o := Options{}.withDefaults()
	w, err := newWorker(&o, newLedger(1), 0)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{worker: w, packet: make([]byte, tsPacket), waste: make([]byte, roundBytes), now: time.Second}
	w.clock = func() time.Duration { return b.now }
	b.log = stream.New(stream.Options{ChunkBytes: 4 << 20, MaxBytes: 16 << 20})
	for range viewers {
		fd, peer := link(t)
		raw, err := peer.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(f uintptr) { b.peers = append(b.peers, int(f)) })
		if err := prepare(fd, o.SendBuffer); err != nil {
			t.Fatal(err)
		}
		v := newViewer(w, Attach{FD: fd, Log: b.log, Cursor: b.log.Cursor(stream.Start{})})
		w.inbox.put(&letter{viewer: v, order: orderAttach})
		b.fds = append(b.fds, fd)
	}
	b.turn()
	t.Cleanup(func() { w.stop.Store(true); w.loop() })
	return b
}

func (b *bench) turn() {
	b.now += b.worker.options.Latency
	b.worker.turn(b.worker.poller.wait(time.Time{}, false), b.now)
}

func (b *bench) put() {
	for range tsPerRound {
		b.log.Append(media.Packet{DTS: media.FromDuration(b.now), Flags: media.Key}, b.packet)
	}
}

// drain throws away n bytes at each peer. MSG_TRUNC spares the copy (tcp(7)).
func (b *bench) drain(n int) {
	for _, fd := range b.peers {
		for left := n; left > 0; {
			got, r := transfer(unix.SYS_RECVFROM, fd, b.waste[:left], unix.MSG_TRUNC|unix.MSG_DONTWAIT)
			if r == hungUp || r == failed {
				panic(r)
			}
			left -= got
		}
	}
}

func TestViewerIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(Viewer{}) + unsafe.Sizeof(slot{}) + unsafe.Sizeof((*Viewer)(nil)); n > 400 {
		t.Errorf("a viewer takes %d bytes", n)
	} else {
		t.Logf("a viewer takes %d bytes", n)
	}
}

func TestRoundAllocatesNothing(t *testing.T) {
	b := newBench(t, 20)
	b.put()
	b.turn() // arms
	b.turn()
	b.drain(roundBytes)
	before := b.worker.totals.sends.Load()
	rounds := 0
	n := testing.AllocsPerRun(100, func() {
		rounds++
		b.put()
		b.turn()
		b.drain(roundBytes)
	})
	if n != 0 {
		t.Errorf("%v allocations in a round of %d viewers", n, len(b.fds))
	}
	if sent := b.worker.totals.sends.Load() - before; sent != uint64(rounds*len(b.fds)) {
		t.Errorf("%d sends in %d rounds", sent, rounds)
	}
}

// BenchmarkFanOut compares a worker's round with a bare loop of writes of the same
// memory to as many sockets. "ratio" is the worker's time by the loop's.
func BenchmarkFanOut(b *testing.B) {
	x, y := newBench(b, benchViewer), newBench(b, benchViewer)
	shared := make([]byte, roundBytes)
	x.put()
	x.turn()
	x.turn()
	x.drain(roundBytes)
	var pool, plain time.Duration
	b.ReportAllocs()
	for b.Loop() {
		start := time.Now()
		x.put()
		x.turn()
		pool += time.Since(start)
		x.drain(roundBytes)

		start = time.Now()
		for _, fd := range y.fds {
			if n, err := unix.Write(fd, shared); n != len(shared) {
				b.Fatal(n, err)
			}
		}
		plain += time.Since(start)
		y.drain(roundBytes)
	}
	sends := float64(b.N * benchViewer)
	b.ReportMetric(float64(pool)/float64(plain), "ratio")
	b.ReportMetric(float64(pool)/sends, "ns/send")
	b.ReportMetric(float64(plain)/sends, "ns/bare-send")
}

// BenchmarkJoin is an attachment of a viewer, its first bytes and its leaving,
// besides the connection's own cost.
func BenchmarkJoin(b *testing.B) {
	p := newPool(b, Options{Workers: 1})
	l := stream.New(stream.Options{})
	l.Append(media.Packet{Flags: media.Key}, make([]byte, tsPacket))
	b.ReportAllocs()
	for b.Loop() {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			b.Fatal(err)
		}
		k := newSink()
		v, err := p.Attach(Attach{FD: pair[0], Log: l, Cursor: l.Cursor(stream.Start{Mode: stream.StartKey}), Sink: k})
		if err != nil {
			b.Fatal(err)
		}
		v.Finish(Closed)
		k.wantLeft(b, Closed)
		unix.Close(pair[1])
	}
}
