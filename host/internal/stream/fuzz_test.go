package stream

import (
	"bytes"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/media"
)

// model is a log that forgets nothing, and a reader of it.
type model struct {
	t       *testing.T
	log     *Log
	packets []modelPacket
	header  []byte // nil before the first
	changes int    // of the header

	cursor  Cursor
	seq     int // of the packet that is not wholly sent
	off     int // bytes of it that are sent
	taken   []byte
	waiting bool
	ended   bool
}

type modelPacket struct {
	bytes   []byte
	header  []byte
	changes int // of the header, up to this packet
	key     bool
	dts     media.Time
}

func (m *model) append(n int, key bool, dts media.Time) {
	if m.ended {
		return
	}
	p := modelPacket{header: m.header, changes: m.changes, key: key, dts: dts}
	for i := range n {
		p.bytes = append(p.bytes, byte(len(m.packets)*7+i))
	}
	var f media.Flags
	if key {
		f = media.Key
	}
	cut := n / 3
	if seq := m.log.Append(media.Packet{DTS: dts, Flags: f}, p.bytes[:cut], p.bytes[cut:]); seq != uint64(len(m.packets)) {
		m.t.Fatalf("append gave %d, want %d", seq, len(m.packets))
	}
	m.packets = append(m.packets, p)
}

// settle moves the model's reader to where the next bytes must come from and gives
// the status that must be reported there.
func (m *model) settle(whole bool) Status {
	oldest, _ := m.log.Bounds()
	for m.off == 0 {
		if m.seq == len(m.packets) {
			if m.ended {
				return Ended
			}
			return Empty
		}
		p := m.packets[m.seq]
		switch {
		case m.waiting && (!p.key || uint64(m.seq) < oldest):
			m.seq++
			continue
		case uint64(m.seq) < oldest:
			m.waiting = false
			return Overrun
		case !bytes.Equal(p.header, m.taken) || (p.header == nil) != (m.taken == nil):
			m.waiting = false
			return HeaderChange
		case !whole && len(p.bytes) == 0:
			m.seq++
			m.waiting = false
			continue
		}
		break
	}
	m.waiting = false
	return More
}

func (m *model) batch(limit int, part byte) {
	b, st := m.cursor.Batch(limit)
	if want := m.settle(false); st != want {
		m.t.Fatalf("batch at %d+%d: %v, want %v", m.seq, m.off, st, want)
	}
	if st != More {
		m.turn(st, part)
		return
	}
	rest, seq, off := b, m.seq, m.off
	for i := 0; len(rest) > 0; i++ {
		p := m.packets[seq]
		if !bytes.Equal(p.header, m.taken) || !bytes.HasPrefix(rest, p.bytes[off:]) {
			m.t.Fatalf("packet %d in the batch is not whole or not right", seq)
		}
		rest = rest[len(p.bytes)-off:]
		seq, off = seq+1, 0
		if i > 0 && len(b) > limit {
			m.t.Fatalf("%d bytes in several packets, limit %d", len(b), limit)
		}
	}
	if len(b) == 0 {
		m.t.Fatal("no bytes with more")
	}
	n := len(b) * int(part) / 255
	m.cursor.Advance(n)
	for m.seq < len(m.packets) && m.off+n >= len(m.packets[m.seq].bytes) && m.packets[m.seq].header == nil == (m.taken == nil) {
		if m.cursor.Seq() == uint64(m.seq) { // empty packets may be passed now or later
			break
		}
		n -= len(m.packets[m.seq].bytes) - m.off
		m.seq, m.off = m.seq+1, 0
	}
	m.off += n
	m.check()
}

func (m *model) next(part byte) {
	if m.off != 0 {
		return
	}
	p, st := m.cursor.Next()
	if want := m.settle(true); st != want {
		m.t.Fatalf("next at %d: %v, want %v", m.seq, st, want)
	}
	if st != More {
		m.turn(st, part)
		return
	}
	want := m.packets[m.seq]
	if p.Seq != uint64(m.seq) || !bytes.Equal(p.Bytes, want.bytes) || p.DTS != want.dts || p.Flags.Has(media.Key) != want.key {
		m.t.Fatalf("packet %d is %+v", m.seq, p)
	}
	m.seq++
	m.check()
}

// turn goes on after a status that is not More, unless part is odd.
func (m *model) turn(st Status, part byte) {
	if part&1 == 1 {
		return
	}
	switch st {
	case HeaderChange:
		m.taken = m.packets[m.seq].header
		if h := m.cursor.TakeHeader(); !bytes.Equal(h.Bytes, m.taken) {
			m.t.Fatalf("took header %q, want %q", h.Bytes, m.taken)
		}
	case Overrun:
		if _, ok := m.cursor.SkipToKey(); !ok {
			m.t.Fatal("no way on after an overrun")
		}
		m.skipped()
	}
}

