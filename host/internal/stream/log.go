// Package stream keeps a rendition's packets between its one writer and its many
// readers.
//
// A Log owns a bounded run of chunks: memory that is written once and then only
// read. Packets and headers come in through one writer; out go runs of contiguous
// bytes, through one Cursor per reader. Readers take no lock and the writer never
// waits for them: a reader that is too slow finds that its place has left the
// window. The package never does I/O, starts no goroutine and reads no clock.
package stream

import (
	"bytes"
	"slices"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/host/internal/media"
)

const (
	defaultWindow = 30 * time.Second // chosen
	// DefaultMaxBytes is Options.MaxBytes of who chooses none. Chosen: 30 s at 17 Mbit/s.
	DefaultMaxBytes = 64 << 20

	// Chunks are sized by the rendition's rate, within the bounds that the
	// delivery design gives: a batch that meets a chunk's end costs a second
	// send, and the window moves by whole chunks.
	firstChunkBytes = 256 << 10
	leastChunkBytes = 64 << 10
	mostChunkBytes  = 1 << 20
	shortChunk      = media.Time(500 * time.Millisecond) // chosen
	longChunk       = media.Time(2 * time.Second)        // chosen
	// packetBytes is the mean packet below which a chunk runs out of records
	// before it runs out of bytes. Chosen: records then cost a fifth of the data.
	packetBytes = 256
	minRecords  = 16

	// longStep is what one packet adds to a log's length at most, so that a jump
	// of its source's timestamps makes no reader late. Chosen: a slide show's pace.
	longStep = media.Time(time.Second)
)

// Options bound a Log. Each zero value means its default.
type Options struct {
	Window     time.Duration // media time that is kept, by DTS; 30 s
	MaxBytes   int           // bytes of packets that are kept; 64 MiB. What describes them takes up to a fifth more
	ChunkBytes int           // memory taken at a time, in bytes; by the rate, 64 KiB to 1 MiB
	First      uint64        // sequence number of the first packet; 0
}

