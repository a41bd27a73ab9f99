package rtp

// Unit is an access unit that begins: a picture, or the sound of one packet.
type Unit struct {
	Timestamp uint32 // in the payload type's clock: when it is shown or heard
	Key       bool   // decoding can start here
	Size      int    // bytes that follow by Write; 0: not known
	// Reorder is how many pictures may come before one that is shown earlier, -1 if
	// the stream does not say; 0 for sound.
	Reorder int
}

// Sink takes what depayloaders put together: Begin, then Write as often as there are
// pieces, then End. A slice is valid during the call only. A unit that was damaged on
// its way ends early.
type Sink interface {
	Begin(u Unit)
	Write(b []byte)
	End()
}

// Order finds the decoding times of pictures that come in decoding order with the times
// at which they are shown, as RTP has them (RFC 6184 5.1). The zero value is ready.
type Order struct {
	started bool
	depth   uint8
	last    int64                 // the last decoding time
	list    [MaxReorder + 1]int64 // presentation times in ascending order; the first is used up
}

// MaxReorder is the most pictures of Unit.Reorder (H.264 A.3.1: MaxDpbFrames).
const MaxReorder = 16

const (
	// orderStep is between the decoding times before the first picture's, ticks of
	// 90 kHz. Chosen: 20 ms.
	orderStep = 1800
	// orderJump is how far times jump that do not belong together. Chosen: 10 s.
	orderJump = 900_000
)

// Next gives the decoding time of the picture that is shown at pts, ticks of 90 kHz. It
// is at most pts, and rises from picture to picture unless the times jump; of a stream
// that does not say how it reorders (-1) it falls once, when that is learnt.
func (o *Order) Next(pts int64, reorder int) int64 {
	reorder = min(reorder, MaxReorder)
	switch since := pts - o.last; {
	case !o.started, since > orderJump, since < -orderJump:
		o.start(pts, max(reorder, 0))
		return o.last
	case reorder >= 0 && reorder != int(o.depth):
		o.resize(reorder)
	case reorder < 0 && pts <= o.last && o.depth < MaxReorder:
		o.resize(int(o.depth) + 1)
	}
	o.list[0] = pts
	for i := range int(o.depth) {
		if o.list[i] <= o.list[i+1] {
			break
		}
		o.list[i], o.list[i+1] = o.list[i+1], o.list[i]
	}
	o.last = min(max(o.list[0], o.last+1), pts)
	return o.last
}

func (o *Order) start(pts int64, depth int) {
	o.started, o.depth = true, uint8(depth)
	for i := range depth + 1 {
		o.list[i] = pts - int64(depth-i)*orderStep
	}
	o.last = o.list[0]
}

// resize keeps the latest times; new places are before the first.
func (o *Order) resize(depth int) {
	was := o.list
	shift := depth - int(o.depth)
	for i := range depth + 1 {
		o.list[i] = was[max(i-shift, 0)]
	}
	o.depth = uint8(depth)
}
