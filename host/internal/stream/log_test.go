package stream

import (
	"bytes"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/media"
)

const ms = media.Time(time.Millisecond)

// put appends a packet of n bytes whose every byte is its sequence number.
func put(l *Log, n int, dts media.Time, f media.Flags) uint64 {
	_, next := l.Bounds()
	b := bytes.Repeat([]byte{byte(next)}, n)
	return l.Append(media.Packet{PTS: dts + ms, DTS: dts, Flags: f, Track: 1, Tag: next * 3}, b[:n/2], b[n/2:])
}

func wantBatch(t *testing.T, c *Cursor, limit, n int, st Status) []byte {
	t.Helper()
	b, got := c.Batch(limit)
	if got != st || len(b) != n {
		t.Fatalf("batch: %d bytes, %v; want %d, %v", len(b), got, n, st)
	}
	return b
}

func TestBatchIsWholePackets(t *testing.T) {
	l := New(Options{ChunkBytes: 1000})
	c := l.Cursor(Start{})
	wantBatch(t, &c, 100, 0, Empty)
	for range 4 {
		put(l, 100, 0, 0)
	}
	wantBatch(t, &c, 1000, 400, More)
	wantBatch(t, &c, 399, 300, More)
	wantBatch(t, &c, 1, 100, More)
	c.Advance(150)
	if c.AtBoundary() || c.Seq() != 1 || c.Sent() != 1 {
		t.Fatalf("boundary %v, seq %d, sent %d", c.AtBoundary(), c.Seq(), c.Sent())
	}
	wantBatch(t, &c, 1, 50, More)
	wantBatch(t, &c, 150, 150, More)
	c.Advance(250)
	if !c.AtBoundary() || c.Seq() != 4 || c.Sent() != 4 {
		t.Fatalf("boundary %v, seq %d, sent %d", c.AtBoundary(), c.Seq(), c.Sent())
	}
	wantBatch(t, &c, 100, 0, Empty)
	put(l, 5000, 0, 0) // larger than a chunk
	wantBatch(t, &c, 100, 5000, More)
	c.Advance(5000)
	l.End()
	wantBatch(t, &c, 100, 0, Ended)
	if got := put(l, 1, 0, 0); got != 5 || l.Written() != 5400 {
		t.Errorf("after the end: seq %d, written %d", got, l.Written())
	}
}

func TestHeaders(t *testing.T) {
	l := New(Options{})
	early := l.Cursor(Start{})
	if l.Header() != nil || early.Header() != nil {
		t.Fatal("a new log has a header")
	}
	l.SetHeader([]byte("a"))
	c := l.Cursor(Start{})
	put(l, 10, 0, 0)
	l.SetHeader([]byte("a"))
	put(l, 10, 0, 0)
	l.SetHeader([]byte("lost"))
	l.SetHeader([]byte("b"))
	if l.Header().Generation != 3 || string(l.Header().Bytes) != "b" {
		t.Fatalf("header %+v", l.Header())
	}
	wantBatch(t, &early, 100, 0, HeaderChange)
	if h := early.TakeHeader(); string(h.Bytes) != "a" {
		t.Fatalf("took %q", h.Bytes)
	}
	wantBatch(t, &c, 100, 20, More)
	c.Advance(20)
	wantBatch(t, &c, 100, 0, Empty) // the header counts with its packet
	if string(c.Header().Bytes) != "a" {
		t.Fatalf("header %q", c.Header().Bytes)
	}
	put(l, 10, 0, 0)
	wantBatch(t, &c, 100, 0, HeaderChange)
	wantBatch(t, &c, 100, 0, HeaderChange)
	if h := c.TakeHeader(); string(h.Bytes) != "b" || c.Header() != h {
		t.Fatalf("took %q", h.Bytes)
	}
	wantBatch(t, &c, 100, 10, More)
	c.Advance(10)

	l.SetHeader([]byte("x"))
	l.SetHeader([]byte("b")) // back again before a packet: nothing changed
	put(l, 10, 0, 0)
	wantBatch(t, &c, 100, 10, More)
}

