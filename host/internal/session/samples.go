package session

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/record"
)

const (
	// maxSamples is how many events a worker keeps for a new generation to answer before
	// it is put in force, and maxSample the bytes of each (chosen: half a MiB).
	maxSamples = 8
	maxSample  = 64 << 10
	// maxShown is how many a new generation answers, and maxShowing how long it may take
	// for that in all (chosen: with 64 instances a change must not take minutes).
	maxShown   = 32
	maxShowing = 5 * time.Second
	// sampleEvery is how often a kind of event that comes again and again is kept anew
	// (chosen: its copy must not be felt).
	sampleEvery = time.Second
)

// samples are events that were answered well. They belong to a worker.
type samples struct {
	all  []sample
	hash maphash.Hash
}

// sampleSeed makes keys of several workers equal.
var sampleSeed = maphash.MakeSeed()

// sample is one event, in a frame of its own with the state that preceded it.
type sample struct {
	key    uint64 // what it is like
	op     abi.Op
	schema string // of the state
	frame  []byte
	at     time.Time // when it was told
}

// stand is where an event stands in a frame, with the state that precedes it.
type stand struct {
	from, to int
	records  uint32
	schema   string // of that state; empty: there is none
}

// held gives the schema of the state that a session is told of with its next event. Worker.
func (s *Session) held() string {
	if len(s.blob) == 0 {
		return ""
	}
	return s.schema
}

// keep notes the event that a session has just answered. The least recent of the kind of
// which there are most makes room. Worker.
func (w *worker) keep(s *Session, at stand, now time.Time) {
	m, frame := &w.samples, w.scratch.w.Bytes()[at.from:at.to]
	op := s.cur.event.Op()
	if s.era != w.now || s.cur.from == fromNowhere || s.refuse > 0 || len(frame) > maxSample || op == abi.OpStop {
		return
	}
	key := m.keyOf(s.cur.event)
	i := slices.IndexFunc(m.all, func(x sample) bool { return x.key == key })
	switch {
	case i >= 0 && now.Sub(m.all[i].at) < sampleEvery:
		return
	case i >= 0:
	case len(m.all) < maxSamples:
		m.all = append(m.all, sample{})
		i = len(m.all) - 1
	default:
		i = m.spared()
	}
	x := &m.all[i]
	x.key, x.op, x.schema, x.at = key, op, at.schema, now
	x.frame = binary.LittleEndian.AppendUint32(x.frame[:0], at.records) // the frame's head (spec.md 4)
	x.frame = append(binary.LittleEndian.AppendUint32(x.frame, 0), frame...)
}

// keyOf gives what makes an event one of its kind: a request by its method, route, path
// and the names of its fields, all others by their op.
func (m *samples) keyOf(e abi.Event) uint64 {
	q, ok := e.(*abi.HTTPRequest)
	if !ok {
		return uint64(e.Op())
	}
	m.hash.SetSeed(sampleSeed)
	for _, b := range [][]byte{q.Method, q.Route, q.Path} {
		_, _ = m.hash.Write(b)
		_ = m.hash.WriteByte(0)
	}
	for f := range q.Fields.All() {
		_, _ = m.hash.Write(f.Name)
		_ = m.hash.WriteByte(0)
	}
	return m.hash.Sum64() | 1<<63
}

// spared gives the sample that makes room for another.
func (m *samples) spared() (at int) {
	count := func(op abi.Op) (n int) {
		for i := range m.all {
			if m.all[i].op == op {
				n++
			}
		}
		return n
	}
	for i := 1; i < len(m.all); i++ {
		x, y := &m.all[i], &m.all[at]
		if a, b := count(x.op), count(y.op); a > b || a == b && x.at.Before(y.at) {
			at = i
		}
	}
	return at
}

// samples copies what the plugin's workers have kept, each kind once, the latest first.
func (r *Runner) samples() (all []sample) {
	r.each(func(w *worker) {
		for _, x := range w.samples.all {
			i := slices.IndexFunc(all, func(y sample) bool { return x.key == y.key })
			if i >= 0 && !all[i].at.Before(x.at) {
				continue
			}
			if x.frame = slices.Clone(x.frame); i >= 0 {
				all[i] = x
			} else {
				all = append(all, x)
			}
		}
	})
	slices.SortStableFunc(all, func(a, b sample) int { return b.at.Compare(a.at) })
	return all[:min(len(all), maxShown)]
}

// CanaryError says on which event a new generation has failed that the one in force has
// answered.
type CanaryError struct {
	Plugin string
	Event  abi.Op
	Cause  error
}

