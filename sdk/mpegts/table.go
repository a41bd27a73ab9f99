package mpegts

import "encoding/binary"

// pending is a section that began in a packet and is not yet complete. One is kept at
// a time: a section of another PID that also needs several packets takes its place.
type pending struct {
	pid     uint16
	packets uint8 // 0: none
	start   uint8 // offset of the section in the first packet
	raw     [maxPMTPackets * PacketSize]byte
}

// table handles a packet that carries sections (2.4.4).
func (d *Demux) table(k *packet, r *Result) {
	r.Kind, r.PSI = Table, true
	t := &d.pending
	mine := t.packets > 0 && t.pid == k.pid
	if mine && r.Gap {
		t.packets = 0
		mine = false
	}
	if k.payload == PacketSize || !k.clear() {
		return
	}
	if mine && !r.Repeat {
		d.extend(k, r)
	}
	if !k.start {
		return
	}
	if t.pid == k.pid && !r.Repeat {
		t.packets = 0
	}
	at := k.payload + 1 + int(k.b[k.payload]) // pointer_field
	for at < PacketSize && k.b[at] != 0xFF {  // stuffing
		rest := k.b[at:]
		if len(rest) >= 3 {
			n := sectionSize(rest)
			if n > maxSection {
				return
			}
			if n <= len(rest) {
				d.section(k.pid, rest[:n], k.b, r)
				at += n
				continue
			}
		}
		if !(mine && r.Repeat) {
			t.pid, t.packets, t.start = k.pid, 1, uint8(at)
			copy(t.raw[:], k.b)
		}
		return
	}
}

func sectionSize(b []byte) int { return 3 + int(b[1]&0x0F)<<8 + int(b[2]) }

// extend adds a packet to the pending section and handles the section if it is whole.
func (d *Demux) extend(k *packet, r *Result) {
	t := &d.pending
	if int(t.packets)*PacketSize == len(t.raw) {
		t.packets = 0
		return
	}
	copy(t.raw[int(t.packets)*PacketSize:], k.b)
	t.packets++
	var buf [maxSection]byte
	section, whole := t.gather(buf[:0])
	if whole {
		d.section(t.pid, section, t.raw[:int(t.packets)*PacketSize], r)
		t.packets = 0
	}
}

// gather joins the section's bytes in buf, which has room for any section.
func (t *pending) gather(buf []byte) (section []byte, whole bool) {
	for i := 0; i < int(t.packets); i++ {
		var k packet
		if !k.open(t.raw[i*PacketSize : (i+1)*PacketSize]) {
			return nil, false
		}
		from, to := k.payload, PacketSize
		switch {
		case i == 0:
			from = int(t.start)
		case k.start && from < PacketSize: // the next section begins behind ours
			from, to = from+1, min(from+1+int(k.b[from]), PacketSize)
		}
		if from < to {
			n := min(to-from, cap(buf)-len(buf))
			buf = append(buf, k.b[from:from+n]...)
		}
	}
	if len(buf) < 3 || sectionSize(buf) > len(buf) {
		return nil, false
	}
	return buf[:sectionSize(buf)], true
}

// section handles a whole section that came in the packets raw.
func (d *Demux) section(pid uint16, s, raw []byte, r *Result) {
	// 2.4.4.3: long syntax, in force now; 9 more bytes and the checksum at least.
	if len(s) < 12 || s[1]&0x80 == 0 || s[5]&1 == 0 || crc32(s) != 0 {
		return
	}
	switch {
	case pid == 0 && s[0] == 0x00:
		d.pat(s, raw)
	case pid == d.program.pid && d.program.known && s[0] == 0x02:
		d.pmt(s, raw, r)
	}
}

