package rtp

import "encoding/binary"

// HeadSize is what AppendHead appends, bytes.
const HeadSize = headSize

// AppendHead appends the head of a packet without contributing sources and extension
// (5.1); From and To are not looked at.
func AppendHead(dst []byte, p *Packet) []byte {
	be := binary.BigEndian
	kind := p.Type & 0x7F
	if p.Marker {
		kind |= 0x80
	}
	dst = be.AppendUint16(append(dst, 0x80, kind), p.Sequence)
	dst = be.AppendUint32(dst, p.Timestamp)
	return be.AppendUint32(dst, p.SSRC)
}

// Ticks converts a time, ns, to a clock of rate Hz; it wraps as timestamps do (5.1).
func Ticks(ns int64, rate uint32) uint32 {
	const second = 1_000_000_000
	return uint32(ns/second*int64(rate) + ns%second*int64(rate)/second)
}

// Sent is what a sender says of itself (6.4.1).
type Sent struct {
	SSRC      uint32
	UnixNano  int64  // the moment that Timestamp stands for
	Timestamp uint32 // in the payload type's clock
	Packets   uint32 // so far; wraps, as do Octets
	Octets    uint32 // of payload
}

// SenderReportSize is what AppendSenderReport appends, bytes.
const SenderReportSize = 28 + 16

// cnameSize is the length of a CNAME that fills its SDES to a multiple of four bytes with
// the end of the list.
const cnameSize = 4

// AppendSenderReport appends a compound packet: a sender report without blocks and an SDES
// with the CNAME (6.1, 6.4.1, 6.5), whose first four bytes are taken.
func AppendSenderReport(dst []byte, s *Sent, cname string) []byte {
	const (
		ntpEpoch = 2_208_988_800 // seconds from 1900 to 1970 (RFC 868)
		second   = 1_000_000_000
	)
	be := binary.BigEndian
	dst = append(dst, 0x80, typeSenderReport, 0, 6)
	dst = be.AppendUint32(dst, s.SSRC)
	dst = be.AppendUint32(dst, uint32(s.UnixNano/second+ntpEpoch))
	dst = be.AppendUint32(dst, uint32(uint64(s.UnixNano%second)<<32/second))
	dst = be.AppendUint32(dst, s.Timestamp)
	dst = be.AppendUint32(dst, s.Packets)
	dst = be.AppendUint32(dst, s.Octets)
	dst = append(dst, 0x81, 202, 0, 3)
	dst = be.AppendUint32(dst, s.SSRC)
	var name [cnameSize]byte
	copy(name[:], cname)
	dst = append(append(dst, 1, cnameSize), name[:]...)
	return append(dst, 0, 0)
}
