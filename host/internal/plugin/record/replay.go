package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

const (
	// maxAlive is how many instances of a recording may live at once: more than a server starts of one plugin, few enough for memory. Chosen.
	maxAlive = 256
	// maxTold is how many differences a Result tells of. Chosen: the first few show what is wrong.
	maxTold = 20
)

// Result is what a replay found. Each call and fault of the recording is counted as one of Same, Different, Mended and Unjudged.
type Result struct {
	Header    Header
	Was       Build // of the recording's first instance
	Is        Build // that was played to
	Instances int
	Calls     int // frames, OPEN included
	Events    int // in these
	Faults    int // among the calls and starts, as recorded

	Counts
	Told   []Difference // the first few, Mended and Unjudged included
	Torn   bool         // the recording was cut off
	Reason string       // why it ended; empty: it does not say
	Missed uint64       // calls behind its end
}

// Counts sorts the calls and faults of a recording by what a replay made of them.
type Counts struct {
	Same      int `json:"same"`         // the same bytes, or a fault of the same kind
	Repeated  int `json:"faults_again"` // the faults among these
	Different int `json:"different"`
	Mended    int `json:"mended"`   // recorded as a fault, answered now; what the host judges by itself was found good
	Unjudged  int `json:"unjudged"` // recorded as a fault that only a server can judge (a grant, a span of earlier input), answered now
}

// Replay gives each instance of a recording to a fresh one of g, frame by frame, and compares what it answers with what was recorded. The error is
// the recording's or the context's; what was found until then is in the Result. A plugin that g refuses to start is a difference.
func Replay(ctx context.Context, r *Reader, g plugin.Generation) (Result, error) {
	p := player{of: g, alive: map[uint32]*actor{}, result: Result{Header: r.Header(), Is: BuildOf(g)}}
	defer p.close()
	if r.Header().Major != abi.Major {
		return p.result, fmt.Errorf("replay: the recording is of ABI %d, this weir's is %d", r.Header().Major, abi.Major)
	}
	for ctx.Err() == nil {
		e, err := r.Next()
		p.result.Torn = r.Torn()
		if errors.Is(err, io.EOF) {
			return p.result, nil
		}
		if err == nil {
			err = p.play(&e)
		}
		if err != nil {
			return p.result, fmt.Errorf("replay: %w", err)
		}
	}
	return p.result, ctx.Err()
}

// player plays one recording.
type player struct {
	of     plugin.Generation
	alive  map[uint32]*actor
	result Result
}

// actor is the instance that stands for a recorded one.
type actor struct {
	instance plugin.Instance // nil: it did not start, or was lost
	open     []byte          // the frame that opened it
	fault    *plugin.Fault   // why it did not start
}

func (p *player) close() {
	for _, a := range p.alive {
		a.close()
	}
}

func (a *actor) close() {
	if a.instance != nil {
		a.instance.Close()
		a.instance = nil
	}
}

func (p *player) play(e *Entry) error {
	switch e.Kind {
	case Started:
		return p.start(e)
	case Call, Faulted:
		a := p.alive[e.Instance]
		if a == nil {
			return fmt.Errorf("a call of instance %d, which did not start", e.Instance)
		}
		p.call(e, a)
	case Closed:
		if a := p.alive[e.Instance]; a != nil {
			a.close()
			delete(p.alive, e.Instance)
		}
	case End:
		p.result.Reason, p.result.Missed = e.Reason, e.Missed
	}
	return nil
}

func (p *player) start(e *Entry) error {
	if p.alive[e.Instance] != nil {
		return fmt.Errorf("instance %d starts twice", e.Instance)
	}
	if len(p.alive) >= maxAlive {
		return fmt.Errorf("more than %d instances live at once", maxAlive)
	}
	if p.result.Instances == 0 {
		p.result.Was = e.Build
	}
	p.result.Instances++
	a := &actor{}
	a.instance, a.fault = p.of.New()
	p.alive[e.Instance] = a
	return nil
}

// call plays one call, or one start that failed.
func (p *player) call(e *Entry, a *actor) {
	r := &p.result
	if e.Kind == Faulted {
		r.Faults++
	}
	if e.Kind == Faulted && len(e.In) == 0 {
		p.judge(e, nil, a.fault)
		return
	}
	r.Calls++
	r.Events += events(e.In)
	if opens(e.In) {
		a.open = e.In
	}
	out, fault := p.answer(e, a)
	p.judge(e, out, fault)
	if fault != nil && fault.Fatal() {
		a.close()
	}
}