func TestStart(t *testing.T) {
	l := New(Options{ChunkBytes: 100})
	for i := range 50 {
		var f media.Flags
		if i%10 == 5 {
			f = media.Key
		}
		put(l, 10, media.Time(i)*100*ms, f)
	}
	for _, c := range []struct {
		name  string
		start Start
		want  uint64
	}{
		{"live", Start{}, 50},
		{"key", Start{Mode: StartKey}, 45},
		{"burst of nothing", Start{Mode: StartBurst}, 45},
		{"burst", Start{Mode: StartBurst, Back: time.Second}, 35},
		{"burst beyond the window", Start{Mode: StartBurst, Back: time.Hour}, 5},
		{"sequence", Start{Mode: StartSeq, Seq: 7}, 7},
		{"sequence to come", Start{Mode: StartSeq, Seq: 99}, 50},
		{"time", Start{Mode: StartTime, Time: 2600 * ms}, 25},
		{"time of a key", Start{Mode: StartTime, Time: 2500 * ms}, 25},
		{"time before", Start{Mode: StartTime, Time: -1}, 5},
		{"time after", Start{Mode: StartTime, Time: 1e15}, 45},
	} {
		cur := l.Cursor(c.start)
		if cur.Seq() != c.want {
			t.Errorf("%s: at %d, want %d", c.name, cur.Seq(), c.want)
		}
	}
}

func TestStartWaitsForKey(t *testing.T) {
	for _, s := range []Start{{Mode: StartKey}, {Mode: StartBurst, Back: 1}, {Mode: StartTime}} {
		l := New(Options{ChunkBytes: 64})
		put(l, 10, 0, 0)
		c := l.Cursor(s)
		for range 20 {
			put(l, 10, 0, 0)
			wantBatch(t, &c, 1000, 0, Empty)
		}
		if b, d, n := c.Lag(); b != 0 || d != 0 || n != 0 {
			t.Errorf("lag while waiting: %d, %v, %d", b, d, n)
		}
		seq := put(l, 10, 0, media.Key)
		wantBatch(t, &c, 1000, 10, More)
		if c.Seq() != seq || c.Skipped() != 0 {
			t.Errorf("mode %d: at %d, want %d, skipped %d", s.Mode, c.Seq(), seq, c.Skipped())
		}
	}
}

func TestWindowByTime(t *testing.T) {
	l := New(Options{ChunkBytes: 100, Window: time.Second})
	for i := range 100 {
		put(l, 10, media.Time(i)*100*ms, 0)
	}
	// Ten packets make a chunk; 8.9 s is the last DTS of the oldest that is kept.
	if oldest, next := l.Bounds(); oldest != 80 || next != 100 {
		t.Errorf("bounds %d, %d; want 80, 100", oldest, next)
	}
	if l.Bytes() != 200 || l.LastDTS() != 9900*ms {
		t.Errorf("holds %d bytes up to %v", l.Bytes(), l.LastDTS())
	}
}

func TestWindowByBytes(t *testing.T) {
	l := New(Options{ChunkBytes: 100, MaxBytes: 350})
	for range 100 {
		put(l, 10, 0, 0)
	}
	if oldest, _ := l.Bounds(); oldest != 70 || l.Bytes() != 300 {
		t.Errorf("oldest %d, holds %d bytes; want 70, 300", oldest, l.Bytes())
	}
}

func TestChunksFollowTheRate(t *testing.T) {
	for _, c := range []struct {
		rate media.Rate
		want int
	}{{32_000, leastChunkBytes}, {2_000_000, firstChunkBytes}, {20_000_000, mostChunkBytes}} {
		l := New(Options{MaxBytes: 16 << 20})
		every := media.Time(1000 * 8 * int64(time.Second) / int64(c.rate))
		for i := range 10_000 {
			put(l, 1000, media.Time(i)*every, 0)
		}
		if got := len(l.tail.Load().data); got != c.want {
			t.Errorf("%v: chunks of %d bytes, want %d", c.rate, got, c.want)
		}
	}
}

