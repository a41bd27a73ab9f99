package host_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/plugin/record"
)

// TestFaultIsShown: a fault in production is told of in the status, the metrics, the log
// and the admin API, with the guest's stack and log and the frame that it failed at; its
// network waits, and everybody else does not.
func TestFaultIsShown(t *testing.T) {
	const sin = "a sin on purpose"
	s := hosttest.Start(t, `
listeners: {web: {address: "127.0.0.1:0"}}
plugins: {panic: {module: "builtin:panic", listeners: [web]}}
`, hosttest.WithPlugin("panic", sinners+"/panic"))
	began := time.Now()
	if answer := get(t, s, "127.66.0.1", "/panic?sin"); answer.StatusCode != 503 || answer.Header.Get("Retry-After") == "" {
		t.Errorf("the guilty gets %d %v", answer.StatusCode, answer.Header)
	}
	if answer := get(t, s, "127.66.0.2", "/panic"); time.Since(began) < time.Second && answer.StatusCode != 503 {
		t.Errorf("its neighbour gets %d", answer.StatusCode)
	}
	if answer := get(t, s, "127.0.0.1", "/panic"); answer.StatusCode != 200 {
		t.Errorf("an innocent gets %d", answer.StatusCode)
	}
	var all []admin.Fault
	if err := json.Unmarshal([]byte(ask(t, s, "/v1/faults?plugin=panic")), &all); err != nil || len(all) != 1 {
		t.Fatalf("%+v %v", all, err)
	}
	f := all[0]
	if f.Plugin != "panic" || f.Kind != "trap" || f.During != "HTTP_REQUEST" || f.Session == 0 ||
		!strings.HasPrefix(f.Peer, "127.66.0.1:") || f.Network != "127.66.0.0/24" ||
		f.Version != "0.1.0" || f.Stack == "" || !strings.Contains(f.Log, sin) || f.FrameBytes == 0 || f.Frame != nil {
		t.Errorf("%+v", f)
	}
	if x := ask(t, s, "/v1/faults?plugin=nix"); !strings.Contains(x, "not found") {
		t.Errorf("an unknown plugin: %q", x)
	}
	var full admin.Fault
	if err := json.Unmarshal([]byte(ask(t, s, fmt.Sprint("/v1/faults/", f.ID))), &full); err != nil ||
		len(full.Frame) != f.FrameBytes || !bytes.Contains(full.Frame, []byte("sin")) || full.Config == nil {
		t.Errorf("%+v %v", full, err)
	}
	recorded(t, ask(t, s, fmt.Sprintf("/v1/faults/%d/recording", f.ID)), full.Frame)
	if p := s.Plugin("panic"); p.Faults != 1 || p.LastFault == nil || p.LastFault.ID != f.ID || p.State != "running" {
		t.Errorf("status: %+v", p)
	}
	for _, want := range []string{`weir_plugin_faults_total{kind="trap",plugin="panic"} 1`, `weir_plugin_quarantines_total{plugin="panic"} 0`,
		`weir_plugin_throttled_networks{plugin="panic"}`} {
		if !strings.Contains(ask(t, s, "/metrics"), want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if !strings.Contains(s.Log(), `msg="plugin fault" plugin=panic kind=trap`) || !strings.Contains(s.Log(), `throttled="127.66.0.0/24 for 1s"`) {
		t.Error("the log does not tell of it")
	}
}

// recorded wants a recording of OPEN and of the frame that failed.
func recorded(t *testing.T, file string, frame []byte) {
	t.Helper()
	r, err := record.NewReader(strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	calls, failed := 0, false
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind == record.Call {
			calls++
		}
		failed = failed || e.Kind == record.Faulted && bytes.Equal(e.In, frame) && e.Sin.Kind == "trap"
	}
	if calls != 1 || !failed || r.Header().Plugin != "panic" {
		t.Errorf("%d calls, the fault %v, %+v", calls, failed, r.Header())
	}
}

// TestRefusalsAreDeclared: each plugin that answers requests says in which words they are
// refused while it cannot.
func TestRefusalsAreDeclared(t *testing.T) {
	paths, err := filepath.Glob("../plugins/*/plugin.yaml")
	if err != nil || len(paths) < 8 {
		t.Fatalf("%d plugins (%v)", len(paths), err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m, err := manifest.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if isAsked := len(m.Listens.HTTP)+len(m.Documents) > 0; isAsked && (m.Refusal.Body == "" || m.Refusal.Type == "" ||
			m.Refusal.RetryAfter == 0 || m.Refusal.Status != 503) {
			t.Errorf("%s: %+v", path, m.Refusal)
		}
	}
}

// get asks from a loopback address.
func get(t *testing.T, s *hosttest.Server, address, path string) *http.Response {
	t.Helper()
	answer, err := from(address).Get(s.URL("web", "http", path))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer
}
