// Package telemetry counts and logs for every other room.
//
// It owns one registry of metrics for each host and the handler through which every log line passes. Counts and lines come in; the text of /metrics
// and lines on stderr go out. It never decides what is an error, never samples or drops a line without counting it, and opens no socket: the admin
// room serves Handler.
package telemetry

import (
	"errors"
	"net/http"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Prefix begins the name of each metric that weir defines.
const Prefix = "weir_"

// The kinds of metrics. All are safe for concurrent use; Inc and Add neither lock nor allocate.
type (
	Counter      = prometheus.Counter
	CounterVec   = prometheus.CounterVec
	Gauge        = prometheus.Gauge
	GaugeVec     = prometheus.GaugeVec
	Histogram    = prometheus.Observer
	HistogramVec = prometheus.HistogramVec
)

// Def describes a metric. Name is without Prefix and holds the unit.
type Def struct {
	Name    string
	Help    string
	Labels  []string
	Buckets []float64 // of a histogram; nil: Prometheus' own
}

func (d Def) full() string { return Prefix + d.Name }

// callBuckets spans a plugin call in seconds: 1 µs to about 4 s by fours. A call costs 20–37 ns (measured) and more than 50 ms is a fault.
var callBuckets = prometheus.ExponentialBuckets(1e-6, 4, 12)

// The metrics that operators may rely on.
var (
	DeliverBytes      = Def{Name: "deliver_bytes_total", Help: "Bytes sent to viewers."}
	DeliverSends      = Def{Name: "deliver_sends_total", Help: "Send calls made for viewers."}
	DeliverDropped    = Def{Name: "deliver_dropped_total", Help: "Packets not sent to viewers, by reason.", Labels: []string{"reason"}}
	PluginCalls       = Def{Name: "plugin_calls_total", Help: "Calls into plugins.", Labels: []string{"plugin"}}
	PluginCallSeconds = Def{Name: "plugin_call_seconds", Help: "Duration of calls into plugins.", Labels: []string{"plugin"}, Buckets: callBuckets}
	PluginFaults      = Def{Name: "plugin_faults_total", Help: "Faults of plugins, by kind.", Labels: []string{"plugin", "kind"}}
	PluginState       = Def{Name: "plugin_state", Help: "State of a plugin: 1 for the one it is in.", Labels: []string{"plugin", "state"}}
	Sessions          = Def{Name: "sessions", Help: "Open sessions.", Labels: []string{"plugin", "role"}}
	PointViewers      = Def{Name: "point_viewers", Help: "Viewers attached to a point.", Labels: []string{"point"}}
	ListenerState     = Def{Name: "listener_state", Help: "State of a listener: 1 open, 0 not.", Labels: []string{"listener"}}
	ListenerRefused   = Def{Name: "listener_refused_total", Help: "Connections that a listener closed, by reason.", Labels: []string{"listener", "reason"}}
	SteerLookups      = Def{Name: "steer_lookups_total", Help: "Connections that the kernel steered, by result.", Labels: []string{"result"}}
)

// Registry holds the metrics of one host. Safe for concurrent use. Asking twice for the same Def gives the same metric; asking for it as another
// kind, or giving a function for a name twice, is a mistake of the program and panics.
type Registry struct {
	prometheus *prometheus.Registry
	before     []func()
}

// NewRegistry makes a registry that already counts the Go runtime and the process.
func NewRegistry() *Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return &Registry{prometheus: r}
}

// Handler serves the metrics in Prometheus' text format.
func (r *Registry) Handler() http.Handler {
	gather := promhttp.HandlerFor(r.prometheus, promhttp.HandlerOpts{})
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		for _, f := range r.before {
			f()
		}
		gather.ServeHTTP(w, q)
	})
}

// Before has f called at the beginning of each scrape, before all functions of metrics. It is for setting up, before Handler's first request; f must be
// safe for concurrent use.
func (r *Registry) Before(f func()) { r.before = append(r.before, f) }

// Counter gives the counter of a Def without labels.
func (r *Registry) Counter(d Def) Counter {
	return register[Counter](r, prometheus.NewCounter(prometheus.CounterOpts{Name: d.full(), Help: d.Help}))
}

// CounterVec gives the counters of a Def. Rooms keep what WithLabelValues returns, rather than ask for it on a hot path.
func (r *Registry) CounterVec(d Def) *CounterVec {
	return register(r, prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.full(), Help: d.Help}, d.Labels))
}

// Gauge gives the gauge of a Def without labels.
func (r *Registry) Gauge(d Def) Gauge {
	return register[Gauge](r, prometheus.NewGauge(prometheus.GaugeOpts{Name: d.full(), Help: d.Help}))
}

// GaugeVec gives the gauges of a Def. Whoever sets a value deletes it with its subject, so that gone points do not linger.
func (r *Registry) GaugeVec(d Def) *GaugeVec {
	return register(r, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: d.full(), Help: d.Help}, d.Labels))
}

// HistogramVec gives the histograms of a Def.
func (r *Registry) HistogramVec(d Def) *HistogramVec {
	return register(r, prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: d.full(), Help: d.Help, Buckets: d.Buckets}, d.Labels))
}

// CounterFunc lets f tell a counter's value at each scrape; f must be safe for concurrent use and quick.
func (r *Registry) CounterFunc(d Def, f func() float64) {
	r.prometheus.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: d.full(), Help: d.Help}, f))
}

// GaugeFunc lets f tell a gauge's value at each scrape, as CounterFunc does.
func (r *Registry) GaugeFunc(d Def, f func() float64) {
	r.prometheus.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: d.full(), Help: d.Help}, f))
}

// Add reports one value at a scrape; labels are in the order of the Def's.
type Add func(value float64, labels ...string)

// CountersFunc lets f tell a labelled counter's values at each scrape; f must be safe for concurrent use, quick, and name no set of labels twice.
func (r *Registry) CountersFunc(d Def, f func(Add)) { r.sample(d, prometheus.CounterValue, f) }

// GaugesFunc lets f tell a labelled gauge's values at each scrape, as CountersFunc does. Values that f no longer names disappear.
func (r *Registry) GaugesFunc(d Def, f func(Add)) { r.sample(d, prometheus.GaugeValue, f) }

func (r *Registry) sample(d Def, kind prometheus.ValueType, f func(Add)) {
	desc := prometheus.NewDesc(d.full(), d.Help, slices.Clone(d.Labels), nil)
	r.prometheus.MustRegister(&sampler{desc, kind, f})
}

type sampler struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	f    func(Add)
}

func (s *sampler) Describe(to chan<- *prometheus.Desc) { to <- s.desc }

func (s *sampler) Collect(to chan<- prometheus.Metric) {
	s.f(func(value float64, labels ...string) {
		m, err := prometheus.NewConstMetric(s.desc, s.kind, value, labels...)
		if err != nil {
			m = prometheus.NewInvalidMetric(s.desc, err)
		}
		to <- m
	})
}

func register[C prometheus.Collector](r *Registry, c C) C {
	err := r.prometheus.Register(c)
	if err == nil {
		return c
	}
	if again, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := again.ExistingCollector.(C); ok {
			return existing
		}
	}
	panic(err)
}