func TestOverrun(t *testing.T) {
	l := New(Options{ChunkBytes: 100, MaxBytes: 300})
	put(l, 50, 0, media.Key)
	between, inside := l.Cursor(Start{Mode: StartKey}), l.Cursor(Start{Mode: StartKey})
	past := l.Cursor(Start{})
	wantBatch(t, &inside, 100, 50, More)
	inside.Advance(20)
	for i := range 40 {
		var f media.Flags
		if i == 30 {
			f = media.Key
		}
		put(l, 10, media.Time(i)*ms, f)
	}
	wantBatch(t, &between, 100, 0, Overrun)
	if !between.Lost() {
		t.Error("the cursor does not know that it is lost")
	}
	if n, ok := between.SkipToKey(); !ok || n != 31 || between.Seq() != 31 {
		t.Fatalf("skipped %d, %v, to %d", n, ok, between.Seq())
	}
	wantBatch(t, &between, 1000, 50, More)

	b := wantBatch(t, &inside, 100, 30, More) // the rest of its packet and no more
	if !bytes.Equal(b, make([]byte, 30)) {
		t.Error("wrong bytes")
	}
	if _, ok := inside.SkipToKey(); ok {
		t.Error("skipped inside a packet")
	}
	inside.Advance(30)
	wantBatch(t, &inside, 100, 0, Overrun)
	wantBatch(t, &past, 100, 0, Overrun)
	if n, ok := past.SkipToKey(); !ok || n != 30 || past.Skipped() != 30 {
		t.Errorf("skipped %d, %v", n, ok)
	}
	if _, ok := past.SkipToKey(); ok {
		t.Error("skipped to where it is")
	}
}

func TestOverrunWithoutKey(t *testing.T) {
	l := New(Options{ChunkBytes: 100, MaxBytes: 300})
	c := l.Cursor(Start{})
	for range 50 {
		put(l, 10, 0, 0)
	}
	wantBatch(t, &c, 100, 0, Overrun)
	if n, ok := c.SkipToKey(); !ok || n != 50 {
		t.Fatalf("skipped %d, %v", n, ok)
	}
	for range 25 {
		put(l, 10, 0, 0)
	}
	wantBatch(t, &c, 100, 0, Empty)
	put(l, 10, 0, media.Key)
	wantBatch(t, &c, 100, 10, More)
	if c.Skipped() != 75 || c.Seq() != 75 {
		t.Errorf("skipped %d, at %d", c.Skipped(), c.Seq())
	}
}

func TestWaitingCursorIsNeverLost(t *testing.T) {
	l := New(Options{ChunkBytes: 100, MaxBytes: 300})
	put(l, 10, 0, 0)
	c := l.Cursor(Start{Mode: StartKey})
	for range 50 {
		put(l, 10, 0, 0)
	}
	wantBatch(t, &c, 100, 0, Empty)
	put(l, 10, 0, media.Key)
	wantBatch(t, &c, 100, 10, More)
	if c.Seq() != 51 || c.Skipped() != 0 {
		t.Errorf("at %d, skipped %d", c.Seq(), c.Skipped())
	}
}

func TestReaderAtEndOfDroppedChunkLosesNothing(t *testing.T) {
	l := New(Options{ChunkBytes: 100, MaxBytes: 200})
	c := l.Cursor(Start{})
	put(l, 100, 0, 0)
	wantBatch(t, &c, 100, 100, More)
	c.Advance(100)
	put(l, 200, 0, 0) // pushes the first chunk out
	if oldest, _ := l.Bounds(); oldest != 1 || c.Lost() {
		t.Fatalf("oldest %d, lost %v", oldest, c.Lost())
	}
	wantBatch(t, &c, 1000, 200, More)
}

func TestStoppedReaderKeepsOneChunk(t *testing.T) {
	l := New(Options{ChunkBytes: 100, MaxBytes: 300})
	put(l, 10, 0, 0)
	c := l.Cursor(Start{Mode: StartSeq})
	for range 100 {
		put(l, 10, 0, 0)
	}
	if c.chunk.next.Load() != nil {
		t.Error("a chunk that left the window still leads to those after it")
	}
}

