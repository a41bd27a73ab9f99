package point

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/weir-media/weir/host/internal/stream"
)

// Options describe a point. SetOptions replaces them, but for Name and Total.
type Options struct {
	Name       string
	URL        string        // the source that the host starts; empty for a pushed point
	Demand     time.Duration // it is started for who watches, and stopped so long after the last; 0: it always runs
	Buffer     time.Duration // how much of each rendition is kept
	Grace      time.Duration // how long viewers wait for a source that left
	MaxViewers int           // 0: no limit
	MaxLag     time.Duration // how far a viewer may fall behind before its lag rule applies
	Latency    time.Duration // how long packets may wait to be sent together
	BurstRate  float64       // most that a viewer who is behind is sent, in multiples of the stream's rate; 0: no limit, by UDP twice the rate
	DropLate   bool          // a late viewer is closed, whatever its plugin asked for
	Template   string        // it was made from, and goes when it is of no use; empty: it stays
	Model      string        // the point whose settings it has instead of the template's; empty: none
	MaxBytes   int           // of one rendition's packets that are kept; 0: stream.DefaultMaxBytes
	Rates      Rates         // further limits of who joins
	Total      *Total        // of the server that the point is one of; nil: none. SetOptions does not replace it
}

// IsPush reports whether encoders push to the point.
func (o Options) IsPush() bool { return o.URL == "" }

// From is the URL for people: without a password.
func (o Options) From() string {
	u, err := url.Parse(o.URL)
	if err != nil || u.User == nil {
		return o.URL
	}
	return u.Redacted()
}

// Point is a publishing point. It is safe for concurrent use. New makes one; Close
// ends it.
type Point struct {
	options  Options
	onReady  func(p *Point, r *Rendition)
	mu       sync.Mutex
	state    State
	reason   string
	source   *Feed
	sources  uint64 // how many have fed it
	set      []*Rendition
	audience audience
	grace    *time.Timer
	watchers watchers
	made     made
}

// New makes an idle point. ready, which may be nil, is called for each rendition that
// gets its first header, so that packagers can be started on it; it must not block.
func New(o Options, ready func(p *Point, r *Rendition)) *Point {
	p := &Point{options: o, onReady: ready}
	p.state = p.restState()
	return p
}

// Name is the point's name.
func (p *Point) Name() string { return p.options.Name }

// Options gives what holds now.
func (p *Point) Options() Options {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.options
}

// SetOptions puts other options in force, in place: Buffer and MaxBytes for what is kept from now
// on, MaxViewers and Rates for who joins, Grace for the next source that leaves, the rest for
// viewers that come. A source that feeds the point goes on; whoever changes the URL
// ends it.
func (p *Point) SetOptions(o Options) {
	p.mu.Lock()
	defer p.mu.Unlock()
	to := &p.options // Name is read without the lock
	to.URL, to.Buffer, to.MaxBytes, to.Grace, to.MaxViewers = o.URL, o.Buffer, o.MaxBytes, o.Grace, o.MaxViewers
	to.Template, to.Model = o.Template, o.Model
	to.Demand = o.Demand
	to.MaxLag, to.Latency, to.BurstRate, to.DropLate = o.MaxLag, o.Latency, o.BurstRate, o.DropLate
	if to.Rates.Joins != o.Rates.Joins {
		p.audience.joins = bucket{}
	}
	to.Rates = o.Rates
	for _, r := range p.set {
		r.Log.SetWindow(o.Buffer)
		r.Log.SetMaxBytes(cmp.Or(o.MaxBytes, stream.DefaultMaxBytes))
	}
	if p.source == nil && len(p.set) == 0 && !p.state.isOver() {
		p.state, p.reason = p.restState(), ""
	}
}

// idleGather is how much longer than Latency what a source sends may wait while nobody
// watches. Chosen: who joins then is behind by as much for a moment, and begins with a
// burst anyway.
const idleGather = 5

