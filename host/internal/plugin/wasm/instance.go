package wasm

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// minOutbox is the smallest outbox that is of use: one record with a line of text; chosen.
const minOutbox = 4 << 10

// box is the inbox or outbox: bytes of the guest's memory, fixed for the instance's life.
type box struct{ ptr, size uint32 }

type instance struct {
	of     *generation
	guest  *guest
	module api.Module
	memory api.Memory
	call   api.Function
	stack  [1]uint64 // argument and result of call
	in     box
	out    box
	dead   bool
	closed bool
}

// errNoStack means that nothing would bound a guest's recursion (stackOf).
var errNoStack = errors.New("the machine stack of this version of wazero is not found; build weir with the version that go.mod names")

var errDead = errors.New("instance is closed or was lost by an earlier fault")

// New starts an instance: its start function and _initialize run, and it says where its boxes are, all within Limits.Open.
func (g *generation) New() (plugin.Instance, *plugin.Fault) {
	if !g.enter() {
		return nil, g.fault(plugin.Start, "instantiate", errors.New("generation is closed"))
	}
	i := &instance{of: g, guest: &guest{}}
	i.guest.memory.limit, i.guest.memory.tank = g.limits.Memory, &i.guest.tank
	// Before the first event an instance's random numbers are its own, which makes Go's map ranges differ from instance to instance, as the
	// amnesia test wants them (abi.md, "State").
	_, _ = rand.Read(i.guest.head.Entropy[:]) // never fails
	i.guest.tank.fill(g.limits.Open)
	during, err := i.boot()
	i.guest.tank.end()
	if err == nil {
		g.gate.Lines(i.guest.log.each)
		return i, nil
	}
	f := i.explain(err, during)
	f.Kind, f.Cause = plugin.Start, fmt.Errorf("%s: %w", f.Kind, f.Cause)
	i.Close()
	return nil, f
}

func (g *generation) fault(kind plugin.Kind, during string, cause error) *plugin.Fault {
	return &plugin.Fault{Plugin: g.name, Generation: g.number, Kind: kind, During: during, Cause: cause}
}

// faultAt is fault for a frame.
func (g *generation) faultAt(kind plugin.Kind, frame []byte, cause error) *plugin.Fault {
	f := g.fault(kind, plugin.During(frame), cause)
	f.Frame = bytes.Clone(frame)
	return f
}

// boot says what it was at when it failed.
func (i *instance) boot() (during string, err error) {
	ctx := experimental.WithMemoryAllocator(i.guest, &i.guest.memory)
	// wazero would call _start, and not _initialize (abi.md, "Traps met"); here neither.
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions()
	if i.module, err = i.of.runtime.InstantiateModule(ctx, i.of.compiled, config); err != nil {
		return "instantiate", err
	}
	i.memory = i.module.Memory()
	if f := i.module.ExportedFunction(startName); f != nil {
		if _, err = i.ask(f); err != nil {
			return "start function", err
		}
	}
	if f := i.module.ExportedFunction(abi.InitializeExport); f != nil {
		if _, err = i.ask(f); err != nil {
			return abi.InitializeExport, err
		}
	}
	minor, err := i.ask(i.module.ExportedFunction(abi.MarkerExport))
	if err == nil && int32(minor[0]) < 0 {
		err = fmt.Errorf("answers minor version %d", int32(minor[0]))
	}
	if err != nil {
		return abi.MarkerExport, err
	}
	if i.in, err = i.box(0, abi.MinInbox); err != nil {
		return abi.BufferExport, fmt.Errorf("inbox: %w", err)
	}
	if i.out, err = i.box(1, minOutbox); err != nil {
		return abi.BufferExport, fmt.Errorf("outbox: %w", err)
	}
	if uint64(i.in.ptr) < uint64(i.out.ptr)+uint64(i.out.size) && uint64(i.out.ptr) < uint64(i.in.ptr)+uint64(i.in.size) {
		return abi.BufferExport, errors.New("inbox and outbox overlap")
	}
	i.findCall()
	return "", nil
}

