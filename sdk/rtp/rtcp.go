package rtp

import "encoding/binary"

// Report is what a sender report says of its source (RFC 3550 6.4.1): the moment at which
// a timestamp stands.
type Report struct {
	SSRC      uint32
	NTP       uint64 // seconds since 1900, with 32 bits behind the point
	Timestamp uint32
}

// Types of RTCP packets (RFC 3550 12.1).
const (
	typeSenderReport   = 200
	typeReceiverReport = 201
)

// SenderReport looks for a sender report in a compound packet (6.1). A report without a
// time of its own (NTP 0, 6.4.1) is none.
func SenderReport(b []byte) (r Report, ok bool) {
	be := binary.BigEndian
	for len(b) >= 4 && b[0]>>6 == 2 {
		size := 4 + 4*int(be.Uint16(b[2:]))
		if size > len(b) {
			break
		}
		if b[1] == typeSenderReport && size >= 28 {
			r = Report{SSRC: be.Uint32(b[4:]), NTP: be.Uint64(b[8:]), Timestamp: be.Uint32(b[16:])}
			return r, r.NTP != 0
		}
		b = b[size:]
	}
	return Report{}, false
}

// Reception is what a receiver report says of one source (6.4.1).
type Reception struct {
	Own, Of  uint32 // SSRC of the receiver and of the source
	Fraction uint8  // of the packets since the last report, 256ths that were lost
	Lost     uint64 // packets, ever
	Highest  uint32 // sequence number with its cycles above 16 bits
	Last     uint32 // the middle 32 bits of the last sender report's NTP; 0: none came
	Delay    uint32 // since then, in units of 1/65,536 s
}

// AppendReceiverReport appends a compound packet: a receiver report with one block, and a
// description of an empty name, which a compound packet must have (6.1).
func AppendReceiverReport(dst []byte, r *Reception) []byte {
	be := binary.BigEndian
	dst = append(dst, 0x81, typeReceiverReport, 0, 7)
	dst = be.AppendUint32(dst, r.Own)
	dst = be.AppendUint32(dst, r.Of)
	lost := uint32(min(r.Lost, 1<<23-1)) // 24 bits with a sign
	dst = be.AppendUint32(dst, uint32(r.Fraction)<<24|lost)
	dst = be.AppendUint32(dst, r.Highest)
	dst = be.AppendUint32(dst, 0) // jitter is not measured
	dst = be.AppendUint32(dst, r.Last)
	dst = be.AppendUint32(dst, r.Delay)
	dst = append(dst, 0x81, 202, 0, 2) // 6.5: SDES with one chunk
	dst = be.AppendUint32(dst, r.Own)
	return append(dst, 1, 0, 0, 0) // CNAME of no letters, end of the list
}
