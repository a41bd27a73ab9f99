// Package mpegts reads MPEG transport streams (ISO/IEC 13818-1) as far as a relay of
// live media must: programme tables, times, continuity and random access points. It also
// makes them of elementary streams.
//
// It owns nothing and does no input or output. Packets of 188 bytes come in one by
// one; what goes out is a Result for each, the tables as they were received, and
// patches for the few fields that a relay may rewrite. The state between packets is a
// Demux, a plain value that can be written to bytes and read back. It never decodes
// media, never keeps a slice, never allocates in steady state, and never panics,
// whatever the bytes are.
//
// ReadElementary tells which bytes of a packet are an elementary stream's, for whoever takes
// one out. A Mux does the opposite: access units come in piece by piece, packets go out into the
// caller's buffer, and its state too is a plain value.
//
// A relay groups whole packets into media packets: it begins a new one where
// Result.Cut is set, and also after some fixed count of packets to bound the latency;
// a media packet that begins with Result.Key is one where players may join, after
// they were given PSI.
//
// Of a stream with several programmes the first is followed. Packets of 192 or 204
// bytes are not supported. Times are in ticks of 90 kHz, unwrapped from their 33 bits
// into int64. Section numbers are those of ISO/IEC 13818-1:2018. Functions are safe
// for concurrent use; a Demux, a Mux or a Patches has one owner at a time.
package mpegts

import (
	"bytes"
	"errors"
)

// ErrState is returned for bytes that are no state of a Demux.
var ErrState = errors.New("mpegts: malformed demux state")

// Sizes and limits.
const (
	PacketSize     = 188
	MaxStreams     = 32     // elementary streams of the programme that are told apart: chosen
	MaxStateSize   = 2047   // bytes of a Demux's state, at most
	TicksPerSecond = 90_000 // ISO 13818-1, 2.4.3.7: PTS and DTS

	syncByte      = 0x47
	pidMask       = 0x1FFF
	nullPID       = 0x1FFF
	maxSection    = 1024 // ISO 13818-1, 2.4.4: section_length of PAT and PMT is at most 1021
	maxPMTPackets = 4    // packets a PMT may take: chosen, so that the state stays small
	wrap          = 1 << 33
)

// Nanoseconds converts ticks of 90 kHz.
func Nanoseconds(ticks int64) int64 { return ticks * 100_000 / 9 }

// Sync looks for the packet boundary in bytes that are out of step: three sync bytes,
// 188 apart. With ok the first packet begins at skip. Without, the skip bytes may be
// thrown away, and the search be repeated when more have arrived; 377 bytes always
// decide on the first of them.
func Sync(b []byte) (skip int, ok bool) {
next:
	for {
		i := bytes.IndexByte(b[skip:], syncByte)
		if i < 0 {
			return len(b), false
		}
		skip += i
		for at := skip + PacketSize; at <= skip+2*PacketSize; at += PacketSize {
			if at >= len(b) {
				return skip, false
			}
			if b[at] != syncByte {
				skip++
				continue next
			}
		}
		return skip, true
	}
}

// Whole returns how many bytes at the start of b are whole packets, each beginning
// with a sync byte: a multiple of 188. When it returns less than b offers, either b
// ends in the middle of a packet or it is time for Sync.
func Whole(b []byte) int {
	n := 0
	for len(b)-n >= PacketSize && b[n] == syncByte {
		n += PacketSize
	}
	return n
}
