package host

import (
	"github.com/weir-media/weir/host/internal/deliver"
	"github.com/weir-media/weir/host/internal/netio"
	"github.com/weir-media/weir/host/internal/session"
	"github.com/weir-media/weir/host/internal/telemetry"
)

// costMetrics registers what points and plugins cost.
func (s *Server) costMetrics() {
	r := s.vitals.registry
	r.Before(func() { s.costs.scrape() })
	s.pointCounters()
	each := func(f func(k series, t *deliver.LogTotals)) {
		for k, t := range s.costs.lastScrape() {
			f(k, t)
		}
	}
	r.CountersFunc(telemetry.PointDropped, func(add telemetry.Add) {
		each(func(k series, t *deliver.LogTotals) {
			for _, why := range deliver.Missings() {
				add(float64(t.Missed[why].Packets), k.point, k.rendition, k.plugin, why.String())
			}
		})
	})
	r.CountersFunc(telemetry.PointDroppedBytes, func(add telemetry.Add) {
		each(func(k series, t *deliver.LogTotals) {
			for _, why := range deliver.Missings() {
				add(float64(t.Missed[why].Bytes), k.point, k.rendition, k.plugin, why.String())
			}
			for _, why := range deliver.Reasons() {
				add(float64(t.Unsent[why]), k.point, k.rendition, k.plugin, leftPrefix+why.String())
			}
		})
	})
	r.CountersFunc(telemetry.PointLeft, func(add telemetry.Add) {
		each(func(k series, t *deliver.LogTotals) {
			for _, why := range deliver.Reasons() {
				add(float64(t.Left[why]), k.point, k.rendition, k.plugin, why.String())
			}
		})
	})
	r.HistogramsFunc(telemetry.PointLag, func(add telemetry.AddHistogram) {
		each(func(k series, t *deliver.LogTotals) {
			var count uint64
			steps := make(map[float64]uint64, len(deliver.LagBounds))
			for i, n := range t.Lag {
				if count += n; i < len(deliver.LagBounds) {
					steps[deliver.LagBounds[i].Seconds()] = count
				}
			}
			add(count, t.LagSum.Seconds(), steps, k.point, k.rendition, k.plugin)
		})
	})
	s.spendingMetrics()
	s.datagramMetrics()
}

// pointCounters registers what is one number of a series.
func (s *Server) pointCounters() {
	r := s.vitals.registry
	for _, m := range []struct {
		def   telemetry.Def
		value func(t *deliver.LogTotals) float64
		put   func(telemetry.Def, func(telemetry.Add))
	}{
		{telemetry.PointBytes, func(t *deliver.LogTotals) float64 { return float64(t.Bytes) }, r.CountersFunc},
		{telemetry.PointPackets, func(t *deliver.LogTotals) float64 { return float64(t.Packets) }, r.CountersFunc},
		{telemetry.PointSends, func(t *deliver.LogTotals) float64 { return float64(t.Sends) }, r.CountersFunc},
		{telemetry.PointAttached, func(t *deliver.LogTotals) float64 { return float64(t.Attached) }, r.CountersFunc},
		{telemetry.PointDeliverSeconds, func(t *deliver.LogTotals) float64 { return t.Busy.Seconds() }, r.CountersFunc},
		{telemetry.PointWaiting, func(t *deliver.LogTotals) float64 { return float64(t.Waiting) }, r.GaugesFunc},
	} {
		m.put(m.def, func(add telemetry.Add) {
			for k, t := range s.costs.lastScrape() {
				add(m.value(t), k.point, k.rendition, k.plugin)
			}
		})
	}
}

// spendingMetrics registers what plugins take.
func (s *Server) spendingMetrics() {
	r := s.vitals.registry
	each := func(f func(name string, x session.Spent)) {
		for _, p := range s.room.Runners() {
			f(p.Name(), p.Spent())
		}
	}
	r.CountersFunc(telemetry.PluginEvents, func(add telemetry.Add) {
		each(func(name string, x session.Spent) { add(float64(x.Events), name) })
	})
	r.CountersFunc(telemetry.PluginFrameBytes, func(add telemetry.Add) {
		each(func(name string, x session.Spent) {
			add(float64(x.BytesIn), name, "in")
			add(float64(x.BytesOut), name, "out")
		})
	})
	r.CountersFunc(telemetry.PluginCPU, func(add telemetry.Add) {
		each(func(name string, x session.Spent) {
			add(x.CPU.Seconds(), name, "calls")
			add(s.vitals.programs.of(name).CPU().Seconds(), name, "process")
		})
	})
}

// datagramMetrics registers what is sent in datagrams, and what listeners of datagrams receive and drop.
func (s *Server) datagramMetrics() {
	r := s.vitals.registry
	r.CounterFunc(telemetry.DeliverDatagrams, func() float64 { return float64(s.pool.UDPStats().Datagrams) })
	r.CountersFunc(telemetry.DeliverDroppedDatagrams, func(add telemetry.Add) {
		t := s.pool.UDPStats()
		for _, why := range deliver.UDPDrops() {
			add(float64(t.Dropped[why]), why.String())
		}
	})
	r.CountersFunc(telemetry.ListenerDatagrams, func(add telemetry.Add) {
		for _, l := range s.listenerList() {
			if d := l.Datagrams; d != nil {
				add(float64(d.Received), l.Name)
			}
		}
	})
	r.CountersFunc(telemetry.ListenerDroppedDatagrams, func(add telemetry.Add) {
		for _, l := range s.listenerList() {
			if d := l.Datagrams; d != nil {
				for _, why := range netio.UDPDrops() {
					add(float64(d.Dropped[why.String()]), l.Name, why.String())
				}
			}
		}
	})
}
