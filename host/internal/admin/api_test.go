package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/journal"
)

// fakeServer is a Backend with one plugin, one listener and one point.
type fakeServer struct {
	mu       sync.Mutex
	state    string
	reason   string
	notReady error
	answer   error         // of orders, if not nil
	hold     chan struct{} // Status waits for it, if not nil
	journal  *journal.Journal

	pointState, pointReason string
	held                    chan struct{} // closed once Status waits
}

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func (f *fakeServer) Status() Status {
	if f.hold != nil {
		close(f.held)
		<-f.hold
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return Status{Version: "1.2.3", Started: began, Config: "plugins.yaml",
		Listeners: []Listener{{Name: "web", State: ListenerFailed, Code: "0xC00D158B", Addresses: []string{"0.0.0.0:80"}}},
		Plugins:   []Plugin{{Name: "wmsp", State: f.state, Reason: f.reason, Work: Work{Calls: 7}}},
		Points:    []Point{{Name: "live", State: cmp.Or(f.pointState, "live"), Reason: f.pointReason}}}
}

func (f *fakeServer) Sessions(point string) []Session {
	if point == "" {
		return nil
	}
	return []Session{{ID: 5, Point: point, Since: began}}
}

func (f *fakeServer) Ports() []Port {
	return []Port{{Direction: In, Protocol: "tcp", Address: "*", Port: "80"}}
}

func (f *fakeServer) order(name, state, reason string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if name != "wmsp" {
		return fmt.Errorf("plugin %q: %w", name, ErrNotFound)
	}
	if f.answer == nil {
		f.state, f.reason = state, reason
	}
	return f.answer
}

func (f *fakeServer) PlanConfig(p Proposal) (Plan, error) {
	if p.Text == "bad" {
		return Plan{}, fmt.Errorf("%s:1: is bad; mend it\n%w", p.File, ErrRefused)
	}
	return Plan{Config: p.File + " in " + p.Dir, Changes: []Change{{What: OfPlugin, Name: p.Text, Action: Removed}}}, nil
}

func (f *fakeServer) ApplyConfig(p Proposal) (Plan, error) {
	plan, err := f.PlanConfig(p)
	plan.Applied = err == nil
	return plan, err
}

func (f *fakeServer) EnablePlugin(name string) error { return f.order(name, PluginRunning, "") }

func (f *fakeServer) DisablePlugin(name, reason string) error {
	return f.order(name, PluginDisabled, reason)
}

func (f *fakeServer) ReloadPlugin(name string, force bool) (PluginChange, error) {
	c := PluginChange{Name: name, From: Build{Generation: 1}, To: Build{Generation: 2}}
	if force {
		c.Note = "forced"
	}
	return c, f.order(name, PluginRunning, "")
}

func (f *fakeServer) RecordPlugin(_ context.Context, name string, o Recording, w io.Writer) error {
	if name != "wmsp" {
		return fmt.Errorf("plugin %q: %w", name, ErrNotFound)
	}
	_, err := fmt.Fprintf(w, "%s for %v, %d bytes", name, o.For, o.Bytes)
	return err
}

func (f *fakeServer) Announce(point, format, authority string) (string, []byte, error) {
	if format != "asx" {
		return "", nil, fmt.Errorf("format %q: %w", format, ErrNotFound)
	}
	return "video/x-ms-asf", []byte("<asx>" + authority + "/" + point + "</asx>"), f.answer
}

func (f *fakeServer) Faults(plugin string) ([]Fault, error) {
	if plugin == "wmpp" {
		return nil, fmt.Errorf("plugin %q: %w", plugin, ErrNotFound)
	}
	return []Fault{{ID: 12, Plugin: "wmsp", Kind: "trap"}}, nil
}

func (f *fakeServer) Fault(id uint64) (Fault, error) {
	if id != 12 {
		return Fault{}, fmt.Errorf("fault %d: %w", id, ErrNotFound)
	}
	return Fault{ID: id, Frame: []byte("frame"), Config: json.RawMessage(`{"a":1}`)}, f.answer
}

func (f *fakeServer) RecordFault(id uint64) ([]byte, error) {
	x, err := f.Fault(id)
	return x.Frame, err
}

func (f *fakeServer) Ready() error { return f.notReady }

func TestAPI(t *testing.T) {
	exporter := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "weir_up 1\n") })
	broken := &fakeServer{state: PluginFailed, answer: errors.New("the port is taken"), notReady: errors.New("listener web failed")}
	for _, c := range []struct {
		request string
		backend *fakeServer
		status  int
		has     string
	}{
		{"GET /v1/status", nil, 200, `"version": "1.2.3"`},
		{"HEAD /v1/status", nil, 200, ""},
		{"GET /v1/listeners", nil, 200, `"code": "0xC00D158B"`},
		{"GET /v1/plugins", nil, 200, `"calls": 7`},
		{"GET /v1/points", nil, 200, `"name": "live"`},
		{"GET /v1/ports", nil, 200, `"direction": "in"`},
		{"GET /v1/sessions", nil, 200, "[]\n"},
		{"GET /v1/sessions?point=live", nil, 200, `"point": "live"`},
		{"GET /v1/sessions?point=lvie", nil, 404, `"error": "point \"lvie\": not found"`},
		{"GET /v1/announce/asx?point=live&authority=h:80", nil, 200, "<asx>h:80/live</asx>"},
		{"GET /v1/announce/asx", nil, 400, "which point"},
		{"GET /v1/announce/nsc?point=live", nil, 404, `format \"nsc\"`},
		{"GET /v1/announce/asx?point=live", broken, 503, "the port is taken"},
		{"POST /v1/plugins/wmsp/enable", nil, 200, `"state": "running"`},
		{"POST /v1/plugins/wmsp/disable", nil, 200, `"reason": "disabled by the admin API"`},
		{"POST /v1/plugins/wmsp/disable?reason=until%0Anoon", nil, 200, `"reason": "until noon"`},
		{"POST /v1/plugins/wmsp/reload", nil, 200, `"generation": 2`},
		{"POST /v1/plugins/wmsp/enable", broken, 409, `"error": "the port is taken"`},
		{"POST /v1/plugins/wmsp/explode", nil, 404, "there is no /v1/plugins/wmsp/explode here"},
		{"POST /v1/plugins/other/enable", nil, 404, `plugin \"other\"`},
		{"GET /v1/plugins/wmsp/enable", nil, 405, "takes POST, not GET"},
		{"POST /v1/status", nil, 405, "takes GET, HEAD, not POST"},
		{"GET /v1/faults", nil, 200, `"kind": "trap"`},
		{"GET /v1/faults?plugin=wmpp", nil, 404, "not found"},
		{"GET /v1/faults/12", nil, 200, `"frame": "ZnJhbWU="`},
		{"GET /v1/faults/12", nil, 200, `"a": 1`},
		{"GET /v1/faults/13", nil, 404, "fault 13"},
		{"GET /v1/faults/last", nil, 404, `fault \"last\"`},
		{"GET /v1/faults/12/recording", nil, 200, "frame"},
		{"GET /v1/faults/13/recording", nil, 404, "fault 13"},
		{"GET /v1/faults/12/recording", broken, 409, "the port is taken"},
		{"POST /v1/faults/12", nil, 405, "takes GET, HEAD, not POST"},
		{"GET /v1/nothing", nil, 404, `"error"`},
		{"GET /", nil, 404, `"error"`},
		{"GET /metrics", nil, 200, "weir_up 1"},
		{"GET /healthz", broken, 200, "ok\n"},
		{"GET /readyz", nil, 200, "ready\n"},
		{"GET /readyz", broken, 503, "listener web failed\n"},
	} {
		b := c.backend
		if b == nil {
			b = &fakeServer{state: PluginRunning}
		}
		method, target, _ := strings.Cut(c.request, " ")
		w := httptest.NewRecorder()
		NewHandler(b, exporter).ServeHTTP(w, httptest.NewRequest(method, target, nil))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.has) {
			t.Errorf("%s: %d %q; want %d with %q", c.request, w.Code, w.Body, c.status, c.has)
		}
		if strings.HasPrefix(target, "/v1/") && !strings.Contains(target, "announce") && !strings.HasSuffix(target, "recording") && !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %q is not JSON", c.request, w.Body)
		}
		if c.status == http.StatusMethodNotAllowed && w.Header().Get("Allow") == "" {
			t.Errorf("%s: no Allow", c.request)
		}
	}
}

