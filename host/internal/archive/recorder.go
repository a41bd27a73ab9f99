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

	mu    sync.Mutex
	st    Status
	waits bool        // for one of those before it; once it was told, it never begins
	log   *stream.Log // that it records
	until uint64      // where log ended when it was told to end
}

// start begins a recorder, once one of those before it has ended if there are any.
func start(w Want, o Options, before *[mostEnding]*recorder) *recorder {
	r := &recorder{want: w, o: o, bell: make(chan struct{}, 1), done: make(chan struct{}), ended: make(chan struct{}), latency: w.Point.Options().Latency, st: Status{Want: w, State: Waiting}}
	if before != nil {
		r.st.Reason, r.waits = "the files before this one are still being finished", true
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

// tell has the recorder end with what its log holds now. It is called once.
func (r *recorder) tell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.log != nil {
		_, r.until = r.log.Bounds()
	}
	close(r.done)
}

// isWaiting reports whether the recorder has not begun yet for those before it.
func (r *recorder) isWaiting() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.waits
}

// passes ends the wait for those before, unless the recorder is to end.
func (r *recorder) passes() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isTold() {
		return false
	}
	r.waits, r.st.Reason = false, ""
	return true
}

// takes notes the log that is recorded from now on, unless the recorder is to end.
func (r *recorder) takes(l *stream.Log) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.isTold() {
		return false
	}
	r.log = l
	return true
}

// isPast reports whether a packet came after the recorder was told to end.
func (r *recorder) isPast(p media.Packet) bool {
	if !r.isTold() {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return p.Seq >= r.until
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
func (r *recorder) loop(before *[mostEnding]*recorder) {
	defer close(r.ended)
	if before != nil {
		select {
		case <-before[0].ended:
		case <-before[1].ended:
		case <-r.done:
		}
		if !r.passes() {
			return
		}
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
// reports false when the recorder is to end: then it goes on to where the log ended when it
// was told, or to the first gap before, and begins no other file.
func (r *recorder) follow(l *stream.Log) (more bool) {
	if !r.takes(l) {
		return false
	}
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
			if r.isPast(p) {
				return false
			}
			if (r.f != nil || r.mayRetry(p) && r.open(c.Header())) && !r.write(&c, p) {
				r.finish()
			}
		case stream.HeaderChange:
			h := c.TakeHeader()
			if r.isTold() {
				return false
			}
			if r.f != nil && r.finish() {
				r.open(h)
			}
		case stream.Overrun:
			if r.isTold() {
				return false
			}
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
	return p.Flags.Has(media.Key) && !r.isTold() && r.o.Now().Sub(r.failed) >= retryAfter
}

// write writes a packet, at a key packet into another file if this one is full.
func (r *recorder) write(c *stream.Cursor, p media.Packet) bool {
	w := r.f.written()
	isFull := r.want.Bytes > 0 && w.Bytes >= r.want.Bytes || r.want.After > 0 && w.Packets > 0 && (p.DTS-r.first).Duration() >= r.want.After
	if isFull && p.Flags.Has(media.Key) && !r.isTold() && (!r.finish() || !r.open(c.Header())) {
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