func TestLag(t *testing.T) {
	l := New(Options{ChunkBytes: 100})
	c := l.Cursor(Start{})
	for i := range 25 {
		put(l, 10, media.Time(i)*ms, 0)
	}
	if b, d, n := c.Lag(); b != 250 || d != 24*ms || n != 25 {
		t.Errorf("lag %d, %v, %d", b, d, n)
	}
	b, _ := c.Batch(1000)
	c.Advance(len(b) - 5)
	if b, d, n := c.Lag(); b != 155 || d != 15*ms || n != 16 {
		t.Errorf("lag %d, %v, %d", b, d, n)
	}
	c.Advance(5)
	if at, dts := c.Place(); at != 100 || dts != 10*ms {
		t.Errorf("place %d, %v", at, dts)
	}
	for {
		if _, st := c.Next(); st != More {
			break
		}
	}
	if b, d, n := c.Lag(); b != 0 || d != 0 || n != 0 {
		t.Errorf("lag %d, %v, %d", b, d, n)
	}
}

func TestNext(t *testing.T) {
	l := New(Options{ChunkBytes: 32})
	l.Append(media.Packet{PTS: 2, DTS: 1, Flags: media.Key, Track: 4, Tag: 9, Seq: 77}, []byte("ab"), []byte("c"))
	l.Append(media.Packet{DTS: 5})
	l.Append(media.Packet{DTS: 6}, []byte("d"))
	c := l.Cursor(Start{Mode: StartSeq})
	p, st := c.Next()
	if st != More || p.Seq != 0 || p.PTS != 2 || p.DTS != 1 || p.Flags != media.Key || p.Track != 4 || p.Tag != 9 || string(p.Bytes) != "abc" {
		t.Fatalf("%v: %+v", st, p)
	}
	if p, st = c.Next(); st != More || p.Seq != 1 || len(p.Bytes) != 0 {
		t.Fatalf("%v: %+v", st, p)
	}
	if p, st = c.Next(); st != More || string(p.Bytes) != "d" {
		t.Fatalf("%v: %+v", st, p)
	}
	if _, st = c.Next(); st != Empty {
		t.Fatal(st)
	}
}

type bell struct{ rung int }

func (b *bell) Wake(*Log) { b.rung++ }

func TestWakers(t *testing.T) {
	l := New(Options{})
	a, b := new(bell), new(bell)
	l.AddWaker(a)
	l.AddWaker(b)
	put(l, 1, 0, 0)
	l.RemoveWaker(a)
	l.RemoveWaker(a)
	l.SetHeader([]byte("h"))
	put(l, 1, 0, 0)
	l.End()
	l.End()
	if a.rung != 1 || b.rung != 3 {
		t.Errorf("rung %d and %d times, want 1 and 3", a.rung, b.rung)
	}
}

// TestStartUnderNewestHeader: a reader never begins under a header that has been
// replaced, however far back it asks to begin.
func TestStartUnderNewestHeader(t *testing.T) {
	l := New(Options{})
	second := media.FromDuration(time.Second)
	l.SetHeader([]byte("old"))
	for i := range 5 {
		l.Append(media.Packet{DTS: media.Time(i) * second, Flags: media.Key}, []byte("o"))
	}
	starts := map[string]Start{"key": {Mode: StartKey}, "burst": {Mode: StartBurst, Back: 3 * time.Second}, "time": {Mode: StartTime, Time: 1}}
	l.SetHeader([]byte("new"))
	for name, s := range starts {
		c := l.Cursor(s)
		if string(c.Header().Bytes) != "new" {
			t.Errorf("%s, no packet under the new header yet: header %q", name, c.Header().Bytes)
		}
		if _, st := c.Next(); st != Empty {
			t.Errorf("%s, no packet under the new header yet: %v", name, st)
		}
	}
	l.Append(media.Packet{DTS: 5 * second}, []byte("n"))
	l.Append(media.Packet{DTS: 6 * second, Flags: media.Key}, []byte("k"))
	l.Append(media.Packet{DTS: 7 * second, Flags: media.Key}, []byte("l"))
	for name, s := range starts {
		c := l.Cursor(s)
		p, st := c.Next()
		want := "k"
		if name == "key" {
			want = "l"
		}
		if st != More || string(p.Bytes) != want || string(c.Header().Bytes) != "new" {
			t.Errorf("%s: %v, packet %q under header %q", name, st, p.Bytes, c.Header().Bytes)
		}
	}
}