func TestMonitorServesNothingElse(t *testing.T) {
	h := NewMonitor(&fakeServer{}, http.NotFoundHandler())
	for target, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/v1/status": 404, "/v1/plugins/wmsp/disable": 404} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		if w.Code != want {
			t.Errorf("%s: %d; want %d", target, w.Code, want)
		}
	}
}

// TestStatusKeepsItsWords fails when a word of the API changes, which breaks scripts (interface: "rename only with a reason").
func TestStatusKeepsItsWords(t *testing.T) {
	fault := &Fault{At: began, Kind: "trap", Session: 1, Peer: "p", During: "DATA", Text: "t", Stack: "s", Log: "l"}
	b, err := json.Marshal(Status{Listeners: []Listener{{}}, Plugins: []Plugin{{Blame: Blame{LastFault: fault}}}, Points: []Point{{SourceSince: began, Renditions: []Rendition{{}}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range strings.Fields(`version started config listeners plugins points limits deliver name addresses state accepted requests outcomes sessions
		calls events slow_calls refused faults busy_seconds last_fault at kind session peer during text stack log source_since sources viewers renditions
		header_bytes generation oldest_sequence next_sequence held_bytes held_seconds cpus open_files max_open_files memory_bytes bytes sends dropped_packets left`) {
		if !strings.Contains(string(b), `"`+word+`":`) {
			t.Errorf("status has no %q: %s", word, b)
		}
	}
}

func TestMeasure(t *testing.T) {
	if l := Measure(); l.CPUs < 1 || l.MemoryBytes == 0 {
		t.Errorf("Measure() = %+v", l)
	}
}
