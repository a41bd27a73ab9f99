package stream

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"runtime"
	"sync"
	"testing"

	"github.com/weir-media/weir/host/internal/media"
)

// sealedPacket has a number, a length and a checksum, so that a reader can tell
// whether it is whole.
func sealedPacket(b []byte, seq uint64, n int) []byte {
	b = binary.LittleEndian.AppendUint64(b[:0], seq)
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	for i := range n {
		b = append(b, byte(seq)+byte(i))
	}
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

// readSealed reads the log to its end as a stream of bytes and gives the numbers
// of packets it got and missed.
func readSealed(t *testing.T, c Cursor, part int) (got, missed uint64) {
	var buf bytes.Buffer
	want := c.Seq()
	for {
		b, st := c.Batch(1 << 16)
		switch st {
		case Ended:
			if buf.Len() != 0 {
				t.Error("the log ends inside a packet")
			}
			return got, missed
		case Empty:
			runtime.Gosched()
			continue
		case HeaderChange:
			c.TakeHeader()
			continue
		case Overrun:
			n, ok := c.SkipToKey()
			if !ok {
				t.Error("no way on after an overrun")
				return got, missed
			}
			missed += n
			want += n
			continue
		}
		n := max(1, len(b)*part/100)
		buf.Write(b[:n])
		c.Advance(n)
		for buf.Len() >= 12 {
			p := buf.Bytes()
			size := int(binary.LittleEndian.Uint32(p[8:])) + 16
			if len(p) < size {
				break
			}
			seq := binary.LittleEndian.Uint64(p)
			if crc32.ChecksumIEEE(p[:size-4]) != binary.LittleEndian.Uint32(p[size-4:]) || seq < want {
				t.Errorf("packet %d is damaged, or comes twice; want %d", seq, want)
				return got, missed
			}
			missed += seq - want // left out while waiting for a key packet
			want = seq + 1
			got++
			buf.Next(size)
		}
	}
}

func TestOneWriterManyReaders(t *testing.T) {
	const packets, readers = 20_000, 8
	l := New(Options{ChunkBytes: 8 << 10, MaxBytes: 256 << 10})
	l.SetHeader([]byte("h0"))
	var running sync.WaitGroup
	for i := range readers {
		running.Add(1)
		c := l.Cursor(Start{})
		go func() {
			defer running.Done()
			got, missed := readSealed(t, c, []int{100, 100, 70, 33, 5, 100, 50, 99}[i])
			if got+missed+c.Seq() > packets || got == 0 {
				t.Errorf("reader %d: got %d, missed %d of %d", i, got, missed, packets)
			}
		}()
	}
	var b []byte
	for seq := range uint64(packets) {
		if seq%4096 == 4095 {
			l.SetHeader([]byte{byte(seq >> 12)})
		}
		var f media.Flags
		if seq%50 == 0 {
			f = media.Key
		}
		b = sealedPacket(b, seq, int(seq*31%700))
		l.Append(media.Packet{DTS: media.Time(seq) * ms, Flags: f}, b[:8], b[8:])
		if seq%16 == 0 {
			runtime.Gosched()
		}
	}
	l.End()
	running.Wait()
}

// TestReadersFindTheirPlace opens cursors while chunks come and go.
func TestReadersFindTheirPlace(t *testing.T) {
	l := New(Options{ChunkBytes: 512, MaxBytes: 2048})
	var running sync.WaitGroup
	for mode := range StartMode(5) {
		running.Add(1)
		go func() {
			defer running.Done()
			for !l.Ended() {
				oldest, next := l.Bounds()
				c := l.Cursor(Start{Mode: mode, Back: 1, Seq: (oldest + next) / 2, Time: l.LastDTS() - 5*ms})
				if c.Seq() < oldest {
					t.Errorf("mode %d begins at %d, the window at %d", mode, c.Seq(), oldest)
					return
				}
				p, st := c.Next()
				if st == More && len(p.Bytes) != 100 {
					t.Errorf("mode %d: %d bytes", mode, len(p.Bytes))
					return
				}
				c.Lag()
				c.Place()
				runtime.Gosched()
			}
		}()
	}
	for i := range 20_000 {
		put(l, 100, media.Time(i)*ms, media.Flags(i%3)&media.Key)
	}
	l.End()
	running.Wait()
}
