//go:build linux

package load_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

// TestReload: plugin wmsp is replaced again and again while viewers that it attached watch.
func TestReload(t *testing.T) {
	viewers, reloads := scale(100, 200), scale(100, 10_000)
	const lead = 11 * time.Second
	s := serve(t, "live: {source: push, buffer: 10s, grace: 0s}")
	at := s.Addr("web")
	f := asfFilm(t, 0, lead+scale(slack+patience, time.Hour), scale(megabit, 200_000)) // a long film must fit into memory
	e := push(t, at, "live", f, true, lead)
	ready(t, s, "live", "mmsh", uint64(lead/f.step)-1)
	mmsh, plain := f.overMMSH("live"), f.overHTTP("live")
	a := newAudience(t)
	seats := sit(viewers, habit{}, mmsh, mmsh, mmsh, plain)
	a.join(at, seats)
	a.wait("watch", seats, func(s *seat) bool { return s.first >= 0 })

	names := []string{"Cougar/9.6.7600.16385", "Cougar/9.5.1"}
	builds := [][]byte{variant(t, "reply.go", names[0], names[0]), variant(t, "reply.go", names[0], names[1])}
	var before level
	for i := 1; i <= reloads; i++ {
		if i == 6 { // both variants are compiled and have run
			before = measure(t)
		}
		generation := s.Plugin("wmsp").Generation
		s.Replace("wmsp", builds[i%2])
		if err := s.Reload("wmsp"); err != nil {
			t.Fatalf("reload %d: %v", i, err)
		}
		if now := s.Plugin("wmsp").Generation; now <= generation {
			t.Fatalf("generation %d after %d", now, generation)
		}
		if head := describe(t, at, "live"); !strings.Contains(head, "\r\nServer: "+names[i%2]+"\r\n") {
			t.Fatalf("after reload %d the old code answers: %q", i, head)
		}
		a.wait("are attached", seats, func(s *seat) bool { return !s.closed })
		if i == 100 || i == 1000 || i == 10_000 {
			t.Logf("%d reloads: %s", i, measure(t).since(before))
		}
	}
	settled(t, before)
	innocent(t, s)
	refuseBroken(t, s.Replace, s.Reload, builds[0])
	if head := describe(t, at, "live"); !strings.Contains(head, "\r\nServer: "+names[reloads%2]+"\r\n") {
		t.Errorf("after a refused reload: %q", head)
	}

	late := sit(10, habit{}, mmsh) // they have what the last generation packs
	a.join(at, late)
	a.wait("watch", late, func(s *seat) bool { return s.first >= 0 })
	a.watched(late, int(e.sent.Load()))
	end := e.finish()
	a.ended(append(seats, late...), map[*form]int{mmsh: end, plain: end})
	if p := s.Plugin("wmsp"); p.State != "running" {
		t.Errorf("plugin wmsp is %s: %s", p.State, p.Reason)
	}
}

// refuseBroken tries modules that are none. The reason has to say what is wrong.
func refuseBroken(t *testing.T, replace func(string, []byte), reload func(string) error, whole []byte) {
	t.Helper()
	for _, c := range []struct {
		what, reason string
		module       []byte
	}{
		{"cut short", "", whole[:len(whole)/2]},
		{"empty", "", nil},
		{"no module", "", []byte("GIF89a, not WebAssembly")},
		{"without a manifest", "manifest", []byte("\x00asm\x01\x00\x00\x00")},
		{"with another plugin's manifest", "", wasm.WithManifest([]byte("\x00asm\x01\x00\x00\x00"), []byte("name: wmsp\nversion: 0.1.0\nabi: \"1.0\"\nsummary: none\nroles: [control]\n"))},
		{"that panics when it starts", "start during OPEN", variant(t, "wmsp.go", "p.fastStart = ", "panic(\"on purpose\"); p.fastStart = ")},
		{"with a manifest that is none", "manifest", wasm.WithManifest(whole, []byte("name: [wmsp"))},
	} {
		replace("wmsp", c.module)
		err := reload("wmsp")
		if err == nil {
			t.Errorf("a module %s was taken", c.what)
			continue
		}
		if !strings.Contains(err.Error(), c.reason) || strings.Contains(err.Error(), "\n") {
			t.Errorf("a module %s: the reason is %q", c.what, err)
		}
		t.Logf("%s: %v", c.what, err)
	}
}

// variant builds wmsp with something changed in one source file, of which a copy lies elsewhere.
func variant(t *testing.T, file, was, now string) []byte {
	t.Helper()
	return variantOf(t, "../../../plugins/wmsp", file, was, now)
}

// variantOf builds the plugin of a folder with something changed in one source file or in its manifest.
func variantOf(t *testing.T, dir, file string, pairs ...string) []byte {
	t.Helper()
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, file)
	source, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(filepath.Join(dir, "plugin.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		was, now := []byte(pairs[i]), []byte(pairs[i+1])
		if !bytes.Contains(source, was) && !bytes.Contains(manifest, was) {
			t.Fatalf("neither %s nor its manifest names %s", name, was)
		}
		source, manifest = bytes.ReplaceAll(source, was, now), bytes.ReplaceAll(manifest, was, now)
	}
	elsewhere := t.TempDir()
	copied, overlay, out := filepath.Join(elsewhere, file), filepath.Join(elsewhere, "overlay.json"), filepath.Join(elsewhere, "plugin.wasm")
	text, _ := json.Marshal(map[string]any{"Replace": map[string]string{name: copied}})
	write(t, copied, source)
	write(t, overlay, text)
	cmd := exec.Command("go", "build", "-overlay", overlay, "-buildmode=c-shared", "-ldflags=-w", "-o", out, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	said, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v\n%s", err, said)
	}
	code, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return wasm.WithManifest(code, manifest)
}

// describe asks for a point's header as a Windows Media player does, and gives the head of the answer.
func describe(t *testing.T, at, point string) string {
	t.Helper()
	answer, err := exchange(at, get("/"+point, "NSPlayer/4.1.0.3856")+"Connection: Close\r\n\r\n")
	head, _, ok := strings.Cut(answer, "\r\n\r\n")
	if err != nil || !ok {
		t.Fatalf("describe: %q, %v", answer, err)
	}
	return head + "\r\n"
}

// exchange sends a text and reads what comes until the server closes.
func exchange(at, text string) (answer string, err error) {
	conn, err := net.Dial("tcp", at)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err = io.WriteString(conn, text); err != nil {
		return "", fmt.Errorf("write: %w", err)
	}
	b, err := io.ReadAll(conn)
	return string(b), err
}
