package deliver

import "sync/atomic"

// Missing says why packets were left out for a viewer that stays.
type Missing uint8

// The reasons, as they stand in metrics.
const (
	TooLate   Missing = iota // further behind than Attach.MaxLag
	Overran                  // its place had left the log
	Unreached                // it could not be sent to for a while
	missings
)

var missingNames = [missings]string{"lag", "overrun", "unreachable"}

// String gives the reason as a metric label.
func (m Missing) String() string {
	if m >= missings {
		return "unknown"
	}
	return missingNames[m]
}

// Missings lists the reasons.
func Missings() []Missing { return []Missing{TooLate, Overran, Unreached} }

// Missed is what was left out for one reason.
type Missed struct{ Packets, Bytes uint64 }

// missed counts it; only one worker adds to it.
type missed [missings]struct{ packets, bytes atomic.Uint64 }

func (c *missed) add(why Missing, packets, bytes uint64) {
	c[why].packets.Add(packets)
	c[why].bytes.Add(bytes)
}

// addTo gives the packets of all reasons.
func (c *missed) addTo(t *[missings]Missed) (packets uint64) {
	for i := range c {
		n := c[i].packets.Load()
		t[i].Packets += n
		t[i].Bytes += c[i].bytes.Load()
		packets += n
	}
	return packets
}

// unsent is how many bytes of its log a viewer has not got.
func (v *Viewer) unsent() uint64 {
	l := v.feed.log
	at, _ := v.cursor.Place()
	return l.Written() - min(at, l.Written())
}
