package main

import "encoding/binary"

const (
	ticksPerSecond = 90_000 // RFC 2250 2: the timestamp's clock
	nanosPerSecond = 1_000_000_000

	// reportEvery is between sender reports, ns (RFC 3550 6.2 recommends 5 s at least).
	reportEvery = 5 * nanosPerSecond

	cname = "weir" // SDES CNAME (RFC 3550 6.5.1)
)

// ticks converts a time in ns; it wraps with the timestamp.
func ticks(ns int64) uint32 { return uint32(ns/100_000*9) + uint32(ns%100_000*9/100_000) }

// report is what a sender report tells.
type report struct {
	ssrc      uint32
	unixNano  int64
	timestamp uint32
	packets   uint32
	octets    uint32
}

// reportSize is of a sender report with its SDES, bytes.
const reportSize = 28 + 16

// appendReport appends a sender report and an SDES with the CNAME (RFC 3550 6.4.1, 6.5).
func appendReport(b []byte, r report) []byte {
	const ntpEpoch = 2_208_988_800 // seconds from 1900 to 1970 (RFC 868)
	be := binary.BigEndian
	b = append(b, 0x80, 200, 0, 6)
	b = be.AppendUint32(b, r.ssrc)
	b = be.AppendUint32(b, uint32(r.unixNano/nanosPerSecond+ntpEpoch))
	b = be.AppendUint32(b, uint32(uint64(r.unixNano%nanosPerSecond)<<32/nanosPerSecond))
	b = be.AppendUint32(b, r.timestamp)
	b = be.AppendUint32(b, r.packets)
	b = be.AppendUint32(b, r.octets)
	b = append(b, 0x81, 202, 0, 3)
	b = be.AppendUint32(b, r.ssrc)
	b = append(b, 1, byte(len(cname)))
	b = append(b, cname...)
	return append(b, 0, 0)
}

// byeSize is of what appendBye appends, bytes.
const byeSize = 16

// appendBye appends an empty receiver report, with which a compound begins, and a BYE
// (RFC 3550 6.1, 6.6).
func appendBye(b []byte, ssrc uint32) []byte {
	be := binary.BigEndian
	b = be.AppendUint32(append(b, 0x80, 201, 0, 1), ssrc)
	return be.AppendUint32(append(b, 0x81, 203, 0, 1), ssrc)
}

// appendFrame appends the head of an interleaved frame (RFC 2326 10.12).
func appendFrame(b []byte, channel uint8, size int) []byte {
	return append(b, '$', channel, byte(size>>8), byte(size))
}

// The channels of the one stream (wire digest §5.1); SETUP answers with them, whichever
// were asked for, since all viewers get the same bytes.
const (
	mediaChannel   = 0
	controlChannel = 1
)

// headSize is of an RTP head without contributing sources, bytes (RFC 3550 5.1).
const headSize = 12

// typeMP2T is the payload type of MPEG transport streams (RFC 3551 6).
const typeMP2T = 33

// appendHead appends an RTP head; the marker stays 0 (RFC 2250 2: timestamps do not jump,
// since a point's timeline does not).
func appendHead(b []byte, sequence uint16, timestamp, ssrc uint32) []byte {
	be := binary.BigEndian
	b = be.AppendUint16(append(b, 0x80, typeMP2T), sequence)
	b = be.AppendUint32(b, timestamp)
	return be.AppendUint32(b, ssrc)
}
