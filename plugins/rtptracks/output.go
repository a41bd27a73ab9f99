package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/mpegts"
	"github.com/weir-media/weir/sdk/rtp"
	"github.com/weir-media/weir/sdk/rtsp"
)

const (
	cname = "weir"

	// reportEvery is between sender reports, ns (RFC 3550 6.2 recommends 5 s at least);
	// they also stand before each packet with which viewers may begin.
	reportEvery = 5 * nanosPerSecond
	// slew is by how much a report may move the wall clock against the timeline, ns, and
	// farthest from where on it is set anew. Chosen: players do not notice a millisecond, and
	// no network delays a live stream by two seconds.
	slew     = 1_000_000
	farthest = 2 * nanosPerSecond
	// patience is how long a track's parameters are waited for, ns of the stream. Chosen: a
	// group of pictures of live media.
	patience = 2 * nanosPerSecond

	// maxOut is the longest packet of the rendition, bytes. Chosen: half of what one
	// PACKETS brings.
	maxOut = 32 << 10
	// reserve is kept free in the outbox for the state, a header and counters, bytes.
	reserve = rtp.MaxH264PackerState + rtp.MaxSoundPackerState + fixedSize + maxCarried + maxText + 1024
)

// output makes the rendition out of one PACKETS. All but its buffers is set anew for each.
type output struct {
	k     *packing
	v     *sdk.Verdicts
	now   int64          // wall clock, ns
	note  abi.PacketNote // the source packet at hand
	of    int            // the track whose RTP packets come
	frame []byte         // interleaved frames that wait
	text  []byte
	first abi.Packet // what is told of them
	probe rtp.SoundPacker
}

// packets takes source packets. Each gives a packet of the rendition, and one more where
// viewers may begin.
func (o *output) packets(k *packing, e *abi.Packets, v *sdk.Verdicts) {
	o.k, o.v, o.now, o.frame = k, v, e.UnixNano, o.frame[:0]
	if !k.headed && k.tracks[sound].pid != 0 && !k.isKnown(sound) {
		o.look(e)
	}
	for n := range e.Packets.All() {
		if len(n.Bytes) == 0 || len(n.Bytes)%mpegts.PacketSize != 0 {
			v.Metric("packets_odd", 1)
			continue
		}
		o.source(n)
		o.idle()
		o.flush()
	}
	o.k, o.v, o.note = nil, nil, abi.PacketNote{}
}

// source takes a source packet.
func (o *output) source(n abi.PacketNote) {
	k := o.k
	o.note = n
	if n.Flags&abi.PacketDiscontinuity != 0 {
		k.jump = true
		k.nal.Renew()
	}
	if !k.waiting {
		k.waiting, k.since = true, n.DTS
	}
	key := n.Flags&abi.PacketKey != 0
	if k.tracks[pictures].pid == 0 {
		k.key = k.key || key
	}
	for b := n.Bytes; len(b) > 0; b = b[mpegts.PacketSize:] {
		e, ok := mpegts.ReadElementary(b)
		if !ok {
			continue
		}
		es := b[e.From:mpegts.PacketSize]
		switch e.PID {
		case 0:
		case k.tracks[pictures].pid:
			if o.picture(&e, es, key) {
				key = false // of further pictures it says nothing
			}
		case k.tracks[sound].pid:
			o.sound(&e, es)
		}
	}
}

// picture takes bytes of pictures, and tells whether one begins.
func (o *output) picture(e *mpegts.Elementary, es []byte, key bool) (begins bool) {
	k := o.k
	o.of = pictures
	t := &k.tracks[pictures]
	missing, fresh := t.gap(e)
	if !fresh {
		return false
	}
	if missing {
		k.nal.Drop(o)
		t.sequence++ // receivers see that something is missing
	}
	// Some encoders send a PES packet for each slice: with the same time it is the same picture.
	if begins = e.Begins && e.HasTime && !k.nal.IsOpen(uint32(e.PTS)); begins {
		k.nal.End(o)
		k.key = key
		k.nal.Begin(uint32(e.PTS), o)
	}
	k.nal.Write(es, o)
	return begins
}

// sound takes bytes of sound.
func (o *output) sound(e *mpegts.Elementary, es []byte) {
	k := o.k
	o.of = sound
	t := &k.tracks[sound]
	missing, fresh := t.gap(e)
	if !fresh {
		return
	}
	if missing {
		k.frames.Drop(o)
		t.sequence++
	}
	if e.Begins {
		t.left = uint16(e.Size)
		if e.HasTime {
			k.frames.Begin(mpegts.Near(e.PTS, ticks(o.note.DTS)), o)
		}
	}
	k.frames.Write(es, o)
	if n := uint16(len(es)); t.left > n {
		t.left -= n
	} else if t.left > 0 {
		t.left = 0
		k.frames.Flush(o)
	}
}

