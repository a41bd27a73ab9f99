package archive

import (
	"sync"
	"time"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/host/internal/stream"
)

// State is what a recorder is doing.
type State string

// The states.
const (
	Waiting   State = "waiting" // for the rendition
	Recording State = "recording"
	Failed    State = "failed" // it could not be written; see retryAfter
)

// retryAfter is how long after a failure the next key packet begins another file, unless
// another rendition comes before. Chosen: a disk is not emptied sooner.
const retryAfter = 30 * time.Second

// Status is a recorder at one moment.
type Status struct {
	Want
	State   State
	Reason  string // of Failed; of Waiting while files before this one keep it from beginning
	Written        // to the file that is written, or was last
	Files   uint64 // begun
	Skipped uint64 // packets that were not written, since the disk was too slow
}

// Written is what a file holds.
type Written struct {
	Path    string
	Bytes   uint64
	Packets uint64
}

// recorder keeps one point. Its goroutine owns what is not under mu.
type recorder struct {
	want  Want
	o     Options
	bell  chan struct{} // something has changed; of one place
	done  chan struct{}
	ended chan struct{} // closed by the loop
	f     file          // nil unless one is open
	first media.Time    // of the file's packets

	failed  time.Time     // the last time; of the loop
	latency time.Duration // of the point, when the recorder began

	mu sync.Mutex
	st Status
}

// start begins a recorder, once the one before it has ended if there is one.
func start(w Want, o Options, before *recorder) *recorder {
	r := &recorder{want: w, o: o, bell: make(chan struct{}, 1), done: make(chan struct{}), ended: make(chan struct{}), latency: w.Point.Options().Latency, st: Status{Want: w, State: Waiting}}
	if before != nil {
		r.st.Reason = "the files before this one are still being finished"
	}
	go r.loop(before)
	return r
}

// hasEnded reports whether the recorder has finished its file.
func (r *recorder) hasEnded() bool {
	select {
	case <-r.ended:
		return true
	default:
		return false
	}
}

// Changed rings when the point has changed.
func (r *recorder) Changed(*point.Point) { r.ring() }

// Wake rings when the log has grown. It is called by whoever writes the log.
func (r *recorder) Wake(*stream.Log) { r.ring() }

// Interval has the source gather what it sends as if a viewer watched. The point calls it
// with its lock.
func (r *recorder) Interval() time.Duration { return r.latency }

func (r *recorder) ring() {
	select {
	case r.bell <- struct{}{}:
	default:
	}
}

// isTold reports whether the recorder is to end.
func (r *recorder) isTold() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// wait reports false when the recorder is to end.
func (r *recorder) wait() bool {
	select {
	case <-r.done:
		return false
	case <-r.bell:
		return true
	}
}

// loop records each rendition of the wanted name that comes. It owns the file, and ends by
// itself once done is closed and the disk has taken what it was given.
func (r *recorder) loop(before *recorder) {
	defer close(r.ended)
	if before != nil {
		select {
		case <-before.ended:
		case <-r.done:
		}
		if r.isTold() {
			return
		}
		r.mu.Lock()
		r.st.Reason = ""
		r.mu.Unlock()
	}
	r.want.Point.Watch(r)
	defer r.want.Point.Unwatch(r)
	var last *point.Rendition
	for {
		x, err := r.want.Point.Rendition(r.want.Rendition)
		if err == nil && x != last && x.Log.Header() != nil {
			last = x
			if !r.follow(x.Log) {
				return
			}
			continue
		}
		if !r.wait() {
			return
		}
	}
}

// follow records a log to its end, but for what comes within retryAfter of a failure. It
// reports false when the recorder is to end.
func (r *recorder) follow(l *stream.Log) (more bool) {
	l.AddWaker(r)
	defer l.RemoveWaker(r)
	oldest, _ := l.Bounds()
	c := l.Cursor(stream.Start{Mode: stream.StartSeq, Seq: oldest})
	defer r.finish()
	r.open(c.Header())
	for {
		p, st := c.Next()
		switch st {
		case stream.More:
			if (r.f != nil || r.mayRetry(p) && r.open(c.Header())) && !r.write(&c, p) {
				r.finish()
			}
		case stream.HeaderChange:
			h := c.TakeHeader()
			if r.f != nil && r.finish() {
				r.open(h)
			}
		case stream.Overrun:
			c.SkipToKey()
			_, skipped := c.TakeCounts()
			r.mu.Lock()
			r.st.Skipped += skipped
			r.mu.Unlock()
		case stream.Empty:
			if r.f != nil && !r.flush() {
				r.finish()
			}
			if !r.wait() {
				return false
			}
		default:
			return true
		}
	}
}

// mayRetry tells whether a packet begins another file after a failure.
func (r *recorder) mayRetry(p media.Packet) bool {
	return p.Flags.Has(media.Key) && r.o.Now().Sub(r.failed) >= retryAfter
}

// write writes a packet, at a key packet into another file if this one is full.
func (r *recorder) write(c *stream.Cursor, p media.Packet) bool {
	w := r.f.written()
	isFull := r.want.Bytes > 0 && w.Bytes >= r.want.Bytes || r.want.After > 0 && w.Packets > 0 && (p.DTS-r.first).Duration() >= r.want.After
	if isFull && p.Flags.Has(media.Key) && (!r.finish() || !r.open(c.Header())) {
		return false
	}
	if r.f.written().Packets == 0 {
		r.first = p.DTS
	}
	return r.judge(r.f.packet(p))
}

// open begins a file.
func (r *recorder) open(h *media.Header) bool {
	if h == nil { // its packets come under the next header
		h = &media.Header{}
	}
	f, err := r.o.create(r.want, h.Bytes, r.o.Now())
	if err != nil {
		return r.judge(err)
	}
	r.f = f
	r.mu.Lock()
	r.st.Files++
	r.st.State, r.st.Reason, r.st.Written = Recording, "", f.written()
	r.mu.Unlock()
	r.o.Log.Info("archive begins", "point", r.want.Point.Name(), "file", f.written().Path)
	return true
}

func (r *recorder) flush() bool {
	err := r.f.flush()
	r.mu.Lock()
	r.st.Written = r.f.written()
	r.mu.Unlock()
	return r.judge(err)
}

// finish closes the file, if one is open.
func (r *recorder) finish() bool {
	if r.f == nil {
		return true
	}
	f := r.f
	r.f = nil
	err := f.finish()
	r.mu.Lock()
	r.st.Written = f.written()
	if err == nil && r.st.State == Recording {
		r.st.State = Waiting
	}
	r.mu.Unlock()
	if err == nil {
		r.o.Log.Info("archive ends", "point", r.want.Point.Name(), "file", f.written().Path, "bytes", f.written().Bytes)
	}
	return r.judge(err)
}

// judge notes an error, which ends the file.
func (r *recorder) judge(err error) bool {
	if err == nil {
		return true
	}
	r.failed = r.o.Now()
	r.mu.Lock()
	known := r.st.State == Failed
	r.st.State, r.st.Reason = Failed, err.Error()
	r.mu.Unlock()
	if !known {
		r.o.Log.Error("archive failed; it is tried again", "point", r.want.Point.Name(), "error", err)
	}
	return false
}

func (r *recorder) status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.st
}