func (i *instance) findCall() {
	i.call = i.module.ExportedFunction(abi.CallExport)
	i.guest.tank.stack = stackOf(i.call)
}

// keptStack is how large a machine stack may stay for an instance's life, in bytes, beside its memory; chosen: wazero begins with 10 KiB.
const keptStack = 512 << 10

// shrink lets go of a machine stack that a deep recursion has grown.
func (i *instance) shrink() {
	if stack := i.guest.tank.stack; stack.IsValid() && stack.Len() > keptStack {
		i.findCall()
	}
}

// ask calls a function of the guest before its first event.
func (i *instance) ask(f api.Function, arguments ...uint64) ([]uint64, error) {
	if i.guest.tank.stack = stackOf(f); !i.guest.tank.stack.IsValid() {
		return nil, errNoStack
	}
	return f.Call(i.guest, arguments...)
}

// box asks for the place of a box and checks that it lies in memory.
func (i *instance) box(kind uint64, atLeast uint32) (box, error) {
	result, err := i.ask(i.module.ExportedFunction(abi.BufferExport), kind)
	if err != nil {
		return box{}, err
	}
	b := box{ptr: uint32(result[0] >> 32), size: uint32(result[0])}
	if b.size < atLeast {
		return box{}, fmt.Errorf("has %d bytes; at least %d", b.size, atLeast)
	}
	if _, ok := i.memory.Read(b.ptr, b.size); !ok {
		return box{}, fmt.Errorf("%d bytes at %d lie outside the guest's memory", b.size, b.ptr)
	}
	return b, nil
}

func (i *instance) Inbox() int { return int(i.in.size) }

// Call implements plugin.Instance.
func (i *instance) Call(limit time.Duration, frame []byte) ([]byte, *plugin.Fault) {
	if i.dead || i.closed {
		return nil, i.of.faultAt(plugin.Protocol, frame, errDead)
	}
	// Views are read afresh for each call: they go stale when memory grows (abi.md, "Traps met"). Memory never shrinks, so these are there.
	inbox, _ := i.memory.Read(i.in.ptr, i.in.size)
	if len(frame) > len(inbox) {
		return nil, i.of.faultAt(plugin.Protocol, frame,
			&plugin.CodeError{Code: abi.ETOOBIG, Text: fmt.Sprintf("frame of %d bytes; the inbox has %d", len(frame), len(inbox))})
	}
	copy(inbox, frame)
	i.memory.WriteByte(i.out.ptr, 0) // an error code without a text must not show what an earlier call left
	if limit <= 0 {
		limit = i.of.limits.Event
	}
	g := i.guest
	g.enter(frame)
	g.memory.refused = false
	g.tank.fill(limit)
	i.stack[0] = uint64(len(frame))
	err := i.call.CallWithStack(g, i.stack[:])
	g.tank.end()
	if err != nil {
		i.dead = true
		f := i.explain(err, plugin.During(frame))
		f.Frame = bytes.Clone(frame)
		return nil, f
	}
	i.shrink()
	n := int32(i.stack[0])
	if n > 0 && uint32(n) > i.out.size {
		i.dead = true
		f := i.of.faultAt(plugin.BadBatch, frame, fmt.Errorf("%d bytes of verdicts; the outbox has %d", n, i.out.size))
		f.Log = g.log.tail()
		return nil, f
	}
	if n < 0 {
		f := i.of.faultAt(plugin.Protocol, frame, &plugin.CodeError{Code: abi.Code(n), Text: i.text()})
		f.Log = g.log.tail()
		return nil, f
	}
	if !g.log.empty() {
		i.of.gate.Lines(g.log.each)
	}
	verdicts, _ := i.memory.Read(i.out.ptr, uint32(n))
	return verdicts, nil
}

// Close implements plugin.Instance.
func (i *instance) Close() {
	if i.closed {
		return
	}
	i.closed = true
	if i.module != nil {
		_ = i.module.Close(context.Background()) // nothing of the guest's is left to fail
	}
	i.of.leave()
}
