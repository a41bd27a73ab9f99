// Package inproc carries plugins that are linked into the host's own program, with no sandbox around them.
//
// It owns what is left of a carrier then: a Generation around a constructor, and instances that hand the same frames to the same SDK as a module
// in a sandbox does. Frames of event records come in, frames of verdict records go out. It bounds neither the time nor the memory of a call and
// shields the host from nothing but a panic, so no release has it: it is there to measure what the sandbox costs.
package inproc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/sdk"
)

// Carrier is the name of this carrier.
const Carrier = "native"

// Options says what to open.
type Options struct {
	Name     string // of the plugin, for errors; empty: the manifest's
	Manifest *manifest.Manifest
	Hash     string // of the module that it stands for
	New      func() *sdk.Plugin
	Limits   plugin.Limits // shown, and counted against, but not enforced
	Log      *slog.Logger  // of the first Open, for the lines of all plugins; nil: slog.Default
}

var carryOnce sync.Once

// Open makes a generation.
func Open(o Options) plugin.Generation {
	g := &generation{options: o, number: plugin.NextNumber(), limits: plugin.InForce(o.Limits, o.Manifest.Limits)}
	if o.Name == "" {
		g.options.Name = o.Manifest.Name
	}
	log := o.Log
	if log == nil {
		log = slog.Default()
	}
	carryOnce.Do(func() {
		sdk.Carry(func(func() *sdk.Plugin) {}, func(level sdk.Level, text string) {
			log.Log(context.Background(), slog.Level(level), text)
		})
	})
	return g
}

type generation struct {
	options Options
	number  uint64
	limits  plugin.Limits
}

func (g *generation) Manifest() *manifest.Manifest { return g.options.Manifest }
func (g *generation) Number() uint64               { return g.number }
func (g *generation) Hash() string                 { return g.options.Hash }
func (g *generation) Carrier() string              { return Carrier }
func (g *generation) Limits() plugin.Limits        { return g.limits }
func (g *generation) Close()                       {}

// New implements plugin.Generation.
func (g *generation) New() (plugin.Instance, *plugin.Fault) {
	return &instance{of: g, plugin: g.options.New(), out: make([]byte, abi.UsualBox)}, nil
}

type instance struct {
	of     *generation
	plugin *sdk.Plugin
	out    []byte
	dead   bool
}

var errDead = errors.New("instance is closed or was lost by an earlier fault")

// Inbox implements plugin.Instance.
func (i *instance) Inbox() int { return abi.UsualBox }

// Call implements plugin.Instance, without a limit.
func (i *instance) Call(_ time.Duration, frame []byte) (verdicts []byte, fault *plugin.Fault) {
	if i.dead {
		return nil, i.fault(plugin.Protocol, frame, errDead)
	}
	if len(frame) > abi.UsualBox {
		text := fmt.Sprintf("frame of %d bytes; the inbox has %d", len(frame), abi.UsualBox)
		return nil, i.fault(plugin.Protocol, frame, &plugin.CodeError{Code: abi.ETOOBIG, Text: text})
	}
	defer func() {
		if caught := recover(); caught != nil {
			i.dead = true
			verdicts, fault = nil, i.fault(plugin.Trap, frame, fmt.Errorf("panic: %v", caught))
			fault.Stack = string(debug.Stack())
		}
	}()
	n := i.plugin.Call(frame, i.out)
	if n < 0 {
		text, _, _ := bytes.Cut(i.out, []byte{0})
		return nil, i.fault(plugin.Protocol, frame, &plugin.CodeError{Code: abi.Code(n), Text: string(text[:min(len(text), maxText)])})
	}
	return i.out[:n], nil
}

// maxText is how much of an error's text is kept, in bytes; chosen.
const maxText = 512

func (i *instance) fault(kind plugin.Kind, frame []byte, cause error) *plugin.Fault {
	return &plugin.Fault{Plugin: i.of.options.Name, Generation: i.of.number, Kind: kind, During: plugin.During(frame), Cause: cause, Frame: bytes.Clone(frame)}
}

// Close implements plugin.Instance.
func (i *instance) Close() { i.dead = true }
