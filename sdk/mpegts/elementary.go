package mpegts

import "encoding/binary"

// Elementary is what one packet holds of an elementary stream.
type Elementary struct {
	PID     uint16
	Counter uint8 // continuity counter
	Jump    bool  // the sender says that time or the counter jumps here (2.4.3.5)
	Begins  bool  // a PES packet begins
	HasTime bool  // of a PES packet that begins: PTS is valid
	PTS     int64 // 33 bits, ticks of 90 kHz
	// Size is how many bytes of the elementary stream the PES packet that begins has in
	// all; 0: not known, as is usual of pictures (2.4.3.7: PES_packet_length 0).
	Size int
	From int // p[From:PacketSize] are bytes of the elementary stream; there may be none
}

// ReadElementary reads a packet as one of an elementary stream: the first 188 bytes of p.
// False: it is none, has no payload, or is marked damaged or scrambled. It does not know
// which PIDs have elementary streams; Streams of a Demux tells.
func ReadElementary(p []byte) (e Elementary, ok bool) {
	var k packet
	if !k.open(p) || k.payload >= PacketSize || !k.clear() {
		return e, false
	}
	e = Elementary{PID: k.pid, Counter: k.counter, Jump: k.adapt&adaptDiscontinuity != 0, From: k.payload}
	if !k.start {
		return e, true
	}
	head, ok := k.pes()
	if !ok {
		return e, false
	}
	e.Begins, e.From = true, head.data
	if head.pts != 0 {
		e.HasTime, e.PTS = true, stamp(k.b[head.pts:])
	}
	if at := k.payload + 4; head.data < PacketSize {
		e.Size = max(0, int(binary.BigEndian.Uint16(k.b[at:]))-(head.data-k.payload-6))
	}
	return e, true
}

// Near gives the time, ticks of 90 kHz, that has the 33 bits of v and lies nearest to t.
func Near(v, t int64) int64 {
	d := (v - t) & (wrap - 1)
	if d >= wrap/2 {
		d -= wrap
	}
	return t + d
}
