//go:build weirnative

package linked_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/weir-media/weir/host/bench/native/inproc"
	"github.com/weir-media/weir/host/bench/native/linked"
	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/conform"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
	"github.com/weir-media/weir/sdk/sdktest"
)

const folder = "../../../../plugins"

// TestAnswers has each plugin's conversations without a sandbox and in one: the scripts hold, and the answers are the same bytes. Package native runs
// it, with its files laid over the tree.
func TestAnswers(t *testing.T) {
	manifests, err := filepath.Glob(filepath.Join(folder, "*", "plugin.yaml"))
	if err != nil || len(manifests) < 8 {
		t.Fatalf("%d plugins (%v)", len(manifests), err)
	}
	for _, path := range manifests {
		dir := filepath.Dir(path)
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			fresh := linked.Plugin(name)
			if fresh == nil {
				t.Fatal("not linked in")
			}
			limits := plugin.Limits{Event: conform.Limit, Packets: conform.Limit, Open: conform.Limit}
			cache := filepath.Join(os.TempDir(), fmt.Sprintf("weir-test-%d", os.Getuid()), "modules")
			inWasm, err := wasm.Open(t.Context(), wasm.Options{Name: name, Module: hosttest.Build(t, dir), CacheDir: cache, Log: slog.New(slog.DiscardHandler), Limits: limits})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(inWasm.Close)
			here := inproc.Open(inproc.Options{Manifest: inWasm.Manifest(), New: fresh, Limits: limits, Log: slog.New(slog.DiscardHandler)})
			compare(t, filepath.Join(dir, "testdata", "*.script"), here, inWasm)
		})
	}
}

// compare runs scripts on an instance of each and compares the answers.
func compare(t *testing.T, glob string, here, inWasm plugin.Generation) {
	paths, err := filepath.Glob(glob)
	if err != nil || len(paths) < 2 {
		t.Fatalf("%d scripts at %s (%v)", len(paths), glob, err)
	}
	for _, path := range paths {
		var heard [2][]byte
		for i, g := range []plugin.Generation{here, inWasm} {
			a, err := conform.NewAged(g)
			if err != nil {
				t.Fatal(err)
			}
			if err = sdktest.CheckFile(path, &listener{to: a, heard: &heard[i]}); err != nil {
				t.Errorf("%s in %s: %v", path, g.Carrier(), err)
			}
			a.Close()
		}
		if len(heard[0]) == 0 || !bytes.Equal(heard[0], heard[1]) {
			t.Errorf("%s: %d bytes are answered here, %d in the sandbox, or others", path, len(heard[0]), len(heard[1]))
		}
	}
}

// listener is a Carrier that keeps all answers.
type listener struct {
	to    sdktest.Carrier
	heard *[]byte
}

func (l *listener) Call(frame []byte) ([]byte, error) {
	answer, err := l.to.Call(frame)
	*l.heard = append(*l.heard, answer...)
	return answer, err
}
