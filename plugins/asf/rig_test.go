package main

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/sdk"
)

// rig is a host for one session: it holds its state and input, and hands on what is
// not consumed until nothing more is taken.
type rig struct {
	t       testing.TB
	plugin  *sdk.Plugin
	renew   bool // a new instance for each event: what it keeps must be in the state
	blob    []byte
	input   []byte
	taken   uint64
	through bool
	in, out [abi.UsualBox]byte
	entropy byte

	verdicts []abi.Record // of all events, without the two kinds below
	packets  []packet
	headers  [][]byte
	fed      []byte
	text     string // of the last response or FAIL
	status   int
	failed   abi.Code
}

type packet struct {
	abi.Packet
	bytes []byte
}

func newRig(t testing.TB) *rig { return &rig{t: t, plugin: newPlugin()} }

// send lets an event happen.
func (r *rig) send(e abi.Record) {
	r.t.Helper()
	var w abi.Writer
	w.Reset(r.in[:])
	if len(r.blob) > 0 {
		must(r.t, w.Put(1, 0, &abi.State{Blob: r.blob}))
	}
	must(r.t, w.Put(1, 0, e))
	if r.renew {
		r.plugin = newPlugin()
	}
	n := r.plugin.Call(w.Bytes(), r.out[:])
	if n < 0 {
		r.t.Fatalf("%v: call gives %v", e.Op(), abi.Code(n))
	}
	r.answer(r.out[:n])
}

func (r *rig) answer(frame []byte) {
	var rd abi.Reader
	must(r.t, rd.Reset(frame))
	for {
		raw, ok, err := rd.Next()
		must(r.t, err)
		if !ok {
			return
		}
		raw.Body = append([]byte(nil), raw.Body...)
		rec := abi.New(raw.Op)
		must(r.t, rd.Decode(raw, rec))
		r.apply(rec)
	}
}

func (r *rig) apply(rec abi.Record) {
	switch k := rec.(type) {
	case *abi.SetState:
		r.blob = append([]byte(nil), k.Blob...)
	case *abi.Consume:
		if k.Offset < r.taken || k.Offset > uint64(len(r.input)) {
			r.t.Fatalf("consumes up to %d, stands at %d of %d", k.Offset, r.taken, len(r.input))
		}
		r.taken = k.Offset
	case *abi.Packet:
		r.packets = append(r.packets, packet{*k, r.resolve(k.Pieces)})
	case *abi.Header:
		r.headers = append(r.headers, r.resolve(k.Pieces))
	case *abi.Feed:
		r.fed = append(r.fed, r.resolve(k.Pieces)...)
		r.through = r.through || k.Flags&abi.FeedThrough != 0
	case *abi.HTTPResponse:
		r.status, r.text = int(k.Status), string(r.resolve(k.Pieces))
		r.verdicts = append(r.verdicts, &abi.HTTPResponse{Status: k.Status, Flags: k.Flags})
	case *abi.Fail:
		r.failed, r.text = k.Code, string(k.Text)
	default:
		r.verdicts = append(r.verdicts, rec)
	}
}

// resolve joins pieces; a span must lie in the input that is held.
func (r *rig) resolve(p abi.Pieces) []byte {
	var out []byte
	for piece := range p.All() {
		switch piece.Kind {
		case abi.PieceLiteral:
			out = append(out, piece.Bytes...)
		case abi.PieceInput:
			end := piece.Offset + uint64(piece.Length)
			if piece.Offset < r.taken || end > uint64(len(r.input)) || piece.Length == 0 {
				r.t.Fatalf("span %d to %d, held is %d to %d", piece.Offset, end, r.taken, len(r.input))
			}
			out = append(out, r.input[piece.Offset:end]...)
		default:
			r.t.Fatalf("piece of kind %d", piece.Kind)
		}
	}
	return out
}

// inboxBytes is what the host puts into one DATA.
const inboxBytes = 160 << 10

// data brings more input, and brings it again as long as something is consumed.
func (r *rig) data(b []byte, flags abi.DataFlags) {
	r.t.Helper()
	r.input = append(r.input, b...)
	for !r.through && r.failed == 0 && int(r.taken) < len(r.input) {
		before := r.taken
		rest := r.input[r.taken:]
		e := &abi.Data{Head: r.head(), Offset: r.taken, Bytes: rest[:min(len(rest), inboxBytes)]}
		if len(e.Bytes) == len(rest) {
			e.Flags = flags
		}
		r.send(e)
		if r.taken == before {
			return
		}
	}
}

func (r *rig) head() abi.Head {
	r.entropy++
	h := abi.Head{Conn: 1}
	h.Entropy[0] = r.entropy
	return h
}

// stream brings the input in portions of n bytes.
func (r *rig) stream(b []byte, n int) {
	r.t.Helper()
	for len(b) > 0 {
		k := min(n, len(b))
		r.data(b[:k], 0)
		b = b[k:]
	}
}

func (r *rig) end(reason abi.EndReason) {
	r.t.Helper()
	r.send(&abi.End{Head: r.head(), Reason: reason, Offset: uint64(len(r.input))})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sample(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return b
}

var le = binary.LittleEndian
