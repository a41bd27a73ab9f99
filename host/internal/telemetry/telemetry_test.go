package telemetry

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func scrape(t *testing.T, r *Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func wantLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no line %q", line)
		}
	}
}

func TestRegistry(t *testing.T) {
	r := NewRegistry()
	r.Counter(Def{Name: "things_total", Help: "Things."}).Add(3)
	r.Counter(Def{Name: "things_total", Help: "Things."}).Inc()
	r.Gauge(Def{Name: "level", Help: "Level."}).Set(7)
	r.CounterVec(DeliverDropped).WithLabelValues("lag").Add(2)
	r.GaugeVec(ListenerState).WithLabelValues("web").Set(1)
	r.HistogramVec(PluginCallSeconds).WithLabelValues("wmsp").Observe(3e-6)
	r.CounterFunc(DeliverBytes, func() float64 { return 1500 })
	r.GaugeFunc(Def{Name: "heat", Help: "Heat."}, func() float64 { return 2 })
	r.CountersFunc(PluginFaults, func(add Add) { add(1, "wmsp", "trap") })
	points := map[string]float64{"demo": 4, "gone": 1}
	r.GaugesFunc(PointViewers, func(add Add) {
		for p, n := range points {
			add(n, p)
		}
	})
	wantLines(t, scrape(t, r),
		"weir_things_total 4", "weir_level 7", `weir_deliver_dropped_total{reason="lag"} 2`, `weir_listener_state{listener="web"} 1`,
		`weir_plugin_call_seconds_bucket{plugin="wmsp",le="1e-06"} 0`, `weir_plugin_call_seconds_bucket{plugin="wmsp",le="4e-06"} 1`,
		"weir_deliver_bytes_total 1500", "weir_heat 2", `weir_plugin_faults_total{kind="trap",plugin="wmsp"} 1`,
		`weir_point_viewers{point="demo"} 4`, `weir_point_viewers{point="gone"} 1`)
	delete(points, "gone")
	if text := scrape(t, r); strings.Contains(text, "gone") {
		t.Error("a point that is gone lingers")
	}
}

func TestRegistryRefusesAnotherKind(t *testing.T) {
	r := NewRegistry()
	r.Counter(Def{Name: "a_total", Help: "A."})
	defer func() {
		if recover() == nil {
			t.Error("a counter is also a gauge")
		}
	}()
	r.GaugeVec(Def{Name: "a_total", Help: "A.", Labels: []string{"x"}})
}

func TestSamplerReportsWrongLabels(t *testing.T) {
	r := NewRegistry()
	r.GaugesFunc(PointViewers, func(add Add) { add(1, "a", "too many") })
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 500 {
		t.Errorf("status %d", w.Code)
	}
}

// Names follow https://prometheus.io/docs/practices/naming: lower case, base units, _total on counters.
func TestNames(t *testing.T) {
	name := regexp.MustCompile(`^weir_[a-z]+(_[a-z]+)*$`)
	for _, d := range []Def{DeliverBytes, DeliverSends, DeliverDropped, PluginCalls, PluginCallSeconds, PluginFaults, Sessions, PointViewers, ListenerState, ListenerRefused, SteerLookups} {
		if !name.MatchString(d.full()) || !strings.HasSuffix(d.Help, ".") {
			t.Errorf("%+v", d)
		}
	}
}

func TestHotCountersDoNotAllocate(t *testing.T) {
	r := NewRegistry()
	dropped := r.CounterVec(DeliverDropped).WithLabelValues("lag")
	seconds := r.HistogramVec(PluginCallSeconds).WithLabelValues("a")
	if n := testing.AllocsPerRun(100, func() { dropped.Add(2); seconds.Observe(1e-5) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