// idle keeps a rendition without tracks with its source, so that nobody waits for it: an
// empty receiver report (RFC 3550 6.4.2) each half second, which no player gets. One whose
// parameters do not come in time is such a rendition until they do.
func (o *output) idle() {
	const every = nanosPerSecond / 2
	k := o.k
	if !k.headed && !k.isBarren() && !k.isPatient(o.note.DTS) {
		k.barren = true
		k.announce(o.v)
	}
	if k.headed || !k.isBarren() || len(o.frame) > 0 {
		return
	}
	if since := o.note.DTS - k.report; since >= 0 && since < every {
		return
	}
	k.report = o.note.DTS
	o.open()
	o.frame = append(rtsp.AppendFrame(o.frame, 1, 8), 0x80, 201, 0, 1, 0, 0, 0, 0)
}

// look finds how the sound is coded that these packets bring, so that what comes before it
// need not be thrown away.
func (o *output) look(e *abi.Packets) {
	k := o.k
	o.probe = rtp.SoundPacker{Coding: k.frames.Coding}
	begun := false
	for n := range e.Packets.All() {
		for b := n.Bytes; len(b) >= mpegts.PacketSize; b = b[mpegts.PacketSize:] {
			if x, ok := mpegts.ReadElementary(b); ok && x.PID == k.tracks[sound].pid {
				if x.Begins && !begun { // before, it is the end of something
					begun = true
					o.probe.Begin(0, nothing{})
				}
				o.probe.Write(b[x.From:mpegts.PacketSize], nothing{})
			}
		}
	}
	k.frames.Learn(&o.probe)
}

// nothing takes RTP packets that nobody wants.
type nothing struct{}

// Packet does nothing.
func (nothing) Packet(uint32, bool, []byte) {}

// Packet takes the payload of an RTP packet of the track at hand.
func (o *output) Packet(timestamp uint32, marker bool, payload []byte) {
	k := o.k
	o.describe()
	if !k.headed || k.shown&(1<<o.of) == 0 {
		return
	}
	size := rtp.HeadSize + len(payload)
	switch due := o.note.DTS - k.report; {
	case k.key && o.of == k.main():
		o.flush()
		o.open()
		o.first.Flags |= abi.PacketKey
		k.key = false
		o.reports()
	case due >= reportEvery || due < 0:
		o.open()
		o.reports()
	case len(o.frame)+rtsp.FrameHead+size > maxOut:
		o.flush()
	}
	o.open()
	t := &k.tracks[o.of]
	b := rtsp.AppendFrame(o.frame, uint8(2*o.of), size)
	b = rtp.AppendHead(b, &rtp.Packet{Type: k.kind(o.of), Marker: marker, Sequence: t.sequence, Timestamp: t.offset + timestamp, SSRC: t.ssrc})
	o.frame = append(b, payload...)
	t.sequence++
	t.packets++
	t.octets += uint32(len(payload))
}

// open begins a packet of the rendition, if none is begun. Its tag tells a viewer who begins with it
// the sequence numbers.
func (o *output) open() {
	if len(o.frame) > 0 || o.first.Tag != 0 {
		return
	}
	k := o.k
	o.first = abi.Packet{PTS: o.note.PTS, DTS: o.note.DTS, Tag: tagKnown | uint64(k.tracks[sound].sequence)<<16 | uint64(k.tracks[pictures].sequence)}
	if k.jump {
		o.first.Flags |= abi.PacketDiscontinuity
		k.jump = false
	}
}

// tagKnown is set in each tag.
const tagKnown = 1 << 32

// flush appends what waits to the rendition.
func (o *output) flush() {
	if len(o.frame) == 0 {
		return
	}
	if o.v.Room() < len(o.frame)+reserve {
		o.v.Metric("bytes_dropped", uint64(len(o.frame))) // of a stream that is nothing but heads
	} else {
		p := o.v.Pieces()
		p.Literal(o.frame)
		o.v.Packet(o.first, p)
	}
	o.frame, o.first = o.frame[:0], abi.Packet{}
}

// reports appends a sender report of each track for the same moment, by which players set
// sound beside its pictures (RFC 3550 6.4.1).
func (o *output) reports() {
	k, dts := o.k, o.note.DTS
	switch off := o.now - dts - k.anchor; {
	case !k.placed || off > farthest || off < -farthest:
		k.placed, k.anchor = true, o.now-dts
	default:
		k.anchor += min(max(off, -slew), slew)
	}
	for i := range k.tracks {
		if k.shown&(1<<i) == 0 {
			continue
		}
		t := &k.tracks[i]
		o.frame = rtsp.AppendFrame(o.frame, uint8(2*i+1), rtp.SenderReportSize)
		o.frame = rtp.AppendSenderReport(o.frame, &rtp.Sent{SSRC: t.ssrc, UnixNano: k.anchor + dts,
			Timestamp: t.offset + rtp.Ticks(dts, k.rate(i)), Packets: t.packets, Octets: t.octets}, cname)
	}
	k.report = dts
}
