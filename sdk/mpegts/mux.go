package mpegts

import "encoding/binary"

// Bounds and periods of a Mux.
const (
	MaxTracks = 4 // elementary streams of the programme that a Mux makes: chosen
	// MuxLead is how far the programme's clock runs before the decoding times, ticks
	// of 90 kHz: the longest that a decoder holds a frame. Chosen: 0.7 s, as ffmpeg's
	// muxer does. Times that are handed to a Mux should begin above it.
	MuxLead = 63_000

	clockEvery  = TicksPerSecond * 4 / 100 // ETSI TR 101 290 5.2.2: PCR at least each 40 ms
	tablesEvery = TicksPerSecond / 10      // ETSI TR 101 290 5.2.1 asks for 0.5 s; players join sooner

	muxProgram = 1
	muxPMT     = 0x1000
	muxFirst   = 0x0100 // PID of the first stream
)

// Unit is an access unit that begins: a picture, or sound that belongs together.
type Unit struct {
	PTS, DTS int64 // ticks of 90 kHz; DTS should not fall within a track
	Key      bool  // decoding can start here; of video only
	Size     int   // bytes that Write will bring; 0: not known yet, for video only
}

// Mux makes a transport stream of one programme out of elementary streams, packet by
// packet, as their bytes come: it never holds an access unit. Callers say Begin, then
// Write as often as they like, then End, for each unit of each track; units of different
// tracks may overlap. Each appends the packets that are complete to the caller's buffer.
//
// The zero value has no tracks. It contains no pointers and is about 1 KB.
type Mux struct {
	tracks [MaxTracks]muxTrack
	count  uint8
	main   uint8 // index of the track that carries the clock
	pat    uint8 // next continuity counters
	pmt    uint8
	begun  bool
	tables int64 // decoding time at which the tables were written last
	clock  int64 // the last PCR
}

// muxTrack is one elementary stream with its packet that is not full yet.
type muxTrack struct {
	codec   Codec
	counter uint8 // of the next packet with a payload
	open    bool  // between Begin and End
	n       uint8 // bytes in raw; 0: no packet is begun
	payload uint8 // where raw's payload begins
	raw     [PacketSize]byte
}

// Add adds a track to a Mux that has not begun. It returns the track's number, from 0 on,
// or false if there are MaxTracks already or if the codec is none of H264, H265,
// MPEGAudio, AAC, AC3 and Opus.
func (m *Mux) Add(c Codec) (track int, ok bool) {
	if m.count == MaxTracks || streamType(c) == 0 || m.begun {
		return 0, false
	}
	track = int(m.count)
	m.tracks[track] = muxTrack{codec: c}
	m.count++
	m.choose()
	return track, true
}

// choose sets main: the first video track, else the first.
func (m *Mux) choose() {
	m.main = 0
	for i := range m.tracks[:m.count] {
		if m.tracks[i].codec.kind() == Video {
			m.main = uint8(i)
			return
		}
	}
}

// Tracks is how many were added.
func (m *Mux) Tracks() int { return int(m.count) }

// streamType is ISO 13818-1 table 2-34; ATSC A/53 for AC-3; private data for Opus.
func streamType(c Codec) byte {
	switch c {
	case H264:
		return 0x1B
	case H265:
		return 0x24
	case MPEGAudio:
		return 0x03
	case AAC:
		return 0x0F
	case AC3:
		return 0x81
	case Opus:
		return 0x06
	}
	return 0
}

func (m *Mux) pid(track int) uint16 { return uint16(muxFirst + track) }

// Begin opens a unit; one of the same track that is open is ended first. A number that
// is no track is ignored.
func (m *Mux) Begin(dst []byte, track int, u Unit) []byte {
	if track < 0 || track >= int(m.count) {
		return dst
	}
	dst = m.End(dst, track)
	t := &m.tracks[track]
	video := t.codec.kind() == Video
	since := u.DTS - m.tables
	if !m.begun || video && u.Key || since >= tablesEvery || since < -TicksPerSecond {
		dst = m.appendTables(dst)
		m.tables = u.DTS
	}
	flags := byte(0)
	if video && u.Key {
		flags = adaptRandomAccess
	}
	now := u.DTS - MuxLead
	since = now - m.clock
	jump := m.begun && since < -TicksPerSecond
	due := !m.begun || jump || since > 0 && track == int(m.main) || since >= clockEvery
	if due {
		m.clock, m.begun = now, true
		stamp := byte(adaptPCR)
		if jump {
			stamp |= adaptDiscontinuity
		}
		if track == int(m.main) {
			flags |= stamp
		} else {
			dst = m.appendClock(dst, stamp)
		}
	}
	t.start(m.pid(track), flags, m.clock)
	t.head(track, u)
	t.open = true
	return dst
}

