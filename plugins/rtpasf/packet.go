package main

import (
	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/asf"
	"github.com/weir-media/weir/sdk/rtp"
	"github.com/weir-media/weir/sdk/rtsp"
)

const (
	cname = "weir"
	// kind is the payload type of media, as mediaType says it.
	kind = 96
	// The channels (RFC 2326 10.12).
	mediaChannel, controlChannel = 0, 1
	// reportEvery is between sender reports, ns (RFC 3550 6.2 recommends 5 s at least).
	reportEvery = 5_000_000_000
	// payloadHead is of what precedes an ASF packet or a part of one, bytes, and most of what one RTP
	// packet carries with it. Chosen: what ffmpeg takes of any RTP packet; ASF packets of live media
	// are seldom longer.
	payloadHead = 4
	most        = 8 << 10
	// reserve is kept free in the outbox, bytes: for the frames of a packet of 64 KiB, a report, the
	// state and counters (chosen: each needs less than 1 KiB).
	reserve = 4 << 10
)

// Bits of the payload head's first byte (MS-RTSP 2.2.1.3).
const (
	isKey = 0x80 // a payload of the packet is of a key frame
	isAll = 0x40 // the packet's length follows, not the offset of a part
)

// packets puts each ASF packet into a packet of the rendition.
func (p *plugin) packets(k *packing, e *abi.Packets, v *sdk.Verdicts) {
	for n := range e.Packets.All() {
		if len(n.Bytes) != int(n.Size) || asf.ParsePacket(n.Bytes, int(k.size), &p.packet) != nil {
			v.Metric("packets_odd", 1)
			continue
		}
		if v.Room() < reserve {
			v.Metric("packets_dropped", 1) // of a stream of the smallest packets
			continue
		}
		pieces := v.Pieces()
		if since := n.DTS - k.report; !k.reported || since >= reportEvery || since < 0 {
			p.report(k, e.UnixNano, &n, pieces)
		}
		p.media(k, &n, pieces)
		v.Packet(abi.Packet{PTS: n.PTS, DTS: n.DTS, Flags: n.Flags, Track: n.Track}, pieces)
	}
}

// media appends an ASF packet, whole or in parts. Its padding goes (MS-RTSP 2.2.1.4), which
// ffmpeg would skip twice: once behind the packet, and once more in the next.
func (p *plugin) media(k *packing, n *abi.PacketNote, pieces *sdk.Pieces) {
	bare := p.packet.Bare(n.Bytes, int(k.size))
	head, size := len(bare.Bytes()), bare.Size()
	flags, value := p.key(), 0
	if payloadHead+size <= most {
		flags, value = flags|isAll, payloadHead+size
	}
	for at := 0; at < size; {
		end := min(size, at+most-payloadHead)
		if flags&isAll == 0 {
			value = at
		}
		b := rtsp.AppendFrame(p.head[:0], mediaChannel, rtp.HeadSize+payloadHead+end-at)
		b = rtp.AppendHead(b, &rtp.Packet{Type: kind, Marker: end == size, Sequence: k.sequence, Timestamp: p.packet.SendTime, SSRC: k.ssrc})
		b = append(b, flags, byte(value>>16), byte(value>>8), byte(value))
		from := at
		if at == 0 {
			b, from = append(b, bare.Bytes()...), head
		}
		pieces.Literal(b)
		pieces.PacketBytes(n.Sequence, bare.From+from-head, end-from)
		k.sequence++
		k.packets++
		k.octets += uint32(payloadHead + end - at)
		p.head, at = b, end
	}
}

// key gives the bit that tells a packet with a key frame.
func (p *plugin) key() byte {
	for i := range p.packet.List() {
		if p.packet.Payloads[i].Key {
			return isKey
		}
	}
	return 0
}

// report appends a sender report for the packet that is parsed.
func (p *plugin) report(k *packing, unixNano int64, n *abi.PacketNote, pieces *sdk.Pieces) {
	b := rtsp.AppendFrame(p.head[:0], controlChannel, rtp.SenderReportSize)
	b = rtp.AppendSenderReport(b, &rtp.Sent{SSRC: k.ssrc, UnixNano: unixNano, Timestamp: p.packet.SendTime, Packets: k.packets, Octets: k.octets}, cname)
	pieces.Literal(b)
	p.head, k.reported, k.report = b, true, n.DTS
}
