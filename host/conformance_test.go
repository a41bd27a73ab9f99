package host_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/plugin/conform"
	"github.com/weir-media/weir/sdk/sdktest"
)

// freshInWasm is how many fresh instances see each event there. The plugins' own tests
// have eight; one takes some 5 ms here, where a map's order differs from instance to
// instance too.
const freshInWasm = 2

// conforming lists the folders of plugins that must behave alike in each carrier: all
// of the distribution, and testplugins with scripts.
func conforming(t *testing.T) []string {
	t.Helper()
	first, err := filepath.Glob("../plugins/*/plugin.yaml")
	others, err2 := filepath.Glob("../testplugins/*/testdata")
	if err = errors.Join(err, err2); err != nil || len(first) < 8 || len(others) < 2 {
		t.Fatalf("%d plugins and %d testplugins with scripts (%v)", len(first), len(others), err)
	}
	var dirs []string
	for _, path := range append(first, others...) {
		dirs = append(dirs, filepath.Dir(path))
	}
	return dirs
}

func scriptsIn(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "testdata", "*.script"))
	if err != nil || len(paths) < 2 {
		t.Fatalf("%s: %d scripts (%v); a plugin has two at least", dir, len(paths), err)
	}
	return paths
}

// TestConformance has each plugin's conversations in each carrier: the scripts hold
// everywhere, the answers are the same bytes, and none depends on what an instance
// remembers (spec.md 8.7).
func TestConformance(t *testing.T) {
	for _, dir := range conforming(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			t.Parallel()
			paths := scriptsIn(t, dir)
			isTestedNatively(t, dir)
			inWasm := amnesia(t, openWasm(t, dir), paths, freshInWasm)
			inProc := amnesia(t, openProc(t, dir), paths, 1)
			for i, path := range paths {
				if err := inWasm[i].differs(inProc[i]); err != nil {
					t.Errorf("%s: wasm and proc: %v", path, err)
				}
			}
		})
	}
}

// amnesia runs the scripts with all events on one old instance and on fresh ones, and
// gives what was said.
func amnesia(t *testing.T, g plugin.Generation, paths []string, fresh int) []*talk {
	t.Helper()
	old, err := conform.NewAmnesia(g, fresh)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	var talks []*talk
	for _, path := range paths {
		k := &talk{to: old}
		if err := sdktest.CheckFile(path, k); err != nil {
			t.Errorf("%s in %s: %v", path, g.Carrier(), err)
		}
		talks = append(talks, k)
	}
	return talks
}

// talk is a Carrier that keeps what goes through it.
type talk struct {
	to            sdktest.Carrier
	told, answers [][]byte
}

func (k *talk) Call(frame []byte) ([]byte, error) {
	answer, err := k.to.Call(frame)
	k.told, k.answers = append(k.told, bytes.Clone(frame)), append(k.answers, bytes.Clone(answer))
	return answer, err
}

func (k *talk) differs(other *talk) error {
	if len(k.told) != len(other.told) {
		return fmt.Errorf("%d events and %d", len(k.told), len(other.told))
	}
	for i := range k.told {
		if !bytes.Equal(k.told[i], other.told[i]) {
			return fmt.Errorf("call %d: the same script tells otherwise, since an earlier answer was another", i+1)
		}
		if !bytes.Equal(k.answers[i], other.answers[i]) {
			return fmt.Errorf("call %d: %w", i+1, conform.Difference(k.answers[i], other.answers[i]))
		}
	}
	return nil
}

var runsNatively = regexp.MustCompile(`sdktest\.Run\(t, newPlugin\(\), (scripts|"testdata/\*\.script")\)`)

var forgetsNatively = regexp.MustCompile(`sdktest\.Amnesia\(t, newPlugin, (scripts|"testdata/\*\.script")\)`)

// isTestedNatively: a program cannot import a plugin, so its own tests have the third
// run, of the same scripts, and eight fresh instances for each event.
func isTestedNatively(t *testing.T, dir string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	if !runsNatively.Match(all) || !forgetsNatively.Match(all) {
		t.Errorf("%s: its tests do not run its scripts by sdktest.Run and sdktest.Amnesia", dir)
	}
}