func (m *model) skip() {
	before := m.cursor.Seq()
	n, ok := m.cursor.SkipToKey()
	if !ok {
		if m.cursor.Seq() != before {
			m.t.Fatal("moved without a skip")
		}
		return
	}
	if m.cursor.Seq() != before+n || m.off != 0 {
		m.t.Fatalf("skipped %d from %d to %d, offset %d", n, before, m.cursor.Seq(), m.off)
	}
	m.skipped()
}

// skipped checks where a skip has led.
func (m *model) skipped() {
	m.seq = int(m.cursor.Seq())
	m.waiting = m.cursor.wait
	for i := m.seq; i < len(m.packets); i++ {
		if m.packets[i].key != (i == m.seq) {
			m.t.Fatalf("skip led to %d of %d, which is not the newest key packet", m.seq, len(m.packets))
		}
	}
	if !m.waiting && m.seq == len(m.packets) {
		m.t.Fatal("skipped to the live end without waiting for a key packet")
	}
	m.check()
}

func (m *model) check() {
	if got := m.cursor.Seq(); got != uint64(m.seq) || m.cursor.AtBoundary() != (m.off == 0) {
		m.t.Fatalf("cursor at %d, boundary %v; want %d+%d", got, m.cursor.AtBoundary(), m.seq, m.off)
	}
	if m.cursor.wait {
		return
	}
	lag := -m.off
	for _, p := range m.packets[m.seq:] {
		lag += len(p.bytes)
	}
	if b, d, n := m.cursor.Lag(); (n > 0 && b != lag) || d < 0 || n != uint64(len(m.packets)-m.seq) {
		m.t.Fatalf("lag %d, %v, %d; want %d, %d", b, d, n, lag, len(m.packets)-m.seq)
	}
}

func (m *model) open(s Start) {
	m.cursor = m.log.Cursor(s)
	m.seq, m.off = int(m.cursor.Seq()), 0
	m.waiting = m.cursor.wait
	m.taken = nil
	if h := m.cursor.Header(); h != nil {
		m.taken = h.Bytes
	}
	switch {
	case s.Mode != StartKey && s.Mode != StartBurst && s.Mode != StartTime:
	case m.waiting:
		oldest, _ := m.log.Bounds()
		for _, p := range m.packets[oldest:] {
			if p.key && p.changes == m.changes {
				m.t.Fatal("waits although there is a key packet")
			}
		}
	case !m.packets[m.seq].key:
		m.t.Fatalf("mode %d begins at %d, not a key packet", s.Mode, m.seq)
	case m.packets[m.seq].changes != m.changes:
		m.t.Fatalf("mode %d begins at %d, under a header that was replaced", s.Mode, m.seq)
	}
	m.check()
}

func FuzzLog(f *testing.F) {
	f.Add([]byte{0x10, 0x40, 200, 0, 30, 255, 0, 30, 1, 4, 40, 128, 4, 40, 255})
	f.Add([]byte{3, 1, 0, 0, 9, 0, 0, 200, 3, 2, 0, 0, 9, 0, 4, 99, 255, 4, 99, 254, 5, 0, 0, 7, 1, 9})
	f.Add(bytes.Repeat([]byte{0, 20, 0, 0, 77, 9, 4, 10, 100, 6, 0, 0}, 40))
	f.Fuzz(func(t *testing.T, ops []byte) {
		if len(ops) < 2 || len(ops) > 3000 { // the model is slow
			return
		}
		m := &model{t: t}
		m.log = New(Options{ChunkBytes: 32 + int(ops[0]), MaxBytes: 4 * int(ops[1]), Window: 100 * time.Millisecond})
		m.cursor = m.log.Cursor(Start{})
		var dts media.Time
		for ops = ops[2:]; len(ops) >= 3; ops = ops[3:] {
			a, b := ops[1], ops[2]
			switch ops[0] % 9 {
			case 0, 1, 2:
				dts += media.Time(b%16) * ms
				m.append(int(a), b&0xE0 == 0, dts)
			case 3:
				if !m.ended {
					if h := []byte{a % 4}; !bytes.Equal(m.header, h) {
						m.header = h
						m.changes++
					}
					m.log.SetHeader(m.header)
				}
			case 4:
				m.batch(int(a)*2, b)
			case 5:
				m.next(b)
			case 6:
				m.skip()
			case 7:
				m.open(Start{Mode: StartMode(a % 5), Back: time.Duration(b) * time.Millisecond, Seq: uint64(b), Time: media.Time(b) * ms})
			case 8:
				if m.ended = m.ended || a == 0; m.ended {
					m.log.End()
				}
			}
		}
	})
}
