package native_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/bench/native"
	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/plugin/builtin"
)

// patience is how long a build or a stream may take on a busy machine. Chosen.
const patience = 5 * time.Minute

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// TestAnswers has plugins that are linked in answer as in a sandbox.
func TestAnswers(t *testing.T) {
	ctx := within(t)
	err := native.With(ctx, func(overlay, root string) error {
		cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-tags", "weirnative", "-overlay", overlay, "-run", "^TestAnswers$", "-v", "./host/bench/native/linked")
		cmd.Dir = root
		said, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w\n%s", err, said)
		}
		if n := bytes.Count(said, []byte("    --- PASS: TestAnswers/")); n < 8 {
			return fmt.Errorf("%d plugins were heard\n%s", n, said)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

const config = `
admin: {socket: "admin.sock"}
listeners: {web: {address: "127.0.0.1:%d"}}
points: {live: {source: push}}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["*"]}}
  mpegts: {module: "builtin:mpegts"}
  http: {module: "builtin:http", listeners: [web], grant: {attach: ["*"]}}
`

// TestServes builds the server and has curl watch what is pushed to it.
func TestServes(t *testing.T) {
	if _, err := builtin.Module("push"); errors.Is(err, builtin.ErrMissing) {
		missing(t, "the host has no built-in plugins: make plugins")
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		missing(t, "curl is not installed")
	}
	film, err := os.ReadFile("../../../sdk/mpegts/testdata/h264.ts")
	if err != nil {
		t.Fatal(err)
	}
	ctx, dir := within(t), t.TempDir()
	server := filepath.Join(dir, "weir")
	if err = native.Build(ctx, server); err != nil {
		t.Fatal(err)
	}
	at := serve(ctx, t, server, dir)
	encoder, upload := io.Pipe()
	push, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+at+"/live", encoder)
	if err != nil {
		t.Fatal(err)
	}
	pushed := make(chan error, 1)
	go func() {
		answer, failed := http.DefaultClient.Do(push)
		if failed == nil {
			failed = answer.Body.Close()
		}
		pushed <- failed
	}()
	if _, err = upload.Write(film); err != nil {
		t.Fatal(err)
	}
	// -f --retry: the point is there once its first packets are.
	watch := exec.CommandContext(ctx, curl, "-sSf", "--retry", "100", "--retry-delay", "1", "--retry-all-errors", "http://"+at+"/live.ts")
	out, err := watch.StdoutPipe()
	if err != nil || watch.Start() != nil {
		t.Fatal(err, "curl does not start")
	}
	got := make([]byte, 20*188)
	if _, err = io.ReadFull(out, got); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(got); i += 188 {
		if got[i] != 0x47 { // ISO/IEC 13818-1, 2.4.3.3: sync_byte
			t.Fatalf("packet %d begins with %#x", i/188, got[i])
		}
	}
	judge(ctx, t, server, dir)
	if err = errors.Join(upload.Close(), <-pushed); err != nil {
		t.Error(err)
	}
	_ = watch.Process.Kill()
	_ = watch.Wait()
}

// judge asks the server what runs its plugins.
func judge(ctx context.Context, t *testing.T, server, dir string) {
	t.Helper()
	said, err := exec.CommandContext(ctx, server, "status", "--json", "--admin", "unix:"+filepath.Join(dir, "admin.sock")).Output()
	if err != nil {
		t.Fatal(err)
	}
	var st admin.Status
	if err = json.Unmarshal(said, &st); err != nil {
		t.Fatal(err)
	}
	for _, p := range st.Plugins {
		if p.Carrier != "native" || p.State != admin.PluginRunning || p.Faults != 0 || p.Calls == 0 {
			t.Errorf("%+v", p)
		}
	}
	if len(st.Plugins) != 3 || st.Points[0].Delivery.Bytes == 0 {
		t.Errorf("%d plugins, %+v", len(st.Plugins), st.Points)
	}
}

// serve starts the server and gives its address once it is ready.
func serve(ctx context.Context, t *testing.T, server, dir string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	file := filepath.Join(dir, "plugins.yaml")
	if err = os.WriteFile(file, fmt.Appendf(nil, config, port), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, server, "serve", "-c", file)
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		t.Fatal(err, "the server does not start")
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "ready") {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return fmt.Sprintf("127.0.0.1:%d", port)
		}
	}
	t.Fatal("the server is not ready")
	return ""
}

// missing skips the test; in CI it fails it.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" && os.Getuid() == 0 {
		t.Fatal(what)
	}
	t.Skip(what)
}
