package record

import (
	"bytes"
	"errors"
	"sync/atomic"
	"time"

	"github.com/weir-media/weir/host/internal/plugin"
)

// ErrBusy says that the plugin is being recorded already.
var ErrBusy = errors.New("somebody records this plugin already; wait until that recording has ended")

// Tap is where a plugin can be recorded: all generations of it that Wrap gave it see the same Recorder, if there is one. The zero Tap records
// nothing. It is safe for concurrent use.
type Tap struct{ to atomic.Pointer[Recorder] }

// Start lets all that goes through the tap into r, from each instance's next call on. It fails with ErrBusy while there is another Recorder.
func (t *Tap) Start(r *Recorder) error {
	if !t.to.CompareAndSwap(nil, r) {
		return ErrBusy
	}
	return nil
}

// Stop takes r off the tap, if it is on it, and ends it.
func (t *Tap) Stop(r *Recorder) {
	t.to.CompareAndSwap(r, nil)
	r.Stop()
}

// End stops whatever is on the tap.
func (t *Tap) End() {
	if r := t.to.Load(); r != nil {
		t.Stop(r)
	}
}

// Wrap gives g with the tap before it. Closing the one closes the other. While nobody records, a call costs one atomic load more and allocates
// nothing; each instance keeps a copy of its OPEN.
func Wrap(g plugin.Generation, t *Tap) plugin.Generation {
	wrapped := &tapped{Generation: g, tap: t, build: BuildOf(g)}
	if p, ok := g.(plugin.Process); ok {
		return &tappedProcess{wrapped, p}
	}
	return wrapped
}

// tappedProcess is a tapped Generation of a carrier with processes.
type tappedProcess struct {
	*tapped
	plugin.Process
}

// Untapped gives a Generation without its tap, for calls that are no part of what a plugin does.
func Untapped(g plugin.Generation) plugin.Generation {
	switch t := g.(type) {
	case *tapped:
		return t.Generation
	case *tappedProcess:
		return t.Generation
	}
	return g
}

type tapped struct {
	plugin.Generation
	tap   *Tap
	build Build
}

// New implements plugin.Generation.
func (g *tapped) New() (plugin.Instance, *plugin.Fault) {
	began := time.Now()
	inner, fault := g.Generation.New()
	if fault == nil {
		return &instance{Instance: inner, of: g}, nil
	}
	if r := g.tap.to.Load(); r != nil {
		var number uint32
		at := began.Sub(r.begin)
		r.add(&number, g.started(at), &Entry{Kind: Faulted, At: at, Took: time.Since(began), Limit: g.Limits().Open, Sin: SinOf(fault)})
	}
	return nil, fault
}

func (g *tapped) started(at time.Duration) *Entry {
	return &Entry{Kind: Started, At: at, Build: g.build}
}

// instance is an Instance behind the tap. What it keeps of a recording is its owner's goroutine's, like the instance.
type instance struct {
	plugin.Instance
	of     *tapped
	open   *Entry    // its first call, once that has been answered
	in     *Recorder // that knows this instance
	number uint32    // in that recording
}

// Call implements plugin.Instance.
func (i *instance) Call(limit time.Duration, frame []byte) ([]byte, *plugin.Fault) {
	r := i.of.tap.to.Load()
	if r == nil && i.open != nil {
		return i.Instance.Call(limit, frame)
	}
	return i.note(r, limit, frame)
}

// note calls and writes down; r may be nil.
func (i *instance) note(r *Recorder, limit time.Duration, frame []byte) ([]byte, *plugin.Fault) {
	began := time.Now()
	verdicts, fault := i.Instance.Call(limit, frame)
	e := Entry{Kind: Call, Limit: limit, Took: time.Since(began), In: frame, Out: verdicts}
	if fault != nil {
		e.Kind, e.Out, e.Sin = Faulted, nil, SinOf(fault)
	}
	open := i.open
	if open == nil && fault == nil {
		kept := e
		kept.In, kept.Out = bytes.Clone(frame), bytes.Clone(verdicts)
		i.open = &kept
	}
	if r == nil {
		return verdicts, fault
	}
	e.In, e.Out = Masked(e.In), Masked(e.Out)
	e.At = began.Sub(r.begin)
	if i.in == r {
		r.add(&i.number, &e)
		return verdicts, fault
	}
	i.number = 0
	entries := []*Entry{i.of.started(max(e.At, 0))}
	if open != nil { // the recording began in the middle of the instance's life
		was := *open
		was.At = e.At
		entries = append(entries, &was)
	}
	if r.add(&i.number, append(entries, &e)...) {
		i.in = r
	}
	return verdicts, fault
}

// Close implements plugin.Instance.
func (i *instance) Close() {
	if r := i.of.tap.to.Load(); r != nil && r == i.in {
		i.in = nil
		r.add(&i.number, &Entry{Kind: Closed, At: time.Since(r.begin)})
	}
	i.Instance.Close()
}
