package host_test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

// expectation is a testplugin's expect.yaml: what its sin comes to.
type expectation struct {
	Kinds    []string      `yaml:"kinds"`   // of fault, one of them; empty: none
	Load     string        `yaml:"load"`    // why it cannot be loaded; it is never asked then
	Within   time.Duration `yaml:"within"`  // until the guilty request is answered
	During   string        `yaml:"during"`  // the event
	Status   int           `yaml:"status"`  // that the guilty request is answered with
	Text     string        `yaml:"text"`    // in the fault's line
	Log      string        `yaml:"log"`     // in the fault's log
	Refused  uint64        `yaml:"refused"` // batches
	Event    time.Duration `yaml:"event"`   // limit that the operator grants; 0: the plugin's own
	LogLines struct {
		Of     string `yaml:"of"`
		AtMost int    `yaml:"at_most"`
	} `yaml:"log_lines"`
}

const sinners = "../testplugins"

// readExpectations gives each testplugin that has one its expect.yaml.
func readExpectations(t *testing.T) map[string]expectation {
	t.Helper()
	paths, err := filepath.Glob(sinners + "/*/expect.yaml")
	if err != nil || len(paths) < 15 {
		t.Fatalf("%d expect.yaml (%v)", len(paths), err)
	}
	all := map[string]expectation{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var e expectation
		d := yaml.NewDecoder(bytes.NewReader(text))
		d.KnownFields(true)
		if err := d.Decode(&e); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[filepath.Base(filepath.Dir(path))] = e
	}
	return all
}

// startSinners starts a server with a bystander's plugins and all testplugins.
func startSinners(t *testing.T, all map[string]expectation) *hosttest.Server {
	t.Helper()
	config := broadcastYAML
	var opts []hosttest.Option
	for name, e := range all {
		limits := ""
		if e.Event > 0 {
			limits = fmt.Sprintf(", limits: {event: %v}", e.Event)
		}
		config += fmt.Sprintf("  %s: {module: \"builtin:%s\", listeners: [web], grant: {attach: [\"*\"]}%s}\n", name, name, limits)
		opts = append(opts, hosttest.WithPlugin(name, filepath.Join(sinners, name)))
	}
	compile(t, all)
	return hosttest.Start(t, config, opts...)
}

// compile fills the cache of compiled modules on all cores; the server would do it on
// one.
func compile(t *testing.T, all map[string]expectation) {
	t.Helper()
	var modules sync.WaitGroup
	for name := range all {
		module := hosttest.Build(t, filepath.Join(sinners, name))
		modules.Go(func() {
			if g, err := wasm.Open(t.Context(), wasm.Options{Module: module, CacheDir: moduleCache}); err == nil {
				g.Close()
			}
		})
	}
	modules.Wait()
}

// TestSins: each testplugin's sin is its own fault, of the right kind and in time;
// status explains it; other sessions of the same plugin are answered; and a broadcast
// beside it loses no byte.
func TestSins(t *testing.T) {
	all := readExpectations(t)
	s := startSinners(t, all)
	const viewers = 20
	b := air(t, s, viewers)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		want := all[name]
		t.Run(name, func(t *testing.T) {
			if want.Load != "" {
				notLoaded(t, s, name, want)
			} else {
				sins(t, s, name, want)
			}
		})
	}
	for _, name := range []string{"push", "asf", "wmsp"} {
		if p := s.Plugin(name); p.Faults != 0 || p.Refused != 0 {
			t.Errorf("%s: %d faults, %d refusals: %+v", name, p.Faults, p.Refused, p.LastFault)
		}
	}
	b.whole()
}

func notLoaded(t *testing.T, s *hosttest.Server, name string, want expectation) {
	p := s.Plugin(name)
	if p.State != "failed" || !strings.Contains(p.Reason, want.Load) {
		t.Errorf("state %s, reason %q; want %q in it", p.State, p.Reason, want.Load)
	}
	if len(want.Kinds) > 0 && (p.LastFault == nil || !slices.Contains(want.Kinds, p.LastFault.Kind) || p.LastFault.During != want.During) {
		t.Errorf("last fault %+v", p.LastFault)
	}
	if status, text := fetch(t, s.URL("web", "http", "/"+name)); status != want.Status {
		t.Errorf("%d %.200q", status, text)
	}
}

func sins(t *testing.T, s *hosttest.Server, name string, want expectation) {
	const innocents = 10
	url := s.URL("web", "http", "/"+name)
	before := s.Plugin(name)
	if before.State != "running" {
		t.Fatalf("%s: %s", before.State, before.Reason)
	}
	var all sync.WaitGroup
	for i := range innocents {
		if i == innocents/2 {
			all.Go(func() {
				began := time.Now()
				if status, text := fetch(t, url+"?sin"); status != want.Status {
					t.Errorf("the guilty request: %d %.200q, want %d", status, text, want.Status)
				}
				if took := time.Since(began); took > want.Within {
					t.Errorf("the sin took %v, want at most %v", took, want.Within)
				}
			})
		}
		all.Go(func() {
			if status, text := fetch(t, url); status != 200 || text != "innocent\n" && text != "" {
				t.Errorf("an innocent request: %d %.200q", status, text)
			}
		})
	}
	all.Wait()
	s.Wait("the end of all sessions of "+name, func() bool { return s.Plugin(name).Sessions == 0 })
	explained(t, s.Plugin(name), want)
	if n := strings.Count(s.Log(), want.LogLines.Of); want.LogLines.Of != "" && n > want.LogLines.AtMost {
		t.Errorf("%d lines %q in the log", n, want.LogLines.Of)
	}
	if status, _ := fetch(t, url); status != 200 {
		t.Errorf("after the sin: %d", status)
	}
}

// explained judges what status says of the sin.
func explained(t *testing.T, p hosttest.PluginStatus, want expectation) {
	t.Helper()
	if p.State != "running" || p.Refused != want.Refused {
		t.Errorf("state %s %q, %d batches refused; want %d", p.State, p.Reason, p.Refused, want.Refused)
	}
	f := p.LastFault
	if len(want.Kinds) == 0 {
		if p.Faults != 0 || f != nil {
			t.Errorf("%d faults: %+v", p.Faults, f)
		}
		return
	}
	if p.Faults != 1 || f == nil {
		t.Fatalf("%d faults, last %+v", p.Faults, f)
	}
	if !slices.Contains(want.Kinds, f.Kind) || f.During != want.During || f.Session == 0 || f.Peer == "" || f.At.IsZero() {
		t.Errorf("%+v; want a fault of kind %q during %s", f, want.Kinds, want.During)
	}
	if !strings.Contains(f.Text, want.Text) || !strings.Contains(f.Log, want.Log) {
		t.Errorf("text %q, log %q; want %q and %q in them", f.Text, f.Log, want.Text, want.Log)
	}
	t.Logf("%s", f.Text)
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}

// fetch may be called by any goroutine.
func fetch(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := client.Get(url)
	if err != nil {
		t.Errorf("get %s: %v", url, err)
		return 0, ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("get %s: %v", url, err)
	}
	return resp.StatusCode, string(b)
}
