package record

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk/sdktest"
)

// Difference tells of one call that was not answered as recorded.
type Difference struct {
	Call     int           `json:"call"`     // counted from 1 in the recording; 0: the start
	Instance uint32        `json:"instance"` // of the recording
	At       time.Duration `json:"at_ns"`    // since the recording's begin
	Session  uint64        `json:"session"`
	Event    string        `json:"event"` // what the session was told, as a script writes it
	Text     string        `json:"text"`  // what differs
	Was      []string      `json:"was"`   // the session's verdicts as recorded, as a script writes them
	Is       []string      `json:"is"`    // the same now
}

// String is one line, without the verdicts.
func (d Difference) String() string {
	where := fmt.Sprintf("call %d", d.Call)
	if d.Call == 0 {
		where = "start"
	}
	where += fmt.Sprintf(" (instance %d, at %v)", d.Instance, d.At.Round(time.Microsecond))
	if d.Event != "" {
		where += fmt.Sprintf(", session %d, %s", d.Session, d.name())
	}
	return where + ": " + d.Text
}

func (d Difference) name() string {
	name, _, _ := strings.Cut(d.Event, " ")
	return name
}

// notFault fills in a difference that is about a whole call.
func (d *Difference) notFault(e *Entry, text string) {
	d.Text = text
	for raw := range records(e.In) {
		if raw.Op.IsEvent() && raw.Op != abi.OpState {
			d.Session, d.Event = raw.Session, show(raw)
			if raw.Op.String() == e.Sin.During {
				return
			}
		}
	}
}

// compare finds the first verdict that differs in two frames that are not equal.
func (d *Difference) compare(in, was, is []byte) {
	a, b := slices.Collect(records(was)), slices.Collect(records(is))
	i := 0
	for i < min(len(a), len(b)) && verdictDifference(a[i], b[i]) == "" {
		i++
	}
	switch {
	case i < min(len(a), len(b)):
		d.Session, d.Text = b[i].Session, fmt.Sprintf("verdict %d: %s", i+1, verdictDifference(a[i], b[i]))
		if a[i].Session != b[i].Session {
			d.Text += "; the verdicts of both sessions follow"
		}
	case i < len(b):
		d.Session, d.Text = b[i].Session, fmt.Sprintf("verdict %d: %s besides", i+1, show(b[i]))
	case i < len(a):
		d.Session, d.Text = a[i].Session, fmt.Sprintf("verdict %d: %s is missing", i+1, show(a[i]))
	default:
		d.Text = byteDifference(was, is)
	}
	d.Event = eventOf(in, d.Session)
	d.Was, d.Is = verdictsOf(a, d.Session), verdictsOf(b, d.Session)
}

// verdictDifference is empty for equal verdicts.
func verdictDifference(was, is abi.Raw) string {
	if was.Session != is.Session {
		return fmt.Sprintf("%s of session %d; it was %s of session %d", is.Op, is.Session, was.Op, was.Session)
	}
	a, b := decode(was), decode(is)
	if a != nil && b != nil {
		text := sdktest.Difference(a, b)
		if text != "" && was.Op == is.Op {
			text = is.Op.String() + ": " + text
		}
		if text != "" || was.Flags == is.Flags {
			return text
		}
	}
	switch {
	case was.Op != is.Op:
		return fmt.Sprintf("%s; it was %s", is.Op, was.Op)
	case was.Flags != is.Flags:
		return fmt.Sprintf("%s: the record's flags are %d; they were %d", is.Op, is.Flags, was.Flags)
	case string(was.Body) != string(is.Body):
		return is.Op.String() + ": " + byteDifference(was.Body, is.Body)
	}
	return ""
}

func byteDifference(was, is []byte) string {
	at := 0
	for at < min(len(was), len(is)) && was[at] == is[at] {
		at++
	}
	tail := func(b []byte) []byte { return b[at:min(at+16, len(b))] }
	return fmt.Sprintf("%d bytes that differ at byte %d: %x; it had %d: %x", len(is), at, tail(is), len(was), tail(was))
}

// eventOf shows the last event of a session in a frame.
func eventOf(in []byte, session uint64) (event string) {
	for raw := range records(in) {
		if raw.Session == session && raw.Op.IsEvent() && raw.Op != abi.OpState {
			event = show(raw)
		}
	}
	return event
}

// answers shows all verdicts of a frame.
func answers(frame []byte) (list []string) {
	for raw := range records(frame) {
		list = append(list, show(raw))
	}
	return list
}

func verdictsOf(all []abi.Raw, session uint64) (list []string) {
	for _, raw := range all {
		if raw.Session == session {
			list = append(list, show(raw))
		}
	}
	return list
}

func show(raw abi.Raw) string {
	if r := decode(raw); r != nil {
		return sdktest.Show(r)
	}
	return fmt.Sprintf("%s %d bytes", raw.Op, len(raw.Body))
}

// decode is nil for what this version cannot read.
func decode(raw abi.Raw) abi.Record {
	rec := abi.New(raw.Op)
	if rec == nil {
		return nil
	}
	var r abi.Reader
	if r.Decode(raw, rec) != nil {
		return nil
	}
	return rec
}

// records walks a frame as far as it can be read.
func records(frame []byte) iter.Seq[abi.Raw] {
	return func(yield func(abi.Raw) bool) {
		var r abi.Reader
		if r.Reset(frame) != nil {
			return
		}
		for {
			raw, ok, err := r.Next()
			if !ok || err != nil || !yield(raw) {
				return
			}
		}
	}
}
