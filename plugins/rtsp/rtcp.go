package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/sdk/rtp"
)

const (
	ticksPerSecond = 90_000 // RFC 2250 2: the timestamp's clock
	nanosPerSecond = 1_000_000_000

	// reportEvery is between sender reports, ns (RFC 3550 6.2 recommends 5 s at least).
	reportEvery = 5 * nanosPerSecond

	reportSize = rtp.SenderReportSize // bytes
	cname      = "weir"               // SDES CNAME (RFC 3550 6.5.1)
)

// ticks converts a time in ns; it wraps with the timestamp.
func ticks(ns int64) uint32 { return uint32(ns/100_000*9) + uint32(ns%100_000*9/100_000) }

// byeSize is of what appendBye appends, bytes.
const byeSize = 16

// appendBye appends an empty receiver report, with which a compound begins, and a BYE
// (RFC 3550 6.1, 6.6).
func appendBye(b []byte, ssrc uint32) []byte {
	be := binary.BigEndian
	b = be.AppendUint32(append(b, 0x80, 201, 0, 1), ssrc)
	return be.AppendUint32(append(b, 0x81, 203, 0, 1), ssrc)
}

// The channels of the one stream (wire digest §5.1); SETUP answers with them, whichever
// were asked for, since all viewers get the same bytes.
const (
	mediaChannel   = 0
	controlChannel = 1
)

// headSize is of an RTP head without contributing sources, bytes (RFC 3550 5.1).
const headSize = rtp.HeadSize

// appendHead appends an RTP head; the marker stays 0 (RFC 2250 2: timestamps do not jump,
// since a point's timeline does not).
func appendHead(b []byte, sequence uint16, timestamp, ssrc uint32) []byte {
	return rtp.AppendHead(b, &rtp.Packet{Type: rtp.TypeMP2T, Sequence: sequence, Timestamp: timestamp, SSRC: ssrc})
}
