package archive

import (
	"log/slog"
	"slices"
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

	create func(w Want, header []byte, now time.Time) (file, error) // nil: create; tests have another disk
}

const (
	// mostEnding bounds the recorders of one point that still finish their files, on a disk
	// that answers no more say; the next one waits for one of them. Chosen: two changes of where a
	// point is kept take effect at once.
	mostEnding = 2
	// closeTimeout is how long Close waits for files to be finished. Chosen: as long as
	// half the time that viewers have to finish unless --drain says another.
	closeTimeout = 5 * time.Second
)

// Room is all recorders of a server. All methods are safe for concurrent use; only Close
// waits for a disk. New makes one, Close ends it.
type Room struct {
	options   Options
	mu        sync.Mutex // not held over what a disk may hold up
	recorders map[Want]*recorder
	ending    []*recorder // told to end, the first told first; those that have ended are dropped by the next change
	closed    bool
}

// New makes a room that keeps nothing.
func New(o Options) *Room {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.create == nil {
		o.create = create
	}
	return &Room{options: o, recorders: map[Want]*recorder{}}
}

// Set puts in force what is to be kept: new recorders begin, others finish their files by
// themselves, and those that are the same go on.
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
	r.end(func(w Want) bool { return !kept[w] })
	for _, w := range want {
		if r.recorders[w] == nil {
			r.recorders[w] = start(w, r.options, r.before(w.Point.Name()))
		}
	}
}

// end tells the recorders that which names to end. The lock is held.
func (r *Room) end(which func(Want) bool) {
	r.ending = slices.DeleteFunc(r.ending, (*recorder).hasEnded)
	for w, x := range r.recorders {
		if which(w) {
			delete(r.recorders, w)
			r.ending = append(r.ending, x)
			x.tell()
		}
	}
}

// before gives the recorders of a point of which one must end before another one may begin;
// nil: at once. The lock is held.
func (r *Room) before(name string) *[mostEnding]*recorder {
	var all []*recorder
	for _, x := range r.ending {
		if x.want.Point.Name() == name && !x.isWaiting() {
			all = append(all, x)
		}
	}
	if len(all) < mostEnding {
		return nil
	}
	return (*[mostEnding]*recorder)(all[len(all)-mostEnding:])
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

// Close finishes all files, for which disks have closeTimeout. It may be called again.
func (r *Room) Close() {
	r.mu.Lock()
	r.closed = true
	r.end(func(Want) bool { return true })
	ending := slices.Clone(r.ending)
	r.mu.Unlock()
	limit := time.NewTimer(closeTimeout)
	defer limit.Stop()
	for i, x := range ending {
		select {
		case <-x.ended:
			continue
		case <-limit.C:
		}
		for _, x := range slices.DeleteFunc(ending[i:], (*recorder).hasEnded) {
			r.options.Log.Error("archive not finished: its disk does not answer", "point", x.want.Point.Name(), "file", x.status().Path, "after", closeTimeout)
		}
		return
	}
}
