package sdk

import (
	"bytes"

	"github.com/weir-media/weir/abi/v1"
)

// State is what a session remembers. Its methods are called on a pointer. The host
// stores the blob (at most abi.MaxState bytes) and hands it in with each event.
type State interface {
	// AppendState appends the blob to b. A state that was never changed should append
	// nothing, so that nothing need be stored.
	AppendState(b []byte) []byte
	// ReadState sets the whole value from a blob that AppendState wrote; the slice is
	// valid during the call only.
	ReadState(blob []byte) error
}

// Stateless is the State of plugins that remember nothing.
type Stateless struct{}

// AppendState appends nothing.
func (*Stateless) AppendState(b []byte) []byte { return b }

// ReadState ignores the blob.
func (*Stateless) ReadState([]byte) error { return nil }

// Plugin is a plugin's logic with its state type erased; New makes one. It is used
// by one goroutine at a time.
type Plugin struct {
	open  func(*abi.Open) error
	event func(session uint64, blob []byte, e abi.Record, v *Verdicts) error

	reader abi.Reader
	events events
	byOp   byOp
	v      Verdicts
}

// New makes a plugin of its two functions. open is called once for each new instance
// with the plugin's configuration, and may be nil. event is called for each event; an
// abi.Code as its error reaches the host as that code, any other error as
// abi.EINTERNAL with the error's text. The state is stored again when it has changed
// and event returned nil.
func New[S any, P interface {
	*S
	State
}](open func(*abi.Open) error, event func(s *S, e abi.Record, v *Verdicts) error) *Plugin {
	c := new(cache[S, P])
	p := &Plugin{open: open, event: func(session uint64, blob []byte, e abi.Record, v *Verdicts) error {
		s := c.state(session, blob)
		if s == nil {
			return abi.ESTATE
		}
		if err := event((*S)(s), e, v); err != nil {
			c.forget(session)
			return err
		}
		c.scratch = s.AppendState(c.scratch[:0])
		if !equal(c.scratch, blob) {
			v.setState(c.scratch)
			c.keep(session)
		}
		return nil
	}}
	p.byOp = p.events.byOp()
	return p
}

// equal is bytes.Equal without a call for the many sessions that hold nothing.
func equal(a, b []byte) bool { return len(a) == len(b) && (len(a) == 0 || bytes.Equal(a, b)) }

// cacheSlots bounds how many decoded states an instance keeps (chosen: the most
// events that a frame holds).
const cacheSlots = abi.MaxFrameEvents

// cache keeps decoded states by (session, blob), so that decoding costs only after a
// reload, a crash, or a collision. No verdict depends on what it holds.
type cache[S any, P interface {
	*S
	State
}] struct {
	slots [cacheSlots]struct {
		session uint64
		used    bool
		blob    []byte
		value   S
	}
	scratch []byte
}

func (c *cache[S, P]) state(session uint64, blob []byte) P {
	slot := &c.slots[session%cacheSlots]
	if slot.used && slot.session == session && equal(slot.blob, blob) {
		return P(&slot.value)
	}
	slot.session, slot.used = session, true
	slot.blob = append(slot.blob[:0], blob...)
	var zero S
	slot.value = zero
	if len(blob) > 0 && P(&slot.value).ReadState(blob) != nil {
		slot.used = false
		return nil
	}
	return P(&slot.value)
}

func (c *cache[S, P]) forget(session uint64) { c.slots[session%cacheSlots].used = false }

func (c *cache[S, P]) keep(session uint64) {
	slot := &c.slots[session%cacheSlots]
	slot.blob = append(slot.blob[:0], c.scratch...)
}

// Call runs one frame of events and writes the frame of verdicts into out. It
// returns the verdicts' size in bytes, or a negative abi.Code with a text in out.
// This is the whole of the carrier's contract (spec.md §2).
func (p *Plugin) Call(frame, out []byte) int32 {
	if err := p.reader.Reset(frame); err != nil {
		return int32(abi.EINVAL)
	}
	p.v.w.Reset(out)
	var blob []byte
	for {
		ok, err := p.reader.Advance()
		if err != nil {
			return int32(abi.EINVAL)
		}
		if !ok {
			break
		}
		raw := p.reader.Current()
		var e abi.Record
		if int(raw.Op) < len(p.byOp) {
			e = p.byOp[raw.Op]
		}
		if e == nil {
			if raw.IsCritical() {
				return int32(abi.ENOSYS)
			}
			continue
		}
		if p.reader.Read(e) != nil {
			return int32(abi.EINVAL)
		}
		if st, ok := e.(*abi.State); ok {
			blob = st.Blob
			continue
		}
		p.answer(raw.Session, blob, e)
		blob = nil
	}
	return int32(len(p.v.w.Bytes()))
}

func (p *Plugin) answer(session uint64, blob []byte, e abi.Record) {
	v := &p.v
	v.begin(session)
	var err error
	if o, ok := e.(*abi.Open); ok {
		if p.open != nil {
			err = p.open(o)
		}
	} else {
		err = p.event(session, blob, e, v)
	}
	if err == nil {
		err = v.err
	}
	if err != nil {
		v.fail(err)
	}
}