// start begins a packet with the unit's first bytes.
func (t *muxTrack) start(pid uint16, flags byte, clock int64) {
	t.raw[0], t.raw[1], t.raw[2], t.raw[3] = syncByte, 0x40|byte(pid>>8), byte(pid), 0x10
	t.n = 4
	if flags != 0 {
		t.raw[3] = 0x30
		t.n += uint8(putAdaptation(t.raw[4:], flags, clock))
	}
	t.payload = t.n
}

// putAdaptation writes an adaptation field (2.4.3.4) and gives its size.
func putAdaptation(b []byte, flags byte, clock int64) int {
	b[0], b[1] = 1, flags
	if flags&adaptPCR != 0 {
		b[0] = 7
		v := clock & (wrap - 1)
		binary.BigEndian.PutUint32(b[2:], uint32(v>>1))
		b[6], b[7] = byte(v<<7)|0x7E, 0
	}
	return 1 + int(b[0])
}

// head writes the PES head (2.4.3.6).
func (t *muxTrack) head(track int, u Unit) {
	b := t.raw[t.n:]
	size := 5
	b[0], b[1], b[2], b[3], b[6], b[7] = 0, 0, 1, 0xC0|byte(track), 0x84, 0x80
	switch {
	case t.codec.kind() == Video:
		b[3] = 0xE0 | byte(track)
	case t.codec == Opus || t.codec == AC3:
		b[3] = 0xBD // 2.4.3.7: private_stream_1
	}
	putStamp(b[9:], 0x21, u.PTS)
	if u.DTS != u.PTS {
		size, b[7] = 10, 0xC0
		b[9] |= 0x10
		putStamp(b[14:], 0x11, u.DTS)
	}
	b[8] = byte(size)
	length := 3 + size + u.Size
	if u.Size == 0 || length > 0xFFFF {
		length = 0
	}
	binary.BigEndian.PutUint16(b[4:], uint16(length))
	t.n += uint8(9 + size)
}

// putStamp writes a PTS or DTS field (2.4.3.7); first has its prefix and marker.
func putStamp(b []byte, first byte, v int64) {
	v &= wrap - 1
	b[0] = first | byte(v>>29)&0x0E
	b[1], b[2], b[3], b[4] = byte(v>>22), byte(v>>14)|1, byte(v>>7), byte(v<<1)|1
}

// Write takes the next bytes of a track's open unit; without one they are ignored.
func (m *Mux) Write(dst []byte, track int, b []byte) []byte {
	if track < 0 || track >= int(m.count) || !m.tracks[track].open {
		return dst
	}
	t, pid := &m.tracks[track], m.pid(track)
	for len(b) > 0 {
		if t.n == 0 {
			t.raw[0], t.raw[1], t.raw[2], t.raw[3] = syncByte, byte(pid>>8), byte(pid), 0x10
			t.n, t.payload = 4, 4
		}
		k := copy(t.raw[t.n:], b)
		b = b[k:]
		if t.n += uint8(k); t.n == PacketSize {
			dst = t.flush(dst)
		}
	}
	return dst
}

// flush appends the packet, which is full.
func (t *muxTrack) flush(dst []byte) []byte {
	t.raw[3] = t.raw[3]&0xF0 | t.counter&0x0F
	t.counter = (t.counter + 1) & 0x0F
	t.n = 0
	return append(dst, t.raw[:]...)
}

// End closes a track's unit: its last packet is filled up. Without an open unit nothing
// happens.
func (m *Mux) End(dst []byte, track int) []byte {
	if track < 0 || track >= int(m.count) {
		return dst
	}
	t := &m.tracks[track]
	t.open = false
	if t.n == 0 {
		return dst
	}
	t.stuff()
	return t.flush(dst)
}

// stuff moves the payload to the packet's end (2.4.3.5: stuffing bytes are FF).
func (t *muxTrack) stuff() {
	from, gap := int(t.payload), PacketSize-int(t.n)
	copy(t.raw[from+gap:], t.raw[from:t.n])
	fill := t.raw[from : from+gap]
	if t.raw[3]&0x20 == 0 {
		t.raw[3] |= 0x20
		fill[0] = byte(gap - 1)
		if fill = fill[1:]; len(fill) > 0 {
			fill[0] = 0
			fill = fill[1:]
		}
	} else {
		t.raw[4] += byte(gap)
	}
	for i := range fill {
		fill[i] = 0xFF
	}
}

// appendClock appends a packet of the main track that has the clock alone. Its counter is
// that of the packet before (2.4.3.3).
func (m *Mux) appendClock(dst []byte, flags byte) []byte {
	pid, at := m.pid(int(m.main)), len(dst)
	dst = append(dst, blank[:]...)
	p := dst[at:]
	p[0], p[1], p[2] = syncByte, byte(pid>>8), byte(pid)
	p[3] = 0x20 | (m.tracks[m.main].counter-1)&0x0F
	putAdaptation(p[4:], flags, m.clock)
	p[4] = PacketSize - 5
	return dst
}

// blank is a packet's worth of stuffing.
var blank = func() (b [PacketSize]byte) {
	for i := range b {
		b[i] = 0xFF
	}
	return b
}()
