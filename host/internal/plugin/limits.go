package plugin

import (
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
)

// Limits bounds a plugin. A zero field means the default.
type Limits struct {
	Memory      uint64        // bytes of linear memory of one instance, or of a process
	Event       time.Duration // running time for one event, hard
	SlowEvent   time.Duration // running time for one event from which on a call is counted as slow
	Packets     time.Duration // like Event, for PACKETS
	SlowPackets time.Duration // like SlowEvent, for PACKETS
	Open        time.Duration // running time for the start and for OPEN
	LogLines    int           // lines a second that reach the host's log
	Session                   // what each session may hold
	Queued      int           // events of all sessions that wait for the plugin
}

// Session bounds what the host holds for one session of a plugin.
type Session struct {
	Retained uint64 // bytes of input, of one connection
	State    uint64 // bytes of held state
	Timers   int
	Writes   uint64 // bytes that wait to be written to one connection
}

// Defaults of Limits (containment.md, "Limits").
const (
	DefaultMemory      = 64 << 20
	DefaultEvent       = 50 * time.Millisecond
	DefaultSlowEvent   = 5 * time.Millisecond
	DefaultPackets     = 20 * time.Millisecond
	DefaultSlowPackets = 2 * time.Millisecond
	DefaultOpen        = 2 * time.Second
	DefaultLogLines    = 50
	DefaultQueued      = 1024
	DefaultTimers      = 16
	DefaultWrites      = 16 << 10
)

// furtherEvent is what each event after a frame's first adds to its time (containment.md, "Limits").
const furtherEvent = 100 * time.Microsecond

// Or gives l with each zero field taken from other.
func (l Limits) Or(other Limits) Limits {
	l.Memory = or(l.Memory, other.Memory)
	l.Event, l.SlowEvent = or(l.Event, other.Event), or(l.SlowEvent, other.SlowEvent)
	l.Packets, l.SlowPackets = or(l.Packets, other.Packets), or(l.SlowPackets, other.SlowPackets)
	l.Open = or(l.Open, other.Open)
	l.LogLines, l.Queued = or(l.LogLines, other.LogLines), or(l.Queued, other.Queued)
	l.Retained, l.State = or(l.Retained, other.Retained), or(l.State, other.State)
	l.Timers, l.Writes = or(l.Timers, other.Timers), or(l.Writes, other.Writes)
	return l
}

func or[T uint64 | int | time.Duration](v, other T) T {
	if v <= 0 {
		return other
	}
	return v
}

// InForce gives the limits of a plugin, none of them zero: those that the operator granted, else what the manifest asks for where that is below the
// defaults, else the defaults. A soft limit is never above its hard one.
func InForce(granted Limits, asked manifest.Limits) Limits {
	own := DefaultLimits()
	own.Memory = lower(own.Memory, uint64(asked.Memory))
	own.Event, own.Packets = lower(own.Event, asked.Event), lower(own.Packets, asked.Packets)
	l := granted.Or(own)
	l.SlowEvent, l.SlowPackets = min(l.SlowEvent, l.Event), min(l.SlowPackets, l.Packets)
	return l
}

// lower is v, or what is asked for if that is below it.
func lower[T uint64 | time.Duration](v, asked T) T {
	if asked <= 0 {
		return v
	}
	return min(v, asked)
}

// DefaultLimits is the Limits of a plugin for which nobody asked for others.
func DefaultLimits() Limits {
	return Limits{
		Memory: DefaultMemory, Event: DefaultEvent, SlowEvent: DefaultSlowEvent, Packets: DefaultPackets, SlowPackets: DefaultSlowPackets,
		Open: DefaultOpen, LogLines: DefaultLogLines, Queued: DefaultQueued,
		Session: Session{Retained: abi.MaxRetain, State: abi.MaxState, Timers: DefaultTimers, Writes: DefaultWrites},
	}
}

// Frame is how long the guest may run for a frame of that many events.
func (l Limits) Frame(events int) time.Duration { return further(l.Event, events) }

// PacketsFrame is Frame for a frame of nothing but PACKETS.
func (l Limits) PacketsFrame(events int) time.Duration { return further(l.Packets, events) }

func further(first time.Duration, events int) time.Duration {
	return first + time.Duration(max(events-1, 0))*furtherEvent
}
