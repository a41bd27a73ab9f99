package main

import (
	"encoding/binary"

	"github.com/weir-media/weir/sdk/mpegts"
	"github.com/weir-media/weir/sdk/rtp"
)

const (
	second = mpegts.TicksPerSecond
	// recordStart is where the first packet stands on the timeline, ticks of 90 kHz.
	// Chosen: sound that belongs 1.3 s before the first picture is still above
	// mpegts.MuxLead.
	recordStart = 2 * second
	// apart is how far tracks may be apart that belong together; what is further counts
	// as another clock. Chosen.
	apart = 10 * second
	// slack is how far sound may be off before it is moved. Chosen: ITU-R BT.1359 has
	// 45 ms as the least that is seen.
	slack = second * 2 / 100
)

// mediaClock puts a track's timestamps onto the recording's timeline, in ticks of 90 kHz.
type mediaClock struct {
	rate     uint32 // Hz of the timestamps
	started  bool
	reported bool  // report is valid
	first    int64 // unwrapped timestamp that stands at base
	last     int64 // the last one
	base     int64 // ticks
	placed   int64 // where the last unit was written, ticks; 0: none was
	report   rtp.Report
	heard    int64 // when it came, ns of the host's monotonic clock
}

// extend gives the unwrapped timestamp that is nearest to the last one.
func (c *mediaClock) extend(timestamp uint32) int64 {
	return c.last + int64(int32(timestamp-uint32(c.last)))
}

// at gives the place of an unwrapped timestamp.
func (c *mediaClock) at(extended int64) int64 {
	return c.base + c.ticks(extended-c.first)
}

func (c *mediaClock) ticks(n int64) int64 { return n * second / int64(max(c.rate, 1)) }

// place puts the packet of a track onto the timeline.
func (r *recording) place(t *medium, timestamp uint32) int64 {
	c := &t.clock
	if c.started {
		next := c.extend(timestamp)
		if step := c.ticks(next - c.last); step < apart && step > -apart {
			c.last = next
			return c.at(next)
		}
	}
	c.base = recordStart
	if c.started { // the timestamps begin anew
		c.base, c.reported = c.at(c.last)+second/25, false
	}
	c.started = true
	c.first, c.last = int64(timestamp), int64(timestamp)
	if other := r.reference(t); other != nil {
		c.base = max(c.base, other.clock.at(other.clock.last))
		if at, ok := c.beside(&other.clock); ok {
			c.base = at
		}
	}
	return c.base
}

// reference is the track that others keep to: the first picture's that has begun, else the
// first that has; nil if there is none but t.
func (r *recording) reference(t *medium) *medium {
	var found *medium
	for i := range r.tracks {
		o := &r.tracks[i]
		if o == t || !o.clock.started {
			continue
		}
		if o.coding == codingH264 {
			return o
		}
		if found == nil {
			found = o
		}
	}
	return found
}

// beside gives where a clock's first timestamp belongs by the sender reports of both (RFC
// 3550 6.4.1).
func (c *mediaClock) beside(o *mediaClock) (at int64, ok bool) {
	if !c.reported || !o.reported {
		return 0, false
	}
	const hour = 3600                           // what is further apart is not one sender's: chosen
	since := int64(c.report.NTP - o.report.NTP) // 32 bits behind the point
	if since>>32 > hour || since>>32 < -hour {
		return 0, false
	}
	ticks := (since>>32)*second + (since&0xFFFFFFFF)*second>>32
	at = o.at(o.extend(o.report.Timestamp)) + ticks + c.ticks(c.first-c.extend(c.report.Timestamp))
	far := c.ticks(c.last-c.first) + at - o.at(o.last)
	return at, far < apart && far > -apart && at >= mpegts.MuxLead
}

// hear takes a sender report of a track. Sound that is off is moved to its pictures; what
// was written before it may then be later than what follows (see unitSink).
func (r *recording) hear(t *medium, report rtp.Report, now int64) {
	t.clock.report, t.clock.reported, t.clock.heard = report, true, now
	for i := range r.tracks {
		o := &r.tracks[i]
		other := r.reference(o)
		if !o.clock.started || o.coding == codingH264 || other == nil || other.coding != codingH264 {
			continue
		}
		if at, ok := o.clock.beside(&other.clock); ok && (at-o.clock.base > slack || at-o.clock.base < -slack) {
			o.clock.base = at
		}
	}
}

const mediaClockSize = 4 + 1 + 4*8 + 4 + 8 + 4 + 8

func (c *mediaClock) append(b []byte) []byte {
	le := binary.LittleEndian
	bits := byte(0)
	if c.started {
		bits |= 1
	}
	if c.reported {
		bits |= 2
	}
	b = append(le.AppendUint32(b, c.rate), bits)
	for _, v := range [...]int64{c.first, c.last, c.base, c.placed} {
		b = le.AppendUint64(b, uint64(v))
	}
	b = le.AppendUint32(b, c.report.SSRC)
	b = le.AppendUint64(b, c.report.NTP)
	b = le.AppendUint32(b, c.report.Timestamp)
	return le.AppendUint64(b, uint64(c.heard))
}

// read unpacks what append packed; b has mediaClockSize bytes at least.
func (c *mediaClock) read(b []byte) bool {
	le := binary.LittleEndian
	c.rate, c.started, c.reported = le.Uint32(b), b[4]&1 != 0, b[4]&2 != 0
	for i, p := range [...]*int64{&c.first, &c.last, &c.base, &c.placed} {
		*p = int64(le.Uint64(b[5+8*i:]))
	}
	c.report = rtp.Report{SSRC: le.Uint32(b[37:]), NTP: le.Uint64(b[41:]), Timestamp: le.Uint32(b[49:])}
	c.heard = int64(le.Uint64(b[53:]))
	return b[4] <= 3
}