// pat reads a programme association section (2.4.4.3): the programme that is followed
// already, else the first.
func (d *Demux) pat(s, raw []byte) {
	number, pid, found := uint16(0), uint16(0), false
	for e := s[8 : len(s)-4]; len(e) >= 4; e = e[4:] {
		n, p := binary.BigEndian.Uint16(e), binary.BigEndian.Uint16(e[2:])&pidMask
		if n == 0 || p == 0 || p == nullPID { // programme 0 is the network PID
			continue
		}
		if !found || d.program.known && n == d.program.number {
			number, pid, found = n, p, true
		}
	}
	if !found {
		return
	}
	g := &d.program
	if g.known && number != g.number && s[7] > 0 {
		return // a further section of a longer table, which does not name ours
	}
	if !g.known || number != g.number || pid != g.pid {
		*g = program{known: true, number: number, pid: pid, pat: g.pat}
		d.count, d.main, d.tables = 0, 0, 0
	}
	if len(raw) == PacketSize {
		copy(d.psi[:PacketSize], raw)
	} else {
		d.shortPAT(s)
	}
	d.tables = max(d.tables, 1)
}

// shortPAT builds a PAT packet that names the followed programme only.
func (d *Demux) shortPAT(s []byte) {
	p := d.psi[:PacketSize]
	for i := range p {
		p[i] = 0xFF
	}
	copy(p, []byte{syncByte, 0x40, 0x00, 0x10 | byte(d.program.pat-1)&0x0F, 0})
	t := p[5:21]
	copy(t, s[:6])
	t[1], t[2], t[6], t[7] = 0xB0, 13, 0, 0
	binary.BigEndian.PutUint16(t[8:], d.program.number)
	binary.BigEndian.PutUint16(t[10:], 0xE000|d.program.pid)
	binary.BigEndian.PutUint32(t[12:], crc32(t[:12]))
}

// pmt reads a programme map section (2.4.4.8).
func (d *Demux) pmt(s, raw []byte, r *Result) {
	g := &d.program
	if len(s) < 16 || binary.BigEndian.Uint16(s[3:]) != g.number || d.tables == 0 ||
		len(raw) > maxPMTPackets*PacketSize {
		return
	}
	at := 12 + int(binary.BigEndian.Uint16(s[10:])&0x0FFF)
	end := len(s) - 4
	if at > end {
		return
	}
	sum := binary.BigEndian.Uint32(s[end:])
	changed := d.tables < 2 || sum != g.crc
	copy(d.psi[PacketSize:], raw)
	d.tables = uint8(1 + len(raw)/PacketSize)
	if !changed {
		return
	}
	g.crc, g.pcr = sum, binary.BigEndian.Uint16(s[8:])&pidMask
	d.load(s[at:end])
	r.Changed = true
}

// load reads the list of streams; continuity counters of those that stay are kept.
func (d *Demux) load(list []byte) {
	old, oldCount := d.streams, d.count
	d.count, d.main = 0, 0
	for len(list) >= 5 && d.count < MaxStreams {
		n := 5 + int(binary.BigEndian.Uint16(list[3:])&0x0FFF)
		if n > len(list) {
			break
		}
		s := &d.streams[d.count]
		*s = Stream{PID: binary.BigEndian.Uint16(list[1:]) & pidMask, Type: list[0]}
		s.Codec = codecOf(s.Type, list[5:n])
		s.Kind = s.Codec.kind()
		for i := range old[:oldCount] {
			if old[i].PID == s.PID {
				s.counter = old[i].counter
			}
		}
		d.count++
		list = list[n:]
	}
	d.choose()
}

// choose sets main: the first video stream, else the first audio stream, else the first.
func (d *Demux) choose() {
	d.main = 0
	for _, want := range [...]Kind{Video, Audio} {
		for i := range d.streams[:d.count] {
			if d.streams[i].Kind == want {
				d.main = int8(i)
				return
			}
		}
	}
}

// crcTable holds the CRC of each nibble (ISO 13818-1 annex A, polynomial 04C11DB7).
var crcTable = [16]uint32{
	0x00000000, 0x04C11DB7, 0x09823B6E, 0x0D4326D9, 0x130476DC, 0x17C56B6B, 0x1A864DB2, 0x1E475005,
	0x2608EDB8, 0x22C9F00F, 0x2F8AD6D6, 0x2B4BCB61, 0x350C9B64, 0x31CD86D3, 0x3C8EA00A, 0x384FBDBD,
}

// crc32 is the section checksum; over a section with its checksum it is 0.
func crc32(b []byte) uint32 {
	c := ^uint32(0)
	for _, v := range b {
		c = c<<4 ^ crcTable[c>>28^uint32(v>>4)]
		c = c<<4 ^ crcTable[c>>28^uint32(v&15)]
	}
	return c
}