// Gather gives how long what a source sends may wait for more of it: as long as the
// viewers' sends wait, so that they follow it (Gathered), at least for that time unless Latency is less, and while nobody
// watches for longer, at most for that time.
func (p *Point) Gather(least, most time.Duration) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	d, watched := time.Duration(0), false
	for _, r := range p.set {
		if interval, ok := r.Log.Interval(); ok {
			d, watched = max(d, interval), true
		}
	}
	if !watched {
		return min(idleGather*p.options.Latency, most)
	}
	return min(max(d, least), p.options.Latency, most)
}

// Gathered says for how long what the source sends waits now; 0: it does not. Who sends to
// viewers then does not wait for as long again.
func (p *Point) Gathered(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.set {
		r.Log.SetGathered(d)
	}
}

// Snapshot is a point at one moment. Its slices are the caller's.
type Snapshot struct {
	Name       string
	State      State
	Reason     string
	HasSource  bool
	Source     string // who feeds it
	Sources    uint64
	Since      time.Time // of the source
	Viewers    int
	Renditions []*Rendition // sorted by name
}

// Snapshot gives the point as it is now.
func (p *Point) Snapshot() Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Snapshot{Name: p.options.Name, State: p.state, Reason: p.reason, Sources: p.sources, Viewers: p.audience.viewers, Renditions: slices.Clone(p.set)}
	if p.source != nil {
		s.HasSource, s.Source, s.Since = true, p.source.owner, p.source.since
	}
	return s
}

// Rendition gives the point's rendition of that name.
func (p *Point) Rendition(name string) (*Rendition, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r := p.find(name); r != nil {
		return r, nil
	}
	return nil, ErrNoSuch
}

func (p *Point) find(name string) *Rendition {
	for _, r := range p.set {
		if r.name == name {
			return r
		}
	}
	return nil
}

// Watch adds a watcher; Unwatch removes it.
func (p *Point) Watch(w Watcher) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchers.add(w)
}

// Unwatch removes a watcher.
func (p *Point) Unwatch(w Watcher) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watchers.remove(w)
}

// changed tells the watchers. It is called without the lock.
func (p *Point) changed() {
	p.mu.Lock()
	all := p.watchers.list()
	p.mu.Unlock()
	for _, w := range all {
		w.Changed(p)
	}
}

// Expect puts a point without a source into the state waiting, before one is started.
func (p *Point) Expect() { p.rest(Waiting, "") }

// Rest puts a point without a source into the state of one that nobody starts. What a
// source on demand has left ends now if nobody watches: the next viewer is to begin with
// what is live then.
func (p *Point) Rest() {
	p.mu.Lock()
	s := p.restState()
	var ended []*Rendition
	if p.options.Demand > 0 && p.source == nil && p.audience.viewers == 0 && p.state != Draining {
		p.stopGrace()
		ended = p.dropRenditions()
	}
	p.mu.Unlock()
	end(ended)
	p.rest(s, "")
}

// Fail puts a point without a source into the state failed.
func (p *Point) Fail(reason string) { p.rest(Failed, reason) }

func (p *Point) rest(s State, reason string) {
	p.mu.Lock()
	if p.source == nil && !p.state.isOver() {
		p.state, p.reason = s, reason
	}
	p.mu.Unlock()
	p.changed()
}

// Close ends the point: its renditions end, so that viewers get what their rules say,
// and nobody joins any more.
func (p *Point) Close() {
	p.mu.Lock()
	p.state = Draining
	p.stopGrace()
	ended := p.dropRenditions()
	p.mu.Unlock()
	end(ended)
	p.changed()
}

func (p *Point) stopGrace() {
	if p.grace != nil {
		p.grace.Stop()
		p.grace = nil
	}
}

func (p *Point) dropRenditions() []*Rendition {
	gone := p.set
	p.set = nil
	return gone
}

// addRendition makes a rendition, whose packets count from first, and puts it into the
// sorted set. The lock is held.
func (p *Point) addRendition(name, from string, first uint64) *Rendition {
	r := &Rendition{name: name, from: from, point: p,
		Log: stream.New(stream.Options{Window: p.options.Buffer, MaxBytes: p.options.MaxBytes, First: first})}
	set := append(slices.Clone(p.set), r)
	slices.SortFunc(set, func(a, b *Rendition) int { return strings.Compare(a.name, b.name) })
	p.set = set
	return r
}