func (e *CanaryError) Error() string {
	return fmt.Sprintf("the new version fails on %v, which the one that runs has answered: %s; it was not put in force. See the event with: weir faults %s --full. "+
		"To put it in force all the same: weir plugin reload %[3]s --force; or disable the plugin, which ends its sessions, and enable it again",
		e.Event, withLastWords(e.Cause), e.Plugin)
}

func (e *CanaryError) Unwrap() error { return e.Cause }

// canary has an instance of g, which is thrown away, answer what the generation in force has
// answered. What it answers is not carried out, and not recorded: nobody has asked it.
func (r *Runner) canary(g plugin.Generation, config []byte) error {
	if r.gen.Load() == nil {
		return nil
	}
	all := r.samples()
	if len(all) == 0 {
		return nil
	}
	began, whole := time.Now(), g
	g = record.Untapped(g)
	r.log.Info("new version is shown events that were answered; what it logs until it runs is of those", "events", len(all), "generation", g.Number())
	inst, fault := r.openInstance(g, config)
	if fault != nil {
		return fault
	}
	defer func() { inst.Close() }()
	for i, x := range all {
		if time.Since(began) > maxShowing {
			r.log.Warn("new version is slow: it is not shown all events", "events", i, "of", len(all))
			return nil
		}
		if x.schema != "" && !g.Manifest().State.Reads(x.schema) || len(x.frame) > inst.Inbox() {
			continue
		}
		cause := tryOne(g, inst, &x)
		if late, ok := errors.AsType[*plugin.Fault](cause); ok && late.Kind == plugin.Deadline {
			inst.Close() // a busy machine: once more
			if inst, fault = r.openInstance(g, config); fault != nil {
				return fault
			}
			cause = tryOne(g, inst, &x)
		}
		if cause != nil {
			r.keepCanary(whole, config, &x, cause)
			return &CanaryError{r.name, x.op, cause}
		}
	}
	return nil
}

// keepCanary shows the operator on what a new generation has failed. It counts as no
// fault of the plugin's.
func (r *Runner) keepCanary(g plugin.Generation, config []byte, x *sample, cause error) {
	f := plugin.Fault{Plugin: r.name, Generation: g.Number(), Kind: plugin.Protocol, Cause: cause}
	if fault, is := errors.AsType[*plugin.Fault](cause); is {
		f = *fault
	}
	f.During, f.Frame = x.op.String(), x.frame
	r.blame.keep(&FaultReport{ID: lastReport.Add(1), At: r.room.now(), Build: record.BuildOf(g), Config: config, Fault: &f, Aside: true})
}

// StartError says why a generation was not put in force: it does not start.
type StartError struct {
	Plugin string
	Fault  *plugin.Fault
}

func (e *StartError) Error() string {
	return fmt.Sprintf("%s; see it with: weir faults %s --full", withLastWords(e.Fault), e.Plugin)
}

func (e *StartError) Unwrap() error { return e.Fault }

// withLastWords is an error with what the guest said before it, which tells more.
func withLastWords(err error) string {
	text := err.Error()
	if f, is := errors.AsType[*plugin.Fault](err); is && f.LastWords() != "" {
		text += ": " + f.LastWords()
	}
	return text
}

// unborn keeps and counts the fault of a generation that has not started aside.
func (r *Runner) unborn(g plugin.Generation, config []byte, err error) error {
	fault, is := err.(*plugin.Fault) //nolint:errorlint // a CanaryError has one in it, and has been kept
	if !is {
		return err
	}
	r.report(&FaultReport{Fault: fault, Build: record.BuildOf(g), Config: config, Aside: true}, nil)
	return &StartError{r.name, fault}
}

func tryOne(g plugin.Generation, inst plugin.Instance, x *sample) error {
	limit := g.Limits().Frame(1)
	if x.op == abi.OpPackets {
		limit = g.Limits().PacketsFrame(1)
	}
	out, fault := inst.Call(limit, x.frame)
	if fault != nil {
		return fault
	}
	if len(out) == 0 {
		return nil
	}
	var reader abi.Reader
	if err := reader.Reset(out); err != nil {
		return err
	}
	for {
		raw, ok, err := reader.Next()
		var fail abi.Fail
		switch {
		case err != nil:
			return err
		case !ok:
			return nil
		case raw.Op != abi.OpFail:
		case reader.Decode(raw, &fail) != nil:
			return abi.ErrMalformed
		case fail.Code == abi.EINTERNAL || fail.Code == abi.ESTATE:
			return fmt.Errorf("%w: %s", fail.Code, fail.Text)
		}
	}
}
