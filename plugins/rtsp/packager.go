package main

import (
	"encoding/binary"
	"strconv"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
	"github.com/weir-media/weir/sdk/rtp"
	"github.com/weir-media/weir/sdk/rtsp"
)

const (
	tsPacket = 188 // bytes (ISO/IEC 13818-1 2.4.3.2)
	// most is what one RTP packet carries: seven transport packets, as fit into an Ethernet
	// frame (RFC 2250 2; every receiver takes them).
	most = 7 * tsPacket
)

// packing is a packager's place in its rendition: RTP packets are numbered once for all
// viewers.
type packing struct {
	ssrc      uint32 // never 0 once begun
	offset    uint32 // added to timestamps (RFC 3550 5.1: random)
	packets   uint32 // sent so far, RTP
	octets    uint32 // likewise, of payload
	sequence  uint16 // of the next packet
	framed    bool   // for channel 0 of the RTSP connection
	tables    uint16 // bytes of new tables that go out before the next packet; 0: none
	reported  bool
	reportDTS int64 // when the last sender report went out, on the rendition's timeline
}

const packingSize = 4*4 + 2 + 1 + 2 + 8 // bytes

const (
	bitFramed = 1 << iota
	bitReported
)

func (k *packing) appendTo(b []byte) []byte {
	bits := byte(0)
	if k.framed {
		bits |= bitFramed
	}
	if k.reported {
		bits |= bitReported
	}
	le := binary.LittleEndian
	for _, n := range [...]uint32{k.ssrc, k.offset, k.packets, k.octets} {
		b = le.AppendUint32(b, n)
	}
	b = append(le.AppendUint16(b, k.sequence), bits)
	b = le.AppendUint16(b, k.tables)
	return le.AppendUint64(b, uint64(k.reportDTS))
}

func (k *packing) readFrom(b []byte) error {
	if len(b) != packingSize || b[18] > bitFramed|bitReported {
		return abi.EINVAL
	}
	le := binary.LittleEndian
	*k = packing{ssrc: le.Uint32(b), offset: le.Uint32(b[4:]), packets: le.Uint32(b[8:]), octets: le.Uint32(b[12:]), sequence: le.Uint16(b[16:]),
		framed: b[18]&bitFramed != 0, reported: b[18]&bitReported != 0, tables: le.Uint16(b[19:]), reportDTS: int64(le.Uint64(b[21:]))}
	if k.ssrc == 0 {
		return abi.EINVAL
	}
	return nil
}

// begin takes the header of the transport stream: its tables go out before the next
// packet. The rendition's header is the media part of an SDP, with the SSRC; it stays the
// same whatever the tables are.
func (k *packing) begin(e *abi.Package, v *sdk.Verdicts) {
	if k.ssrc == 0 {
		le := binary.LittleEndian
		k.ssrc = max(1, le.Uint32(e.Entropy[:]))
		k.offset = le.Uint32(e.Entropy[4:])
		k.sequence = le.Uint16(e.Entropy[8:])
		k.framed = sdk.String(e.To) == interleaved
	}
	k.tables = 0
	if n := len(e.Header); isTables(n) {
		k.tables = uint16(n)
	}
	p := v.Pieces()
	p.Text(mediaLines + ssrcLine + strconv.FormatUint(uint64(k.ssrc), 10) + " cname:" + cname + "\r\n")
	v.Header(p)
}

// isTables tells whether a header of n bytes fits into one RTP packet.
func isTables(n int) bool { return n > 0 && n <= most && n%tsPacket == 0 }

// cut cuts source packets into RTP packets. Their bytes stay where the host holds them.
func (k *packing) cut(e *abi.Packets, v *sdk.Verdicts) error {
	for n := range e.Packets.All() {
		size := int(n.Size)
		if size == 0 || size%tsPacket != 0 {
			v.Metric("packets_odd", 1)
			continue
		}
		flags := n.Flags
		if k.framed && (!k.reported || n.DTS-k.reportDTS >= reportEvery || n.DTS < k.reportDTS) {
			k.report(e.UnixNano, &n, v)
		}
		if k.tables > 0 {
			p := k.head(int(k.tables), n.DTS, v)
			p.SourceHeader()
			k.packet(&n, flags, v, p)
			k.count(int(k.tables))
			k.tables, flags = 0, 0
		}
		for at := 0; at < size; at += most {
			part := min(most, size-at)
			p := k.head(part, n.DTS, v)
			p.PacketBytes(n.Sequence, at, part)
			k.packet(&n, flags, v, p)
			k.count(part)
			flags = 0 // a viewer begins with the first part alone
		}
	}
	return nil
}

// head begins an RTP packet with so much payload.
func (k *packing) head(size int, dts int64, v *sdk.Verdicts) *sdk.Pieces {
	var room [4 + headSize]byte
	b := room[:0]
	if k.framed {
		b = rtsp.AppendFrame(b, mediaChannel, headSize+size)
	}
	p := v.Pieces()
	p.Literal(appendHead(b, k.sequence, k.offset+ticks(dts), k.ssrc))
	return p
}

// packet appends an RTP packet to the rendition. Its tag tells a viewer who begins with it
// the sequence number and the timestamp.
func (k *packing) packet(n *abi.PacketNote, flags abi.PacketFlags, v *sdk.Verdicts, p *sdk.Pieces) {
	v.Packet(abi.Packet{PTS: n.PTS, DTS: n.DTS, Flags: flags, Track: n.Track, Tag: makeTag(k.sequence, k.offset+ticks(n.DTS))}, p)
}

func (k *packing) count(octets int) {
	k.sequence++
	k.packets++
	k.octets += uint32(octets)
}

// report appends a sender report to the interleaved rendition: all viewers' clocks are the
// same.
func (k *packing) report(unixNano int64, n *abi.PacketNote, v *sdk.Verdicts) {
	var room [4 + reportSize]byte
	b := rtsp.AppendFrame(room[:0], controlChannel, reportSize)
	b = rtp.AppendSenderReport(b, &rtp.Sent{SSRC: k.ssrc, UnixNano: unixNano, Timestamp: k.offset + ticks(n.DTS), Packets: k.packets, Octets: k.octets}, cname)
	p := v.Pieces()
	p.Literal(b)
	v.Packet(abi.Packet{PTS: n.PTS, DTS: n.DTS, Track: n.Track}, p)
	k.reported, k.reportDTS = true, n.DTS
}

// tagKnown is set in each tag of an RTP packet; what has none is no RTP packet.
const tagKnown = 1 << 16

func makeTag(sequence uint16, timestamp uint32) uint64 {
	return uint64(timestamp)<<32 | tagKnown | uint64(sequence)
}

func readTag(tag uint64) (sequence uint16, timestamp uint32, known bool) {
	return uint16(tag), uint32(tag >> 32), tag&tagKnown != 0
}
