package mpegts

// Stream is one elementary stream of the followed programme.
type Stream struct {
	PID   uint16
	Type  byte // stream_type of the PMT
	Codec Codec
	Kind  Kind // Video, Audio or Other

	counter counter
}

// Result is what one packet means.
type Result struct {
	PID           uint16
	Kind          Kind
	PSI           bool  // of the PAT or of the followed programme's PMT
	Changed       bool  // a PMT that differs from the last is complete: PSI and Streams are new
	PESStart      bool  // a PES packet of the programme begins
	Cut           bool  // a media packet should begin with this packet: see Main
	Key           bool  // with Cut: players may join here
	Gap           bool  // packets of this PID are missing before this one, or the sender says that time jumps
	Repeat        bool  // same continuity counter as the packet before
	Broken        bool  // no packet, or one marked or found damaged; nothing else but PID is valid
	HasTime       bool  // PTS and DTS are valid
	HasPCR        bool  // PCR is valid; only for the programme's clock
	PTS, DTS, PCR int64 // 90 kHz, unwrapped; DTS is PTS where the stream has none
}

// Video reports whether the packet belongs to a video stream of the programme.
func (r Result) Video() bool { return r.Kind == Video }

// Demux follows one transport stream. The zero value is ready. It contains no pointers
// and is about 2 KB.
type Demux struct {
	streams [MaxStreams]Stream
	count   uint8
	main    int8 // index of the stream that cuts media packets; valid if count > 0

	program program
	clock   unwrapper
	psi     [(1 + maxPMTPackets) * PacketSize]byte // PAT, then PMT
	tables  uint8                                  // packets in psi; 0 and 1: the PMT is not known
	pending pending
}

// program is what the PAT and the head of the PMT say.
type program struct {
	known  bool // the PAT named a programme
	number uint16
	pid    uint16 // of the PMT
	pcr    uint16
	crc    uint32 // of the accepted PMT section
	pat    counter
	pmt    counter
}

// counter is a continuity counter plus one; zero means unknown.
type counter uint8

// unwrapper extends 33-bit times.
type unwrapper struct {
	last  int64
	known bool
}

// extend returns the value that has the 33 bits v and lies nearest to the last one.
func (u *unwrapper) extend(v int64) int64 {
	if u.known {
		d := (v - u.last) & (wrap - 1)
		if d >= wrap/2 {
			d -= wrap
		}
		v = u.last + d
	}
	u.last, u.known = v, true
	return v
}

// Reset forgets everything.
func (d *Demux) Reset() { *d = Demux{} }

// Ready reports whether PAT and PMT are known, so that PSI and Streams are valid.
func (d *Demux) Ready() bool { return d.tables > 1 }

// PSI returns the packets of the last PAT and PMT, in this order, as they were received:
// what a player that joins needs first. A PAT that takes more than one packet is
// replaced by one that lists the followed programme only. The slice is a view, valid
// until the next Feed; nil before Ready.
func (d *Demux) PSI() []byte {
	if !d.Ready() {
		return nil
	}
	return d.psi[:int(d.tables)*PacketSize]
}

// Streams returns the streams of the programme in the order of the PMT, as a view that
// is valid until the next Feed. Those over MaxStreams are left out.
func (d *Demux) Streams() []Stream { return d.streams[:d.count] }

// Main returns the stream whose PES packets begin media packets: the first video
// stream, else the first audio stream, else the first. Before Ready it returns 0, Other.
func (d *Demux) Main() (pid uint16, kind Kind) {
	if d.count == 0 {
		return 0, Other
	}
	s := &d.streams[d.main]
	return s.PID, s.Kind
}

// Plain takes the next packet, the first 188 bytes of p, if it only goes on with what came
// before: the next of a known stream, without an adaptation field or a PES packet's begin,
// or a null packet.
// Such is most of a stream. Else it does nothing and tells so; Feed takes the packet then.
func (d *Demux) Plain(p []byte) bool {
	if len(p) < PacketSize || p[0] != syncByte || p[1]&0xC0 != 0 || p[3]&0x30 != 0x10 {
		return false
	}
	pid := uint16(p[1]&0x1F)<<8 | uint16(p[2])
	if pid == nullPID {
		return true
	}
	if pid == 0 || pid == d.program.pid {
		return false
	}
	for i := range d.streams[:d.count] {
		if s := &d.streams[i]; s.PID == pid {
			last := s.counter
			if s.counter = counter(p[3]&0x0F) + 1; s.counter != last&0x0F+1 {
				s.counter = last
				return false
			}
			return true
		}
	}
	return false
}

// Feed takes the next packet: the first 188 bytes of p.
func (d *Demux) Feed(p []byte) Result {
	var r Result
	var k packet
	ok := k.open(p)
	r.PID = k.pid
	switch {
	case !ok:
		r.Broken = true
	case k.pid == nullPID:
		r.Kind = Null
	case k.pid == 0:
		d.program.pat.check(&k, &r)
		d.table(&k, &r)
	case d.program.known && k.pid == d.program.pid:
		d.program.pmt.check(&k, &r)
		d.table(&k, &r)
	default:
		if s := d.stream(k.pid); s != nil {
			d.media(&k, s, &r)
		}
	}
	if ok && k.pcr != 0 && d.Ready() && k.pid == d.program.pcr {
		r.HasPCR = true
		r.PCR = d.clock.extend(clock(k.b[k.pcr:]))
	}
	return r
}

func (d *Demux) stream(pid uint16) *Stream {
	for i := range d.streams[:d.count] {
		if d.streams[i].PID == pid {
			return &d.streams[i]
		}
	}
	return nil
}

// check compares the packet's continuity counter with the last one (2.4.3.3).
func (c *counter) check(k *packet, r *Result) {
	last := *c
	*c = counter(k.counter) + 1
	if k.adapt&adaptDiscontinuity != 0 {
		r.Gap = true
		return
	}
	if last == 0 {
		return
	}
	step := (k.counter - uint8(last-1)) & 0x0F
	if k.payload == PacketSize { // no payload: the counter stands still
		r.Gap = step != 0
		return
	}
	r.Repeat = step == 0
	r.Gap = step > 1
}

// media handles a packet of an elementary stream.
func (d *Demux) media(k *packet, s *Stream, r *Result) {
	r.Kind = s.Kind
	s.counter.check(k, r)
	if !k.start || k.payload == PacketSize {
		return
	}
	head, ok := k.pes()
	if !ok && k.clear() {
		return
	}
	r.PESStart = true
	r.Cut = s == &d.streams[d.main]
	if ok && k.clear() {
		if head.pts != 0 {
			r.HasTime = true
			r.PTS = d.clock.extend(stamp(k.b[head.pts:]))
			r.DTS = r.PTS
		}
		if head.dts != 0 {
			r.DTS = d.clock.extend(stamp(k.b[head.dts:]))
		}
	}
	if r.Cut {
		r.Key = s.Kind != Video || k.adapt&adaptRandomAccess != 0 ||
			ok && k.clear() && randomAccess(s.Codec, k.b[head.data:])
	}
}
