package telemetry

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// delivered are the labels of what is counted of a point's delivery. All three are of the configuration, or of a plugin's manifest, and never of a
// viewer.
var delivered = []string{"point", "rendition", "plugin"}

// What a point's viewers cost. The plugin is the one through which they came, "multicast" for those that the configuration names.
var (
	PointBytes          = Def{Name: "point_bytes_total", Help: "Bytes sent to a point's viewers, response heads among them.", Labels: delivered}
	PointPackets        = Def{Name: "point_packets_total", Help: "Packets sent whole to a point's viewers.", Labels: delivered}
	PointSends          = Def{Name: "point_sends_total", Help: "Send calls made for a point's viewers. Bytes by sends is what decides the cost.", Labels: delivered}
	PointDeliverSeconds = Def{Name: "point_deliver_seconds_total", Help: "Time that delivery workers have spent on sending to a point's viewers, by the wall clock.", Labels: delivered}
	PointAttached       = Def{Name: "point_attached_total", Help: "Viewers that were ever attached to a point.", Labels: delivered}
	PointWaiting        = Def{Name: "point_waiting_viewers", Help: "Viewers of a point whose socket is full.", Labels: delivered}
	PointLag            = Def{Name: "point_lag_seconds", Help: "How far viewers were behind the newest packet when their turn came, in media time: a sample of each viewer, about twice a second.", Labels: delivered}
	PointDropped        = Def{Name: "point_dropped_packets_total", Help: "Packets left out for viewers that stayed: lag (further behind than max_lag), overrun (their place had left the buffer).", Labels: withReason(delivered)}
	PointDroppedBytes   = Def{Name: "point_dropped_bytes_total", Help: "Bytes that viewers did not get: left out (lag, overrun), or waiting for them when they left (left_ and why).", Labels: withReason(delivered)}
	PointLeft           = Def{Name: "point_left_total", Help: "Viewers that left a point, by reason.", Labels: withReason(delivered)}

	MulticastDestinations = Def{Name: "multicast_destinations", Help: "Destinations that a point is sent to unasked, by state: sending, waiting (for the rendition), paused (it refuses or cannot be reached), failed (it cannot be sent to as configured).", Labels: []string{"point", "state"}}

	DeliverPackets      = Def{Name: "deliver_packets_total", Help: "Packets sent whole to viewers."}
	DeliverDroppedBytes = Def{Name: "deliver_dropped_bytes_total", Help: "Bytes that viewers did not get, by reason, as point_dropped_bytes_total.", Labels: []string{"reason"}}

	DeliverDatagrams        = Def{Name: "deliver_datagrams_total", Help: "Datagrams sent to viewers."}
	DeliverDroppedDatagrams = Def{Name: "deliver_dropped_datagrams_total", Help: "Datagrams that were not sent to viewers, by reason.", Labels: []string{"reason"}}

	PluginEvents     = Def{Name: "plugin_events_total", Help: "Events that plugins were told.", Labels: []string{"plugin"}}
	PluginFrameBytes = Def{Name: "plugin_frame_bytes_total", Help: "Bytes of frames to plugins (in: events) and from them (out: verdicts).", Labels: []string{"plugin", "direction"}}
	PluginCPU        = Def{Name: "plugin_cpu_seconds_total", Help: "Processor time of plugins. of=\"calls\": of the threads in calls, from one call of sixteen; of=\"process\": of all processes of a plugin that is a program, the host's part not among it.", Labels: []string{"plugin", "of"}}

	ListenerDatagrams        = Def{Name: "listener_datagrams_total", Help: "Datagrams that a listener received, those dropped among them.", Labels: []string{"listener"}}
	ListenerDroppedDatagrams = Def{Name: "listener_dropped_datagrams_total", Help: "Datagrams that reached no session, by reason; kernel: the socket's buffer was full.", Labels: []string{"listener", "reason"}}
)

func withReason(labels []string) []string { return append(slices.Clip(labels), "reason") }

// AddHistogram reports one histogram at a scrape: how many values there were, their sum, and by upper bound how many were at most that; labels are in
// the order of the Def's.
type AddHistogram func(count uint64, sum float64, cumulative map[float64]uint64, labels ...string)

// HistogramsFunc lets f tell a labelled histogram's values at each scrape, as CountersFunc does.
func (r *Registry) HistogramsFunc(d Def, f func(AddHistogram)) {
	r.prometheus.MustRegister(&histograms{prometheus.NewDesc(d.full(), d.Help, slices.Clone(d.Labels), nil), f})
}

type histograms struct {
	desc *prometheus.Desc
	f    func(AddHistogram)
}

func (h *histograms) Describe(to chan<- *prometheus.Desc) { to <- h.desc }

func (h *histograms) Collect(to chan<- prometheus.Metric) {
	h.f(func(count uint64, sum float64, cumulative map[float64]uint64, labels ...string) {
		m, err := prometheus.NewConstHistogram(h.desc, count, sum, cumulative, labels...)
		if err != nil {
			m = prometheus.NewInvalidMetric(h.desc, err)
		}
		to <- m
	})
}
