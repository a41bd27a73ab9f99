package point

import (
	"time"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/stream"
)

// Feed is a source's hold on a point. One goroutine uses it at a time. Publish makes
// one; Close gives the point back.
type Feed struct {
	point     *Point
	owner     string
	since     time.Time
	rendition *Rendition
	live      bool
	closed    bool
}

// Publish reserves the point for the caller as its source; Open makes it so. Closed
// before, it leaves the point as it was. owner names it for status and logs. pushed
// tells a source that came by itself from one that the host started.
func (p *Point) Publish(owner string, pushed bool, now time.Time) (*Feed, error) {
	p.mu.Lock()
	switch {
	case p.state == Draining:
		p.mu.Unlock()
		return nil, ErrClosed
	case p.state == Stopped:
		p.mu.Unlock()
		return nil, ErrStopped
	case pushed && !p.options.IsPush():
		p.mu.Unlock()
		return nil, ErrNotPush
	case p.source != nil:
		p.mu.Unlock()
		return nil, ErrBusy
	}
	f := &Feed{point: p, owner: owner, since: now}
	p.source = f
	p.mu.Unlock()
	return f, nil
}

// isOpen reports whether the source has been opened. The point's lock is held.
func (f *Feed) isOpen() bool { return f != nil && f.rendition != nil }

// Point is the point that is fed.
func (f *Feed) Point() *Point { return f.point }

// Owner names the source.
func (f *Feed) Owner() string {
	f.point.mu.Lock()
	defer f.point.mu.Unlock()
	return f.owner
}

// Pass gives the feed a new owner, whose goroutine uses it from then on. It fails with
// ErrGone when the point has no use for the feed any more.
func (f *Feed) Pass(owner string) error {
	f.point.mu.Lock()
	defer f.point.mu.Unlock()
	if f.closed || f.point.source != f {
		return ErrGone
	}
	f.owner = owner
	return nil
}

// Feed gives the source that feeds the point and has opened its rendition, nil if there
// is none.
func (p *Point) Feed() *Feed {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.source.isOpen() {
		return p.source
	}
	return nil
}

// Prior is what the last source of a rendition left behind.
type Prior struct {
	Sources  uint64
	Header   []byte // nil if there is nothing to continue
	NextTime media.Time
	NextSeq  uint64
}

// Open takes the rendition that this source will feed. Renditions of another form
// that a previous source left end now.
func (f *Feed) Open(rendition string) (Prior, error) { return f.OpenAt(rendition, 0, 0) }

// OpenAt is Open for a source that fed the same point in another process: a rendition
// that is not there yet counts its packets from first, and the point's sources count
// from those that fed it there, this one included.
func (f *Feed) OpenAt(rendition string, first, sources uint64) (Prior, error) {
	p := f.point
	p.mu.Lock()
	if f.closed || p.source != f || p.state.isOver() {
		p.mu.Unlock()
		return Prior{}, ErrGone
	}
	p.sources = max(p.sources+1, sources)
	p.reason = ""
	p.state = Waiting
	p.stopGrace()
	r := p.find(rendition)
	var ended []*Rendition
	if r == nil || r.from != "" {
		ended = p.dropRenditions()
		r = p.addRendition(rendition, "", first)
	}
	f.rendition = r
	prior := Prior{Sources: p.sources}
	p.mu.Unlock()
	end(ended)
	if h := r.Log.Header(); h != nil {
		prior.Header = h.Bytes
		prior.NextTime, prior.NextSeq = r.nextTime(), nextSeq(r)
	}
	p.changed()
	return prior, nil
}

func nextSeq(r *Rendition) uint64 {
	_, n := r.Log.Bounds()
	return n
}

// nextTime is where a returning source goes on: behind the last packet by the mean
// distance of the packets in the log, at most maxStep.
func (r *Rendition) nextTime() media.Time {
	const maxStep = media.Time(100 * time.Millisecond) // chosen: a few video frames
	oldest, next := r.Log.Bounds()
	last := r.Log.LastDTS()
	if next <= oldest+1 {
		return last + media.Time(time.Millisecond)
	}
	c := r.Log.Cursor(stream.Start{Mode: stream.StartSeq, Seq: oldest})
	first, _ := c.Next()
	step := (last - first.DTS) / media.Time(next-oldest-1)
	return last + max(min(step, maxStep), media.Time(time.Millisecond))
}

// Rendition is the one that Open took; nil before.
func (f *Feed) Rendition() *Rendition { return f.rendition }

// SetHeader sets the rendition's header.
func (f *Feed) SetHeader(b []byte) {
	if !f.closed && f.rendition != nil {
		f.rendition.SetHeader(b)
	}
}

// Append appends a packet, whose bytes are the pieces' concatenation. The first one
// makes the point live.
func (f *Feed) Append(k media.Packet, pieces ...[]byte) {
	if f.closed || f.rendition == nil {
		return
	}
	f.rendition.Log.Append(k, pieces...)
	if !f.live {
		f.live = true
		f.point.setLive(f)
	}
}

func (p *Point) setLive(f *Feed) {
	p.mu.Lock()
	if p.source == f && !p.state.isOver() {
		p.state = Live
	}
	p.mu.Unlock()
	p.changed()
}

// Close takes the source off the point. Its renditions and viewers stay for the
// point's grace period, then they end. It may be called again.
func (f *Feed) Close(reason string) {
	p := f.point
	p.mu.Lock()
	if f.closed {
		p.mu.Unlock()
		return
	}
	f.closed = true
	if p.source != f {
		p.mu.Unlock()
		return
	}
	p.source = nil
	if f.rendition == nil { // it was a reservation only
		p.mu.Unlock()
		p.Retire()
		return
	}
	if p.state != Stopped {
		p.reason = reason
	}
	var ended []*Rendition
	switch {
	case p.state.isOver():
	case len(p.set) == 0 || !p.hasHeader() || p.goesWithSource():
		ended = p.dropRenditions()
		p.state = p.restState()
	default:
		p.state = Waiting
		p.stopGrace()
		sources := p.sources
		p.grace = time.AfterFunc(p.options.Grace, func() { p.graceOver(sources) })
	}
	p.mu.Unlock()
	end(ended)
	p.changed()
	p.Retire()
}

func (p *Point) hasHeader() bool {
	for _, r := range p.set {
		if r.Log.Header() != nil {
			return true
		}
	}
	return false
}

func (p *Point) restState() State {
	if p.options.IsPush() || p.options.Demand > 0 {
		return Idle
	}
	return Waiting
}

// graceOver ends the renditions that a source left, unless another one has come.
func (p *Point) graceOver(sources uint64) {
	p.mu.Lock()
	if p.sources != sources || p.source.isOpen() || p.state.isOver() {
		p.mu.Unlock()
		return
	}
	p.grace = nil
	p.state = p.restState()
	ended := p.dropRenditions()
	p.mu.Unlock()
	end(ended)
	p.changed()
	p.Retire()
}
