package host

import (
	"sync"
	"time"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/deliver"
	"github.com/weir-media/weir/host/internal/session"
	"github.com/weir-media/weir/host/internal/telemetry"
)

// counters are the metrics that sessions and plugins add to.
type counters struct {
	handles sync.Map // name of a plugin → *handle, so that a call looks up no labels
	calls   *telemetry.CounterVec
	seconds *telemetry.HistogramVec
	faults  *telemetry.CounterVec
	refused *telemetry.CounterVec
	custom  *telemetry.CounterVec
	limited *telemetry.CounterVec
}

var (
	pluginRefused = telemetry.Def{Name: "plugin_refused_total", Help: "Batches of verdicts that were refused, by code.", Labels: []string{"plugin", "code"}}
	pluginCustom  = telemetry.Def{Name: "plugin_custom_total", Help: "Counters that plugins keep by METRIC.", Labels: []string{"plugin", "name"}}
	pluginTurned  = telemetry.Def{Name: "plugin_turned_away_total", Help: "Sessions and uploads that a plugin did not take, by reason.", Labels: []string{"plugin", "reason"}}
	pluginKept    = telemetry.Def{Name: "plugin_quarantines_total", Help: "Times that a plugin was quarantined for its faults.", Labels: []string{"plugin"}}
	pluginAside   = telemetry.Def{Name: "plugin_throttled_networks", Help: "Networks whose new sessions a plugin refuses at present.", Labels: []string{"plugin"}}
	pluginLimited = telemetry.Def{Name: "plugin_limited_total", Help: "Sessions that would have held more than they may, by limit.", Labels: []string{"plugin", "limit"}}
	viewersLeft   = telemetry.Def{Name: "deliver_left_total", Help: "Viewers that left, by reason.", Labels: []string{"reason"}}
)

// metrics registers what the host counts and gives the part that sessions add to.
func (s *Server) metrics() session.Metrics {
	r := s.vitals.registry
	r.CounterFunc(telemetry.DeliverBytes, func() float64 { return float64(s.pool.Stats().Bytes) })
	r.CounterFunc(telemetry.DeliverSends, func() float64 { return float64(s.pool.Stats().Sends) })
	r.CountersFunc(telemetry.DeliverDropped, func(add telemetry.Add) {
		t := s.pool.Stats()
		for _, why := range deliver.Missings() {
			add(float64(t.Missed[why].Packets), why.String())
		}
	})
	r.CounterFunc(telemetry.DeliverPackets, func() float64 { return float64(s.pool.Stats().Packets) })
	r.CountersFunc(telemetry.DeliverDroppedBytes, func(add telemetry.Add) {
		t := s.pool.Stats()
		for _, why := range deliver.Missings() {
			add(float64(t.Missed[why].Bytes), why.String())
		}
		for _, why := range deliver.Reasons() {
			add(float64(t.Unsent[why]), leftPrefix+why.String())
		}
	})
	r.CountersFunc(viewersLeft, func(add telemetry.Add) {
		left := s.pool.Stats().Left
		for _, why := range deliver.Reasons() {
			add(float64(left[why]), why.String())
		}
	})
	r.GaugesFunc(telemetry.PointViewers, func(add telemetry.Add) {
		for _, p := range s.room.Points() {
			add(float64(p.Snapshot().Viewers), p.Name())
		}
	})
	r.GaugesFunc(telemetry.MulticastDestinations, s.countDestinations)
	s.sapMetrics()
	r.GaugesFunc(telemetry.Sessions, s.countSessions)
	r.GaugesFunc(telemetry.PluginState, s.countStates)
	s.blameMetrics()
	s.accessMetrics()
	s.costMetrics()
	r.GaugesFunc(telemetry.ListenerState, func(add telemetry.Add) {
		for _, l := range s.listenerList() {
			add(map[bool]float64{true: 1}[l.State == stateOpen], l.Name)
		}
	})
	return &counters{
		calls: r.CounterVec(telemetry.PluginCalls), seconds: r.HistogramVec(telemetry.PluginCallSeconds),
		faults: r.CounterVec(telemetry.PluginFaults), refused: r.CounterVec(pluginRefused), custom: r.CounterVec(pluginCustom),
		limited: r.CounterVec(pluginLimited),
	}
}

// blameMetrics registers what plugins' faults have come to.
func (s *Server) blameMetrics() {
	each := func(f func(admin.Plugin)) {
		for _, p := range s.pluginList(s.account()) {
			f(p)
		}
	}
	r := s.vitals.registry
	r.CountersFunc(pluginTurned, func(add telemetry.Add) {
		each(func(p admin.Plugin) {
			for reason, n := range p.TurnedAway {
				add(float64(n), p.Name, reason)
			}
		})
	})
	r.CountersFunc(pluginKept, func(add telemetry.Add) {
		each(func(p admin.Plugin) { add(float64(p.Quarantines), p.Name) })
	})
	r.GaugesFunc(pluginAside, func(add telemetry.Add) {
		each(func(p admin.Plugin) { add(float64(p.Aside), p.Name) })
	})
}

// countStates tells of each plugin which of its states it is in.
func (s *Server) countStates(add telemetry.Add) {
	for _, p := range s.pluginList(s.account()) {
		for _, state := range admin.PluginStates() {
			add(map[bool]float64{true: 1}[p.State == state], p.Name, state)
		}
	}
}

func (s *Server) countSessions(add telemetry.Add) {
	type key struct{ plugin, role string }
	n := map[key]int{}
	s.room.CountSessions(func(plugin string, role session.Role, count int) { n[key{plugin, string(role)}] += count })
	for k, count := range n {
		add(float64(count), k.plugin, k.role)
	}
}

// Called counts a call into a plugin.
func (c *counters) Called(plugin string, took time.Duration, _ int) {
	h, ok := c.handles.Load(plugin)
	if !ok {
		h, _ = c.handles.LoadOrStore(plugin, &handle{c.calls.WithLabelValues(plugin), c.seconds.WithLabelValues(plugin)})
	}
	x := h.(*handle)
	x.calls.Inc()
	x.seconds.Observe(took.Seconds())
}

// handle is where the calls of one plugin are counted.
type handle struct {
	calls   telemetry.Counter
	seconds telemetry.Histogram
}

// Faulted counts a fault.
func (c *counters) Faulted(plugin, kind string) { c.faults.WithLabelValues(plugin, kind).Inc() }

// Refused counts a refused batch.
func (c *counters) Refused(plugin, code string) { c.refused.WithLabelValues(plugin, code).Inc() }

// Limited counts a session that would have gone beyond a limit.
func (c *counters) Limited(plugin, limit string) { c.limited.WithLabelValues(plugin, limit).Inc() }

// Custom adds to a counter of the plugin's own.
func (c *counters) Custom(plugin, name string, delta uint64) {
	c.custom.WithLabelValues(plugin, name).Add(float64(delta))
}
