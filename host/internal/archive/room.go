package archive

import (
	"log/slog"
	"sync"
	"time"

	"github.com/weir-media/weir/host/internal/point"
)

// Want is one point that is kept. It is comparable: one that differs in anything is another.
type Want struct {
	Point     *point.Point
	Rendition string        // asf, mpegts
	File      string        // path; see Name
	After     time.Duration // of media after which another file begins; 0: no limit
	Bytes     uint64        // likewise
}

// Options describe a Room. Log must be set.
type Options struct {
	Log *slog.Logger
	Now func() time.Time // nil: time.Now
}

// Room is all recorders of a server. All methods are safe for concurrent use. New makes one,
// Close ends it.
type Room struct {
	options   Options
	mu        sync.Mutex
	recorders map[Want]*recorder
	closed    bool
}

// New makes a room that keeps nothing.
func New(o Options) *Room {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Room{options: o, recorders: map[Want]*recorder{}}
}

// Set puts in force what is to be kept: new recorders begin, others finish their files, and
// those that are the same go on.
func (r *Room) Set(want []Want) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	kept := make(map[Want]bool, len(want))
	for _, w := range want {
		kept[w] = true
	}
	var ended []*recorder
	for w, x := range r.recorders {
		if !kept[w] {
			delete(r.recorders, w)
			ended = append(ended, x)
		}
	}
	stop(ended)
	for _, w := range want {
		if r.recorders[w] == nil {
			r.recorders[w] = start(w, r.options)
		}
	}
}

// Of gives the recorder's state of a point; ok is false if it is not kept.
func (r *Room) Of(p *point.Point) (st Status, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for w, x := range r.recorders {
		if w.Point == p {
			return x.status(), true
		}
	}
	return st, false
}

// Close finishes all files. It may be called again.
func (r *Room) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	var all []*recorder
	for w, x := range r.recorders {
		delete(r.recorders, w)
		all = append(all, x)
	}
	stop(all)
}

func stop(all []*recorder) {
	for _, x := range all {
		close(x.done)
	}
	for _, x := range all {
		x.loops.Wait()
	}
}
