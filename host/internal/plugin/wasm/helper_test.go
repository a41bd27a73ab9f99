package wasm

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
)

// guestModule builds the Go guest of testdata once a test run.
var guestModule = sync.OnceValues(func() ([]byte, error) {
	b, err := buildGo("./testdata/guest")
	return WithManifest(b, []byte(testManifest)), err
})

// buildGo builds a Go package as a reactor.
func buildGo(folder string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "weir-guest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "guest.wasm")
	build := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-w", "-o", out, folder)
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=")
	if text, failed := build.CombinedOutput(); failed != nil {
		return nil, errors.Join(failed, errors.New(string(text)))
	}
	return os.ReadFile(out)
}

// cacheFolder is shared by all tests, so that the Go guest is compiled once.
var cacheFolder string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "weir-cache-")
	if err != nil {
		panic(err)
	}
	cacheFolder = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func goGuest(t testing.TB) []byte {
	t.Helper()
	b, err := guestModule()
	if err != nil {
		t.Fatalf("build the Go guest: %v", err)
	}
	return b
}

func mustOpen(t testing.TB, o Options) plugin.Generation {
	t.Helper()
	if o.Name == "" {
		o.Name = "sinner"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	g, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

func mustNew(t testing.TB, g plugin.Generation) plugin.Instance {
	t.Helper()
	i, f := g.New()
	if f != nil {
		t.Fatalf("%+v", f)
	}
	t.Cleanup(i.Close)
	return i
}

// instanceOf opens a hand-made module and starts it.
func instanceOf(t testing.TB, m *testModule, l plugin.Limits) plugin.Instance {
	t.Helper()
	return mustNew(t, mustOpen(t, Options{Module: m.bytes(), Limits: l}))
}

// goInstance starts the Go guest.
func goInstance(t testing.TB, l plugin.Limits) plugin.Instance {
	t.Helper()
	return mustNew(t, mustOpen(t, Options{Module: goGuest(t), CacheDir: cacheFolder, Limits: l}))
}

var testHead = abi.Head{UnixNano: 1_700_000_000_123_456_789, MonoNano: 42_000_000_000, Entropy: [16]byte{1, 2, 3}}

// frameOf is a frame of one TIMER event whose body is head and then a command.
func frameOf(head abi.Head, command string) []byte {
	var body bytes.Buffer
	w := abi.Writer{}
	w.Reset(make([]byte, 1024))
	if err := w.Put(1, 0, &abi.Timer{Head: head}); err != nil {
		panic(err)
	}
	body.Write(w.Bytes()[24 : 24+36]) // the event's head as the codec writes it
	body.WriteString(command)
	w.Reset(make([]byte, 128+len(command)))
	if err := w.PutRaw(abi.Raw{Op: abi.OpTimer, Session: 1, Body: body.Bytes()}); err != nil {
		panic(err)
	}
	return w.Bytes()
}

// ask sends the Go guest a command and wants an answer.
func ask(t testing.TB, i plugin.Instance, command string) string {
	t.Helper()
	answer, f := i.Call(0, frameOf(testHead, command))
	if f != nil {
		t.Fatalf("%s: %+v", command, f)
	}
	return string(answer)
}

// sin sends a frame and wants a fault of that kind, after which the instance is dead.
func sin(t testing.TB, i plugin.Instance, frame []byte, want plugin.Kind) *plugin.Fault {
	t.Helper()
	answer, f := i.Call(0, frame)
	if f == nil {
		t.Fatalf("no fault, answer %q; want %v", answer, want)
	}
	if f.Kind != want || !f.Fatal() || answer != nil {
		t.Fatalf("answer %q, fatal %v, fault %+v; want %v", answer, f.Fatal(), f, want)
	}
	if _, again := i.Call(0, frame); again == nil || !errors.Is(again, errDead) {
		t.Fatalf("a lost instance was called again: %v", again)
	}
	return f
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// lines is a log that tests read.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
