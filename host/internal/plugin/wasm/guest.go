package wasm

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/sys"

	"github.com/weir-media/weir/abi/v1"
)

var errLogSpan = errors.New("log: bytes outside the guest's memory")

// guest is what the host's functions know of the instance that calls them. It is the context of each of the instance's calls, so that finding it
// costs nothing.
type guest struct {
	tank    tank
	records abi.Reader
	head    abi.Head // of the current frame's first event
	seeded  bool     // rng was seeded from head
	rng     *rand.ChaCha8
	log     journal
	memory  linear
	exited  bool // the guest called proc_exit
	exitNum uint32
}

type guestKey struct{}

func guestOf(ctx context.Context) *guest {
	if g, ok := ctx.(*guest); ok {
		return g
	}
	g, _ := ctx.Value(guestKey{}).(*guest) // a start function is called under a wrapped context
	return g
}

// Deadline implements context.Context. There is none: the guest's time is the tank's matter.
func (g *guest) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements context.Context.
func (g *guest) Done() <-chan struct{} { return nil }

// Err implements context.Context.
func (g *guest) Err() error { return nil }

// Value implements context.Context.
func (g *guest) Value(key any) any {
	if key == (guestKey{}) {
		return g
	}
	return nil
}

// enter sets the guest's time and entropy for a frame: those of its first event that is not a held state. A frame without one keeps those of the
// frame before.
func (g *guest) enter(frame []byte) {
	if g.records.Reset(frame) != nil {
		return
	}
	for {
		raw, ok, err := g.records.Next()
		if !ok || err != nil {
			return
		}
		if raw.Op.IsEvent() && raw.Op != abi.OpState && raw.DecodeHead(&g.head) == nil {
			g.seeded = false
			return
		}
	}
}

// random fills b with bytes that the current event's entropy determines.
func (g *guest) random(b []byte) {
	if !g.seeded {
		var seed [32]byte
		copy(seed[:], g.head.Entropy[:])
		binary.LittleEndian.PutUint64(seed[16:], uint64(g.head.UnixNano))
		if g.rng == nil {
			g.rng = rand.NewChaCha8(seed)
		} else {
			g.rng.Seed(seed)
		}
		g.seeded = true
	}
	_, _ = g.rng.Read(b) // never fails
}

func procExit(g *guest, _ api.Module, stack []uint64) {
	g.exited, g.exitNum = true, uint32(stack[0])
	panic(sys.NewExitError(g.exitNum))
}
