package sdktest

import (
	"bytes"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// Rig is a host for one session, for tests that look at more than a script can say: it
// holds the session's state and its input on connection 1, and delivers what is not
// consumed until nothing more is taken. Unlike a script's host it does not wait for what
// NEED asks, so a plugin has to stand input that comes too early, and it sends no OPEN.
// A test may change what it holds between two events. It is used by one goroutine.
type Rig struct {
	Renew   bool   // a new instance for each event: what the plugin keeps must be in the state
	State   []byte // the last SET_STATE's
	Input   []byte // all that has come
	Taken   uint64 // how much of it is consumed, in bytes
	Through bool   // FEED has let the input pass: no more of it is delivered
	Answers

	t       testing.TB
	fresh   func() *sdk.Plugin
	plugin  *sdk.Plugin
	in, out []byte
	entropy byte
	kept    *abi.Retain // the last one; nil: none
}

// Answers is what a Rig has of all events so far. Nothing of it is reused.
type Answers struct {
	Packets  []Packet
	Headers  [][]byte
	Fed      []byte
	Status   int          // of the last HTTP_RESPONSE; 0: none
	Failed   abi.Code     // of the last FAIL
	Text     string       // of the last HTTP_RESPONSE or FAIL
	Verdicts []abi.Record // the others, and each HTTP_RESPONSE by its status and flags
}

// Packet is a PACKET with its payload, spans resolved.
type Packet struct {
	abi.Packet
	Payload []byte
}

// NewRig gives a Rig on an instance that fresh makes.
func NewRig(t testing.TB, fresh func() *sdk.Plugin) *Rig {
	return &Rig{t: t, fresh: fresh, plugin: fresh(), in: make([]byte, abi.UsualBox), out: make([]byte, abi.UsualBox)}
}

// Send lets an event happen.
func (r *Rig) Send(e abi.Record) {
	r.t.Helper()
	const session = 1
	var w abi.Writer
	w.Reset(r.in)
	if len(r.State) > 0 {
		r.must(w.Put(session, 0, &abi.State{Blob: r.State}))
	}
	r.must(w.Put(session, 0, e))
	if r.Renew {
		r.plugin = r.fresh()
	}
	n := r.plugin.Call(w.Bytes(), r.out)
	if n < 0 {
		r.t.Fatalf("%v: call gives %v", e.Op(), abi.Code(n))
	}
	list, err := decode(r.out[:n], session)
	r.must(err)
	for _, v := range list {
		r.apply(v)
	}
}

// Data brings more input, and brings it again as long as something is consumed. The
// last delivery has the flags.
func (r *Rig) Data(b []byte, flags abi.DataFlags) {
	r.t.Helper()
	r.Input = append(r.Input, b...)
	for !r.Through && r.Failed == 0 && int(r.Taken) < len(r.Input) {
		before := r.Taken
		rest := r.Input[r.Taken:]
		e := &abi.Data{Head: r.Head(), Offset: r.Taken, Bytes: rest[:min(len(rest), maxData)]}
		if len(e.Bytes) == len(rest) {
			e.Flags = flags
		}
		r.Send(e)
		if r.Taken == before {
			return
		}
	}
}

// Stream brings the input in portions of n bytes.
func (r *Rig) Stream(b []byte, n int) {
	r.t.Helper()
	for len(b) > 0 {
		k := min(n, len(b))
		r.Data(b[:k], 0)
		b = b[k:]
	}
}

// End sends END of the input.
func (r *Rig) End(reason abi.EndReason) {
	r.t.Helper()
	r.Send(&abi.End{Head: r.Head(), Reason: reason, Offset: uint64(len(r.Input))})
}

// Held is where the input begins that may be marked: what is not consumed, and what RETAIN
// keeps of what is.
func (r *Rig) Held() uint64 {
	if r.kept != nil {
		return min(r.kept.Offset, r.Taken)
	}
	return r.Taken
}

// Head gives an event's head, with other entropy each time and all its times 0.
func (r *Rig) Head() abi.Head {
	r.entropy++
	h := abi.Head{Conn: 1}
	h.Entropy[0] = r.entropy
	return h
}

func (r *Rig) apply(v abi.Record) {
	r.t.Helper()
	switch v := v.(type) {
	case *abi.SetState:
		r.State = bytes.Clone(v.Blob)
	case *abi.Consume:
		if v.Offset < r.Taken || v.Offset > uint64(len(r.Input)) {
			r.t.Fatalf("consumes up to %d, stands at %d of %d", v.Offset, r.Taken, len(r.Input))
		}
		r.Taken = v.Offset
	case *abi.Retain:
		if v.Offset < r.Held() || v.Offset > uint64(len(r.Input)) || uint64(len(r.Input))-v.Offset > abi.MaxRetain {
			r.t.Fatalf("retains from %d on, held is %d to %d", v.Offset, r.Held(), len(r.Input))
		}
		r.kept = v
		r.Verdicts = append(r.Verdicts, v)
	case *abi.Packet:
		r.Packets = append(r.Packets, Packet{*v, r.resolve(v.Pieces)})
	case *abi.Header:
		r.Headers = append(r.Headers, r.resolve(v.Pieces))
	case *abi.Feed:
		r.Fed = append(r.Fed, r.resolve(v.Pieces)...)
		r.Through = r.Through || v.Flags&abi.FeedThrough != 0
	case *abi.HTTPResponse:
		r.Status, r.Text = int(v.Status), string(r.resolve(v.Pieces))
		r.Verdicts = append(r.Verdicts, &abi.HTTPResponse{Status: v.Status, Flags: v.Flags})
	case *abi.Fail:
		r.Failed, r.Text = v.Code, string(v.Text)
	default:
		r.Verdicts = append(r.Verdicts, v)
	}
}

// resolve joins pieces; a span must lie in the input that is held.
func (r *Rig) resolve(p abi.Pieces) []byte {
	r.t.Helper()
	var out []byte
	for piece := range p.All() {
		switch piece.Kind {
		case abi.PieceLiteral:
			out = append(out, piece.Bytes...)
		case abi.PieceInput:
			end := piece.Offset + uint64(piece.Length)
			if piece.Offset < r.Held() || end > uint64(len(r.Input)) || piece.Length == 0 {
				r.t.Fatalf("span %d to %d, held is %d to %d", piece.Offset, end, r.Held(), len(r.Input))
			}
			out = append(out, r.Input[piece.Offset:end]...)
		default:
			r.t.Fatalf("piece of kind %d", piece.Kind)
		}
	}
	return out
}

func (r *Rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}
