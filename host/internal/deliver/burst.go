package deliver

import (
	"math"
	"time"

	"github.com/weir-media/weir/host/internal/media"
)

// burst says how fast a viewer that is behind is sent what it has not got.
type burst uint8

const (
	noBurst    burst = iota // as fast as its socket takes it
	firstBurst              // at its rate, from its place and the present time on
	onBurst                 // at its rate, from bounds.origin on
)

// endless is a length that no log has.
const endless = media.Time(math.MaxInt64)

// beginBurst bounds the viewer's rate from now on until it has caught up, if it has one.
func (v *Viewer) beginBurst() {
	if v.rules != nil && v.rules.burst > 0 {
		v.state.burst = firstBurst
	}
}

// allowed is the length of the log up to which a viewer may be sent packets. It is
// counted from the burst's beginning, so that rounds that are late make it no slower.
func (v *Viewer) allowed(now time.Duration) media.Time {
	if v.state.burst == noBurst || v.udp != nil { // which has a bucket
		return endless
	}
	gone := media.FromDuration(time.Duration(v.rules.burst * float64(now)))
	if v.state.burst == firstBurst {
		_, run := v.cursor.Place()
		v.origin, v.state.burst = run-gone, onBurst
	}
	return v.origin + gone
}

// later has a viewer's burst go on in a later round, though the log may not grow.
func (f *feed) later(now time.Duration) {
	f.walk.early = true
	if !f.walk.ticking {
		f.schedule(now + f.interval())
	}
}