// answer has the actor answer a frame. One that was lost, where the recorded one lived on, is followed by a fresh one.
func (p *player) answer(e *Entry, a *actor) ([]byte, *plugin.Fault) {
	if a.instance == nil && a.fault == nil {
		a.instance, a.fault = p.of.New()
		if a.fault == nil && a.open != nil && !opens(e.In) {
			if _, fault := a.instance.Call(p.of.Limits().Open, a.open); fault != nil {
				a.close()
				return nil, fault
			}
		}
	}
	if a.instance == nil {
		return nil, a.fault
	}
	out, fault := a.instance.Call(p.limit(e), e.In)
	return out, fault
}

// longest is the most that a recorded limit gives a call: the longest start that plugins.yaml may grant.
const longest = time.Minute

// limit is how long a call may take: as long as it might then.
func (p *player) limit(e *Entry) time.Duration {
	l := p.of.Limits()
	switch {
	case e.Limit > 0:
		return min(e.Limit, longest)
	case opens(e.In):
		return l.Open
	}
	n := events(e.In)
	if n > 0 && n == count(e.In, abi.OpPackets) {
		return l.PacketsFrame(n)
	}
	return l.Frame(n)
}

// judge counts a call and tells of it unless it is the same.
func (p *player) judge(e *Entry, out []byte, fault *plugin.Fault) {
	r := &p.result
	d := Difference{Call: r.Calls, Instance: e.Instance, At: e.At}
	count := &r.Different
	switch {
	case e.Kind == Faulted && fault != nil:
		if alike(e.Sin, fault) {
			r.Same++
			r.Repeated++
			return
		}
		d.notFault(e, fmt.Sprintf("fault %s; it was %s", fault, sinText(e.Sin)))
	case e.Kind == Faulted:
		kind, known := judged(e.Sin.Kind, e.In, out)
		switch {
		case kind == e.Sin.Kind:
			r.Same++
			r.Repeated++
			return
		case kind != "":
			d.notFault(e, fmt.Sprintf("%s; it was %s", kind, sinText(e.Sin)))
		case known:
			count = &r.Mended
			d.notFault(e, fmt.Sprintf("answered; it was %s", sinText(e.Sin)))
		default:
			count = &r.Unjudged
			d.notFault(e, fmt.Sprintf("answered; it was %s, which only a server can judge", sinText(e.Sin)))
		}
		d.Is = answers(out)
	case fault != nil:
		d.notFault(e, fmt.Sprintf("fault %s; it was answered", fault))
		d.Was = answers(e.Out)
	case sameFrame(e.Out, out):
		r.Same++
		return
	default:
		d.compare(e.In, e.Out, out)
	}
	*count++
	if len(r.Told) < maxTold {
		r.Told = append(r.Told, d)
	}
}

// alike tells whether a fault is of the recorded kind. The host calls whatever goes wrong until OPEN is answered a fault of the start.
func alike(was Sin, is *plugin.Fault) bool {
	start := plugin.Start.String()
	return was.Kind == is.Kind.String() || was.Kind == start || is.Kind == plugin.Start && was.During == abi.OpOpen.String()
}

func sinText(s Sin) string {
	text := "fault " + s.Kind
	if s.During != "" {
		text += " during " + s.During
	}
	if s.Cause != "" {
		text += ": " + firstLine(s.Cause)
	}
	return text
}

func firstLine(s string) string {
	if i := bytes.IndexByte([]byte(s), '\n'); i >= 0 {
		return s[:i]
	}
	return s
}

// sameFrame compares frames byte for byte. A guest may say "no verdicts" by an empty frame or by a length of 0 (spec.md 2.1).
func sameFrame(a, b []byte) bool { return bytes.Equal(a, b) || none(a) && none(b) }

func none(frame []byte) bool {
	var r abi.Reader
	return len(frame) == 0 || r.Reset(frame) == nil && r.Len() == 0
}

func count(frame []byte, op abi.Op) (n int) {
	for raw := range records(frame) {
		if raw.Op == op {
			n++
		}
	}
	return n
}

// events counts the events of a frame, held states not among them.
func events(frame []byte) (n int) {
	for raw := range records(frame) {
		if raw.Op.IsEvent() && raw.Op != abi.OpState {
			n++
		}
	}
	return n
}
