package record

import (
	"bytes"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/sdk"
)

// native is a Generation whose instances are plugins in this process.
type native struct {
	fresh  func() *sdk.Plugin
	broken bool // no instance starts
	number uint64
	alive  atomic.Int32
}

func (g *native) Manifest() *manifest.Manifest {
	return &manifest.Manifest{Name: "parrot", Version: "1.2.3"}
}
func (g *native) Number() uint64        { return max(g.number, 1) }
func (g *native) Hash() string          { return "abc" }
func (g *native) Carrier() string       { return "native" }
func (g *native) Limits() plugin.Limits { return plugin.DefaultLimits() }
func (g *native) Close()                {}

func (g *native) New() (plugin.Instance, *plugin.Fault) {
	if g.broken {
		return nil, &plugin.Fault{Plugin: "parrot", Kind: plugin.Start, During: "_initialize", Cause: errors.New("not today")}
	}
	g.alive.Add(1)
	return &nativeInstance{of: g, plugin: g.fresh(), out: make([]byte, abi.UsualBox)}, nil
}

type nativeInstance struct {
	of     *native
	plugin *sdk.Plugin
	out    []byte
	dead   bool
}

func (i *nativeInstance) Inbox() int { return abi.UsualBox }
func (i *nativeInstance) Close()     { i.of.alive.Add(-1) }

// Call has a panic of the plugin be a trap.
func (i *nativeInstance) Call(_ time.Duration, frame []byte) (verdicts []byte, fault *plugin.Fault) {
	defer func() {
		if p := recover(); p != nil {
			i.dead = true
			fault = &plugin.Fault{Plugin: "parrot", Generation: i.of.Number(), Kind: plugin.Trap, During: "DATA", Cause: errors.New("unreachable"),
				Stack: "inner\nouter", Frame: bytes.Clone(frame)}
		}
	}()
	if i.dead {
		return nil, &plugin.Fault{Kind: plugin.Protocol, Cause: errors.New("dead")}
	}
	n := i.plugin.Call(frame, i.out)
	if n < 0 {
		return nil, &plugin.Fault{Plugin: "parrot", Kind: plugin.Protocol, Cause: &plugin.CodeError{Code: abi.Code(n)}}
	}
	return i.out[:n], nil
}

// parrot consumes what it is told, repeats it louder as version 2, and panics at "die".
func parrot(louder bool) func() *sdk.Plugin {
	return func() *sdk.Plugin {
		return sdk.New(nil, func(_ *sdk.Stateless, e abi.Record, v *sdk.Verdicts) error {
			d, ok := e.(*abi.Data)
			if !ok {
				return nil
			}
			if string(d.Bytes) == "die" {
				panic("told to")
			}
			v.Consume(1, d.Offset+uint64(len(d.Bytes)))
			p := v.Pieces()
			p.Text(string(d.Bytes))
			if louder {
				p.Text("!")
			}
			v.Write(1, p)
			return nil
		})
	}
}

// frame holds events of sessions 7, 8 and so on.
func frame(t testing.TB, events ...abi.Record) []byte {
	t.Helper()
	var w abi.Writer
	w.Reset(make([]byte, abi.UsualBox))
	for i, e := range events {
		session := uint64(7 + i)
		if e.Op() == abi.OpOpen {
			session = 0
		}
		if err := w.Put(session, 0, e); err != nil {
			t.Fatal(err)
		}
	}
	return w.Bytes()
}

func opening(t testing.TB) []byte {
	return frame(t, &abi.Open{Config: []byte(`{"loud": true}`), Outbox: abi.UsualBox})
}

func data(text string) *abi.Data {
	return &abi.Data{Head: abi.Head{UnixNano: 5, Conn: 1}, Bytes: []byte(text)}
}

// tell gives an instance a frame that it must answer.
func tell(t testing.TB, i plugin.Instance, frame []byte) []byte {
	t.Helper()
	out, fault := i.Call(0, frame)
	if fault != nil {
		t.Fatalf("%+v", fault)
	}
	return out
}

func start(t testing.TB, g plugin.Generation) plugin.Instance {
	t.Helper()
	i, fault := g.New()
	if fault != nil {
		t.Fatalf("%+v", fault)
	}
	tell(t, i, opening(t))
	return i
}
