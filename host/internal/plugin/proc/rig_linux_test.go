package proc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/proc/build"
)

// TestMain builds the plugin of testdata once, in a folder that other accounts can reach.
func TestMain(m *testing.M) {
	if path := os.Getenv(parentMark); path != "" {
		beParent(path)
	}
	folder, err := os.MkdirTemp("", "weir-proc-test-")
	if err != nil {
		panic(err)
	}
	if err := os.Chmod(folder, 0o711); err != nil {
		panic(err)
	}
	builtIn = folder
	status := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(status)
}

var builtIn string

// sinner is testdata/sinner, a plugin that does what its input says.
var sinner = sync.OnceValues(func() (string, error) {
	const dir = "testdata/sinner"
	manifest, err := os.ReadFile(filepath.Join(dir, "plugin.yaml"))
	if err != nil {
		return "", err
	}
	out := filepath.Join(builtIn, "sinner")
	said, err := build.Go(context.Background(), dir, string(manifest), out)
	if err != nil {
		_, _ = os.Stderr.WriteString(said)
	}
	return out, err
})

// peer is testdata/peer, a program that means ill in the way that the name of its file says.
var peer = sync.OnceValues(func() (string, error) {
	out := filepath.Join(builtIn, "peer")
	cmd := exec.Command("go", "build", "-o", out, "./testdata/peer")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	said, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return out, err
})

// hostile are the options of a peer of that mode.
func hostile(t *testing.T, mode string) (Options, *journal) {
	t.Helper()
	path, err := peer()
	if err != nil {
		t.Fatal(err)
	}
	o, j := options(t)
	o.Path = filepath.Join(builtIn, mode)
	if err := os.Symlink(path, o.Path); err != nil && !errors.Is(err, os.ErrExist) {
		t.Fatal(err)
	}
	return o, j
}

// nobody is the account of plugins in tests.
func nobody() string {
	if os.Geteuid() == 0 {
		return "nobody"
	}
	return ""
}

// journal is where a generation logs.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func options(t testing.TB) (Options, *journal) {
	t.Helper()
	path, err := sinner()
	if err != nil {
		t.Fatal(err)
	}
	j := &journal{}
	return Options{Name: "sinner", Path: path, User: nobody(), Limits: plugin.Limits{Open: 20 * time.Second, Event: 5 * time.Second}, Log: slog.New(slog.NewTextHandler(j, nil))}, j
}

func opened(t testing.TB, o Options) *generation {
	t.Helper()
	g, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g.(*generation)
}

func instanceOf(t testing.TB, g plugin.Generation) *instance {
	t.Helper()
	i, fault := g.New()
	if fault != nil {
		t.Fatalf("%+v", fault)
	}
	t.Cleanup(i.Close)
	return i.(*instance)
}

// request is a frame of one DATA event of session 1 whose bytes are the text.
func request(text string) []byte {
	return frameOf(1, &abi.Data{Bytes: []byte(text)})
}

// opening is a frame of OPEN.
func opening(config string) []byte { return frameOf(0, &abi.Open{Config: []byte(config)}) }

func frameOf(session uint64, e abi.Record) []byte {
	var w abi.Writer
	w.Reset(make([]byte, 64<<10))
	if err := w.Put(session, 0, e); err != nil {
		panic(err)
	}
	return w.Bytes()
}
