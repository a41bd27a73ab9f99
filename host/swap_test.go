package host_test

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

// rebuilt gives plugins/wmsp with another name of its server in the code, and other
// words in its manifest.
func rebuilt(t *testing.T, server string, manifest ...string) []byte {
	t.Helper()
	return changedBuild(t, "reply.go", `serverName = "Cougar/9.6.7600.16385"`, `serverName = "`+server+`"`, manifest...)
}

// changedBuild gives plugins/wmsp with other words in one of its files, and in its
// manifest.
func changedBuild(t *testing.T, file, old, now string, manifest ...string) []byte {
	t.Helper()
	dir, err := filepath.Abs("../plugins/wmsp")
	if err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(dir, file)
	text, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(old)) {
		t.Fatalf("%s has no %s", source, old)
	}
	temporary := t.TempDir()
	changed := filepath.Join(temporary, file)
	overlay, _ := json.Marshal(map[string]any{"Replace": map[string]string{source: changed}})
	write(t, changed, bytes.Replace(text, []byte(old), []byte(now), 1))
	write(t, filepath.Join(temporary, "overlay.json"), overlay)
	out := filepath.Join(temporary, "wmsp.wasm")
	build := exec.Command("go", "build", "-overlay", filepath.Join(temporary, "overlay.json"), "-buildmode=c-shared", "-ldflags=-w", "-o", out, ".")
	build.Dir, build.Env = dir, append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	if answer, failed := build.CombinedOutput(); failed != nil {
		t.Fatalf("%v\n%s", failed, answer)
	}
	module, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	yaml, err := os.ReadFile(filepath.Join(dir, "plugin.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return wasm.WithManifest(module, []byte(strings.NewReplacer(manifest...).Replace(string(yaml))))
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestReloadUnderViewers: a module is swapped under 20 viewers, who lose no byte; the
// next ones meet the new code. Modules that cannot run are refused with the reason, and
// what runs runs on.
func TestReloadUnderViewers(t *testing.T) {
	s := hosttest.Start(t, broadcastYAML)
	const viewers = 20
	b := air(t, s, viewers)
	first := s.Plugin("wmsp")
	good := rebuilt(t, "Tacoma/1", "version: 0.1.0", "version: 0.2.0")

	s.Replace("wmsp", good)
	if err := s.Reload("wmsp"); err != nil {
		t.Fatal(err)
	}
	second := s.Plugin("wmsp")
	if second.Generation <= first.Generation || second.Version != "0.2.0" || second.Hash == first.Hash || second.Sessions != first.Sessions {
		t.Errorf("before %+v, after %+v", first, second)
	}
	b.attach(5)
	for i, v := range b.viewers {
		if isNew := bytes.Contains(v.head, []byte("Tacoma/1")); isNew != (i >= viewers) {
			t.Errorf("viewer %d: new code %v: %s", i, isNew, v.head)
		}
	}

	for name, c := range map[string]struct {
		module []byte
		reason string
	}{
		"cut short":    {good[:len(good)/2], "wmsp"},
		"no module":    {[]byte("#!/bin/sh\n"), "wmsp"},
		"no manifest":  {wasm.WithManifest(good, []byte("name: [")), "manifest"},
		"never starts": {slow(t), "ran longer than"},
	} {
		s.Replace("wmsp", c.module)
		err := s.Reload("wmsp")
		if err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %v; want %q in it", name, err, c.reason)
		}
		t.Logf("%s: %.300v", name, err)
		if p := s.Plugin("wmsp"); p.State != "running" || p.Generation != second.Generation || p.Hash != second.Hash || p.Version != "0.2.0" {
			t.Errorf("%s: what runs now: %+v", name, p)
		}
	}
	b.attach(1)
	if v := b.viewers[len(b.viewers)-1]; !bytes.Contains(v.head, []byte("Tacoma/1")) {
		t.Errorf("after the refusals a viewer met %s", v.head)
	}
	b.whole()
}

// slow is the testplugin slowinit in the clothes of wmsp.
func slow(t *testing.T) []byte {
	t.Helper()
	yaml, err := os.ReadFile("../plugins/wmsp/plugin.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return wasm.WithManifest(hosttest.Build(t, sinners+"/slowinit"), yaml)
}

// TestPortTaken: a listener whose port another program holds is failed, with the number
// of the original system and the address; the rest runs; enable tries again.
func TestPortTaken(t *testing.T) {
	holder, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	address := holder.Addr().String()
	s := hosttest.Start(t, strings.ReplaceAll(`
listeners:
  web: {address: "ADDRESS", steer: off}
  alt: {address: "127.0.0.1:0"}
points:
  live: {source: push}
plugins:
  http: {module: "builtin:http", listeners: [web], grant: {attach: ["*"]}}
  wmsp: {module: "builtin:wmsp", listeners: [alt], grant: {attach: ["*"]}}
`, "ADDRESS", address))
	failed := func() (found bool) {
		for _, l := range s.Status().Listeners {
			if l.Name != "web" {
				continue
			}
			if l.State == "failed" && (l.Code != "0xC00D158B" || !strings.Contains(l.Reason, address) || l.Remedy == "") {
				t.Errorf("%+v", l)
			}
			return l.State == "failed"
		}
		return false
	}
	if !failed() {
		t.Fatalf("%+v", s.Status().Listeners)
	}
	p := s.Plugin("http")
	if p.State != "failed" || p.Code != "0xC00D158B" || !strings.Contains(p.Reason, address) {
		t.Errorf("http: %s, %s", p.State, p.Reason)
	}
	if p := s.Plugin("wmsp"); p.State != "running" {
		t.Errorf("wmsp: %s, %s", p.State, p.Reason)
	}
	if status, text := fetch(t, s.URL("alt", "http", "/nothing")); status != 404 {
		t.Errorf("the other listener: %d %q", status, text)
	}
	if err := s.Enable("http"); err == nil || !strings.Contains(err.Error(), address) || !failed() {
		t.Errorf("enabled while the port is held: %v", err)
	}
	holder.Close()
	if err := s.Enable("http"); err != nil {
		t.Fatal(err)
	}
	if p := s.Plugin("http"); p.State != "running" || failed() {
		t.Errorf("after enable: %s, %s", p.State, p.Reason)
	}
	if status, _ := fetch(t, "http://"+address+"/live"); status != 404 && status != 503 {
		t.Errorf("the new listener: %d", status)
	}
}
