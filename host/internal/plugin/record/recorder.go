package record

import (
	"bytes"
	"context"
	"io"
	"sync"
	"time"

	"github.com/weir-media/weir/abi/v1"
)

// Defaults of Options.
const (
	// DefaultBytes is how long a recording grows by default. Chosen: minutes of requests, some seconds of a source with its payload.
	DefaultBytes = 64 << 20
	// DefaultPending is how many bytes wait for a slow reader by default. Chosen: a second of a plugin that takes 8 MB of input each second.
	DefaultPending = 8 << 20
)

// Why a recording ended (Entry.Reason). A Reader may meet others.
const (
	ByTime    = "time"    // it lasted as long as it should
	ByBytes   = "size"    // it was as long as it may be
	ByOverrun = "overrun" // whoever read it was slower than the plugin
	ByStop    = "stopped" // whoever read it went away, or the server ended
	ByFault   = "fault"   // it holds one fault and nothing else
)

// Options say what to record.
type Options struct {
	Plugin  string        // its name in plugins.yaml
	Host    string        // weir's version
	For     time.Duration // how long; 0: until the context of Copy ends
	Bytes   int64         // the most that is written, but for the end; 0: DefaultBytes
	Pending int           // the most that waits to be written, in bytes; 0: DefaultPending
}

// Recorder is a recording under way: bounded memory between the plugin's workers, which never wait for it, and the goroutine that calls Copy.
type Recorder struct {
	options Options
	begin   time.Time
	wake    chan struct{} // capacity 1: there is something to write, or nothing will be added any more

	mu        sync.Mutex
	pending   pen
	bytes     int64 // of all entries so far, the magic included
	instances uint32
	reason    string // why nothing is added any more; empty: all is
	missed    uint64
}

// NewRecorder begins a recording. It needs no closing.
func NewRecorder(o Options) *Recorder {
	if o.Bytes <= 0 {
		o.Bytes = DefaultBytes
	}
	if o.Pending <= 0 {
		o.Pending = DefaultPending
	}
	r := &Recorder{options: o, begin: time.Now(), wake: make(chan struct{}, 1)}
	r.pending.b = make([]byte, 0, o.Pending) // at once, so that no call waits for a copy into a larger one
	r.pending.header(Header{Major: abi.Major, Minor: abi.Minor, Plugin: o.Plugin, Begin: r.begin, Host: o.Host})
	r.bytes = int64(len(r.pending.b))
	r.wake <- struct{}{}
	return r
}

// Stop has the recording end here; Copy returns. It may be called again, by any goroutine.
func (r *Recorder) Stop() { r.stop(ByStop) }

func (r *Recorder) stop(reason string) {
	r.mu.Lock()
	if r.reason == "" {
		r.reason = reason
	}
	r.mu.Unlock()
	r.rouse()
}

func (r *Recorder) rouse() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// add appends entries of one instance, all or none. Instances are numbered as they come: *number is 0 for one that the recording has not met.
func (r *Recorder) add(number *uint32, entries ...*Entry) (ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reason != "" {
		r.missed++
		return false
	}
	n, was := *number, len(r.pending.b)
	if n == 0 {
		n = r.instances + 1
	}
	for _, e := range entries {
		e.Instance = n
		// What is certainly too much is not copied first.
		if was+len(e.In)+len(e.Out) <= r.options.Pending {
			r.pending.entry(e)
			continue
		}
		r.reason = ByOverrun
		break
	}
	grown := len(r.pending.b) - was
	switch {
	case r.reason != "" || len(r.pending.b) > r.options.Pending:
		r.reason = ByOverrun
	case r.bytes+int64(grown) > r.options.Bytes:
		r.reason = ByBytes
	}
	if r.reason != "" {
		r.pending.b = r.pending.b[:was]
		r.missed++
	} else {
		r.bytes += int64(grown)
		r.instances = max(r.instances, n)
		*number = n
	}
	r.rouse()
	return r.reason == ""
}

// Copy writes the recording as it grows, until it ends: when Options.For has passed, when it is too long, when w is too slow, when ctx ends or Stop
// is called. The last entry says why. The error is w's. It is called once.
func (r *Recorder) Copy(ctx context.Context, w io.Writer) (n int64, err error) {
	var over <-chan time.Time
	if r.options.For > 0 {
		timer := time.NewTimer(r.options.For)
		defer timer.Stop()
		over = timer.C
	}
	writing := make([]byte, 0, r.options.Pending)
	for {
		select {
		case <-r.wake:
		case <-over:
			r.stop(ByTime)
		case <-ctx.Done():
			r.stop(ByStop)
		}
		r.mu.Lock()
		writing, r.pending.b = r.pending.b, writing[:0]
		ended := r.reason != ""
		r.mu.Unlock()
		written, err := w.Write(writing)
		n += int64(written)
		if err != nil {
			r.stop(ByStop)
			return n, err
		}
		if ended {
			written, err = w.Write(r.end())
			return n + int64(written), err
		}
	}
}

// end is the last entry.
func (r *Recorder) end() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	var p pen
	p.entry(&Entry{Kind: End, Reason: r.reason, Missed: r.missed})
	return bytes.Clone(p.b)
}
