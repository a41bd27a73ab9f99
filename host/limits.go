package host

import (
	"time"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/plugin"
)

// granted are the limits that the configuration sets for a plugin; zero fields are
// left to the plugin's manifest and the defaults.
func granted(l config.PluginLimits) plugin.Limits {
	return plugin.Limits{
		Memory: l.Memory, Event: l.Event, SlowEvent: l.SlowEvent, Packets: l.Packets, SlowPackets: l.SlowPackets,
		Open: l.Open, LogLines: l.LogLines, Queued: l.Queued,
		Session: plugin.Session{Retained: l.Retained, State: l.State, Timers: l.Timers, Writes: l.Writes},
	}
}

// limitsInForce tells of a generation's limits, nil if there is no generation.
func limitsInForce(g plugin.Generation) *admin.PluginLimits {
	if g == nil {
		return nil
	}
	l := g.Limits()
	return &admin.PluginLimits{
		MemoryBytes: l.Memory, EventMillis: millis(l.Event), SlowEventMillis: millis(l.SlowEvent),
		PacketsMillis: millis(l.Packets), SlowPacketsMillis: millis(l.SlowPackets), OpenMillis: millis(l.Open),
		LogLines: l.LogLines, RetainedBytes: l.Retained, StateBytes: l.State, Timers: l.Timers,
		PendingWriteBytes: l.Writes, QueuedEvents: l.Queued,
	}
}

// carriage tells what runs a generation, which may be nil.
func carriage(g plugin.Generation) admin.Carriage {
	if g == nil {
		return admin.Carriage{}
	}
	c := admin.Carriage{Carrier: g.Carrier()}
	if p, ok := g.(plugin.Process); ok {
		c.PID, c.Restarts = p.PID(), p.Restarts()
	}
	return c
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