func (o Options) withDefaults() Options {
	if o.Window <= 0 {
		o.Window = defaultWindow
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	return o
}

// Waker is told that a log has grown or ended. Wake runs on the writer's
// goroutine and must not block. Its type must be comparable.
type Waker interface{ Wake(l *Log) }

// Paced is a Waker that takes what is new once in a while. Interval, which may be called
// from any goroutine, gives how often at most; 0: at once.
type Paced interface{ Interval() time.Duration }

// Log is one rendition's packets in order, from the oldest still in the window to
// the newest. SetHeader, Append and End belong to one goroutine at a time, the
// writer; all other methods may be called from any. Logs come from New; nothing
// has to be closed, the garbage collector frees chunks that neither the log nor a
// cursor holds.
type Log struct {
	options Options
	size    int        // of the next chunk; the writer's
	high    media.Time // DTS up to which the length counts; the writer's
	oldest  atomic.Pointer[chunk]
	tail    atomic.Pointer[chunk]
	ended   atomic.Bool
	key     atomic.Uint64 // 1 + sequence number of the newest key packet
	held    atomic.Int64  // bytes of data in the window's chunks
	window  atomic.Int64  // Options.Window, as media.Time
	most    atomic.Int64  // Options.MaxBytes
	early   atomic.Uint64 // packets that left before their time
	onEarly func(kept media.Time)
	wakers  atomic.Pointer[[]Waker]
	gathers atomic.Int64 // SetGathered
}

// New gives an empty log.
func New(o Options) *Log {
	l := &Log{options: o.withDefaults(), size: o.ChunkBytes}
	if l.size <= 0 {
		l.size = firstChunkBytes
	}
	l.SetWindow(l.options.Window)
	l.SetMaxBytes(l.options.MaxBytes)
	k := &chunk{first: o.First}
	l.oldest.Store(k)
	l.tail.Store(k)
	return l
}

// SetWindow changes how much media time is kept, from the next chunk that is begun on.
func (l *Log) SetWindow(d time.Duration) { l.window.Store(int64(media.FromDuration(d))) }

// SetMaxBytes changes how many bytes of packets are kept, from the next packet on.
func (l *Log) SetMaxBytes(n int) { l.most.Store(int64(n)) }

// MaxBytes gives how many bytes of packets are kept at most, but for the newest chunk.
func (l *Log) MaxBytes() int { return int(l.most.Load()) }

// OnEarly has f told once, by the writer, when the first packet has to leave the window
// before its time since MaxBytes are taken; kept is the media time that is still held. The
// writer calls it.
func (l *Log) OnEarly(f func(kept media.Time)) { l.onEarly = f }

// Early gives how many packets have left the window before their time.
func (l *Log) Early() uint64 { return l.early.Load() }

// SetHeader makes a copy of b the header of the packets that follow. A header
// equal to the one in force changes nothing. Wakers are not called: readers learn
// of a header with the packet after it.
func (l *Log) SetHeader(b []byte) {
	tail := l.tail.Load()
	h := &media.Header{Generation: 1}
	if tail.header != nil {
		if bytes.Equal(tail.header.Bytes, b) {
			return
		}
		h.Generation = tail.header.Generation + 1
	}
	h.Bytes = bytes.Clone(b)
	l.grow(tail, h)
	l.trim()
}

// Append publishes a packet whose bytes are the pieces in order, copied once.
// p.Seq and p.Bytes are ignored. It gives the packet's sequence number and calls
// the wakers. After End nothing is published and the number that the packet would
// have had is returned.
func (l *Log) Append(p media.Packet, pieces ...[]byte) uint64 {
	k := l.tail.Load()
	i := k.n.Load()
	if l.ended.Load() {
		return k.first + uint64(i)
	}
	size := 0
	for _, b := range pieces {
		size += len(b)
	}
	off := k.start(i)
	if k.data == nil {
		l.fill(k, size)
	} else if int(i) == len(k.recs) || len(k.data)-int(off) < size {
		l.resize(k, i)
		k = l.grow(k, k.header)
		l.fill(k, size)
		i, off = 0, 0
	}
	for _, b := range pieces {
		off += uint32(copy(k.data[off:], b))
	}
	r := &k.recs[i]
	*r = rec{pts: p.PTS, dts: p.DTS, tag: p.Tag, end: off, flags: p.Flags, track: p.Track}
	r.run = k.length(i) + l.step(p.DTS, k.first == l.options.First && i == 0)
	switch {
	case p.Flags.Has(media.Key):
		r.key = i + 1
	case i > 0:
		r.key = k.recs[i-1].key
	}
	k.n.Store(i + 1)
	seq := k.first + uint64(i)
	if p.Flags.Has(media.Key) {
		l.key.Store(seq + 1)
	}
	l.trim()
	l.wake()
	return seq
}

// step gives what a packet adds to the log's length. Packets whose DTS is less than a
// long step behind, as of tracks that are interleaved, add nothing.
func (l *Log) step(dts media.Time, first bool) media.Time {
	d := dts - l.high
	if first || d < -longStep {
		l.high = dts
		return 0
	}
	l.high = max(l.high, dts)
	return max(0, min(d, longStep))
}

// End says that no packet follows and calls the wakers. A second End does nothing.
func (l *Log) End() {
	if !l.ended.Swap(true) {
		l.wake()
	}
}

// fill gives an empty chunk its memory: enough for a packet of size bytes.
func (l *Log) fill(k *chunk, size int) {
	n := max(l.size, size)
	k.data = make([]byte, n)
	k.recs = make([]rec, max(minRecords, l.size/packetBytes))
	l.held.Add(int64(n))
}

// resize chooses the next chunk's size by how long chunk k, full with n packets,
// has lasted.
func (l *Log) resize(k *chunk, n uint32) {
	if l.options.ChunkBytes > 0 {
		return
	}
	lasted := k.recs[n-1].dts - k.recs[0].dts
	switch {
	case lasted > longChunk:
		l.size = max(l.size/2, leastChunkBytes)
	case lasted >= 0 && lasted < shortChunk:
		l.size = max(leastChunkBytes, min(l.size*2, mostChunkBytes, l.MaxBytes()/4))
	}
}

// grow links an empty chunk behind k and makes it the newest.
func (l *Log) grow(k *chunk, h *media.Header) *chunk {
	n := k.n.Load()
	next := &chunk{
		header: h,
		first:  k.first + uint64(n),
		base:   k.base + uint64(k.start(n)),
		last:   k.newest(n),
		run:    k.length(n),
	}
	k.next.Store(next)
	l.tail.Store(next)
	return next
}

// trim lets go of the oldest chunks until the log is within its bounds. The
// newest chunk always stays. The link of a chunk that goes is cut, so that a
// stopped reader keeps one chunk alive and not all that follow it.
func (l *Log) trim() {
	tail := l.tail.Load()
	k := l.oldest.Load()
	if k == tail {
		return
	}
	newest, window := tail.newest(tail.n.Load()), media.Time(l.window.Load())
	for k != tail {
		n := k.n.Load()
		old := n == 0 || newest-k.recs[n-1].dts > window
		if !old && l.held.Load() <= l.most.Load() {
			return
		}
		next := k.next.Load()
		k.gone.Store(true)
		l.oldest.Store(next)
		k.next.Store(nil)
		l.held.Add(-int64(len(k.data)))
		if !old {
			l.leaveEarly(n, newest-next.last)
		}
		k = next
	}
}

// leaveEarly notes that a chunk of n packets had to go before its time.
func (l *Log) leaveEarly(n uint32, kept media.Time) {
	l.early.Add(uint64(n))
	if f := l.onEarly; f != nil {
		l.onEarly = nil
		f(kept)
	}
}

func (l *Log) wake() {
	if w := l.wakers.Load(); w != nil {
		for _, x := range *w {
			x.Wake(l)
		}
	}
}

// AddWaker makes w be called after each packet and at the end.
func (l *Log) AddWaker(w Waker) {
	for {
		old := l.wakers.Load()
		var list []Waker
		if old != nil {
			list = append(list, *old...)
		}
		list = append(list, w)
		if l.wakers.CompareAndSwap(old, &list) {
			return
		}
	}
}

// RemoveWaker takes w out again. A call that is under way may still reach it.
func (l *Log) RemoveWaker(w Waker) {
	for {
		old := l.wakers.Load()
		if old == nil {
			return
		}
		i := slices.Index(*old, w)
		if i < 0 {
			return
		}
		list := slices.Delete(slices.Clone(*old), i, i+1)
		if l.wakers.CompareAndSwap(old, &list) {
			return
		}
	}
}

// SetGathered says that what is appended comes at once in so long a time, because it was
// gathered before; 0: it was not.
func (l *Log) SetGathered(d time.Duration) { l.gathers.Store(int64(d)) }

// Gathered gives what SetGathered was told last.
func (l *Log) Gathered() time.Duration { return time.Duration(l.gathers.Load()) }

// Interval gives the longest time after which a reader takes what is new again. ok is
// false when there is no reader that is Paced.
func (l *Log) Interval() (most time.Duration, ok bool) {
	w := l.wakers.Load()
	if w == nil {
		return 0, false
	}
	for _, x := range *w {
		if p, is := x.(Paced); is {
			most, ok = max(most, p.Interval()), true
		}
	}
	return most, ok
}

// Header gives the newest header, nil before the first.
func (l *Log) Header() *media.Header { return l.tail.Load().header }

// Bounds gives the sequence numbers of the oldest packet in the window and of the
// packet that comes next. They are equal in an empty log.
func (l *Log) Bounds() (oldest, next uint64) {
	oldest = l.oldest.Load().first
	tail := l.tail.Load()
	return oldest, tail.first + uint64(tail.n.Load())
}

// Flows tells whether packets leave the window: it is full.
func (l *Log) Flows() bool { return l.oldest.Load().base > 0 }

// LastDTS gives the DTS of the newest packet, zero before the first.
func (l *Log) LastDTS() media.Time {
	tail := l.tail.Load()
	return tail.newest(tail.n.Load())
}

// Length gives the media time from the first packet ever appended to the newest, by
// DTS. A step between two packets counts as 1 s at most, one back as nothing.
func (l *Log) Length() media.Time {
	tail := l.tail.Load()
	return tail.length(tail.n.Load())
}

// LastKey gives the sequence number of the newest key packet in the window.
func (l *Log) LastKey() (seq uint64, ok bool) {
	key := l.key.Load()
	if key == 0 || key-1 < l.oldest.Load().first {
		return 0, false
	}
	return key - 1, true
}

// Ended tells whether End was called.
func (l *Log) Ended() bool { return l.ended.Load() }

// Bytes gives the memory that the window holds, in bytes.
func (l *Log) Bytes() int { return int(l.held.Load()) }

// Written gives the bytes of all packets ever appended.
func (l *Log) Written() uint64 {
	tail := l.tail.Load()
	return tail.base + uint64(tail.start(tail.n.Load()))
}

// Rate gives how many bytes a second, by its media time, the window holds; 0 while that is
// too short to tell.
func (l *Log) Rate() int {
	const least = media.Time(500 * time.Millisecond) // chosen: a few batches
	oldest, tail := l.oldest.Load(), l.tail.Load()
	n := tail.n.Load()
	d := tail.length(n) - oldest.run
	if d < least {
		return 0
	}
	bytes := tail.base + uint64(tail.start(n)) - oldest.base
	return int(float64(bytes) / d.Duration().Seconds())
}
