// Package media holds the values that travel on the media path.
//
// It owns no memory and no goroutine: only the shapes of a packet, a header, a
// time and a rate. Values come from format plugins and go to logs and viewers.
// It never parses, never does I/O and imports no other room.
package media

import (
	"strconv"
	"time"
)

// Time is a point, or a distance, in nanoseconds on a rendition's own timeline.
// The zero value is the timeline's origin; it has nothing to do with a clock.
type Time int64

// FromDuration gives d as a distance on a timeline.
func FromDuration(d time.Duration) Time { return Time(d) }

// Duration gives a distance on a timeline as a duration.
func (t Time) Duration() time.Duration { return time.Duration(t) }

// Milliseconds gives t in whole milliseconds, rounded towards zero.
func (t Time) Milliseconds() int64 { return int64(t) / int64(time.Millisecond) }

// String gives t as a duration, "1.5s".
func (t Time) String() string { return time.Duration(t).String() }

// Flags mark properties of a packet. The zero value has none.
type Flags uint32

const (
	// Key marks a packet at which a player may begin.
	Key Flags = 1 << iota
	// Discontinuity marks a packet whose time does not follow from the one before it.
	Discontinuity
)

// Has tells whether all flags of x are set.
func (f Flags) Has(x Flags) bool { return f&x == x }

// String names the set flags, "key|discontinuity", or "-".
func (f Flags) String() string {
	switch rest := f &^ (Key | Discontinuity); {
	case f == 0:
		return "-"
	case rest != 0:
		return "0x" + strconv.FormatUint(uint64(f), 16)
	case f == Key|Discontinuity:
		return "key|discontinuity"
	case f == Key:
		return "key"
	}
	return "discontinuity"
}

// Packet is one indivisible piece of a rendition. Packets are handed by value;
// Bytes is shared and must not be written to. How long it stays valid is said
// by whoever hands the packet out.
type Packet struct {
	Seq      uint64 // place in the rendition, counted from 0 without gaps
	PTS, DTS Time   // when to show it, when to decode it
	Flags    Flags
	Track    uint16 // number of the track within the rendition
	Tag      uint64 // the format plugin's own word, carried unread
	Bytes    []byte
}

// Header is what a player needs before it can use packets. It is immutable once
// published: neither the value nor Bytes may be changed.
type Header struct {
	Generation uint64 // counted from 1 within a rendition
	Bytes      []byte
}

// Rate is a bit rate in bits per second. The zero value means not known.
type Rate int64

// RateOf gives the mean rate of n bytes that last for d; zero when d is not positive.
func RateOf(n int, d Time) Rate {
	if d <= 0 {
		return 0
	}
	return Rate(float64(n) * 8 * float64(time.Second) / float64(d))
}

// String gives the rate in the largest fitting decimal unit, "5.2Mbit/s".
func (r Rate) String() string {
	v, unit := float64(r), "bit/s"
	switch {
	case r >= 1e9:
		v, unit = v/1e9, "Gbit/s"
	case r >= 1e6:
		v, unit = v/1e6, "Mbit/s"
	case r >= 1e3:
		v, unit = v/1e3, "kbit/s"
	}
	return strconv.FormatFloat(v, 'g', 3, 64) + unit
}
