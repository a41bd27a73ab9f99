package host_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

// TestRefusedChangeIsShown: status tells of a change that nobody waits for and that was
// refused, until the next one is put in force or what ran is put back, and the faults of a
// build that was never in force can be seen.
func TestRefusedChangeIsShown(t *testing.T) {
	t.Parallel()
	clock := newStillness()
	yaml := fmt.Sprintf(watchedYAML, "10s")
	good := helloModule(t, "0.1.0")
	text, err := wasm.ReadManifest(good)
	if err != nil {
		t.Fatal(err)
	}
	barren := wasm.WithManifest(hosttest.Build(t, "../testplugins/slowinit"), text)
	s := hosttest.Start(t, yaml, hosttest.WithFile("hello.wasm", good), hosttest.WithFile("barren.wasm", barren), hosttest.WithTimer(clock.after))
	file, module := filepath.Join(s.Dir(), "plugins.yaml"), filepath.Join(s.Dir(), "hello.wasm")
	shows := func(want string) {
		t.Helper()
		hosttest.Eventually(t, "the note: "+want, func() bool {
			notes := s.Status().Notes
			return len(notes) == 0 && want == "" || len(notes) == 1 && want != "" && strings.Contains(notes[0].Text, want)
		})
	}
	shows("")
	s.Wait("the files to be watched", func() bool { return strings.Contains(s.Log(), "files are watched") })
	clock.change(t, func() { swapIn(t, module, barren) })
	shows("the new build of hello refused since ")
	clock.change(t, func() { swapIn(t, module, good) })
	shows("")
	clock.change(t, func() { swapIn(t, file, []byte(yaml+"bogus: 1\n")) })
	shows("plugins.yaml refused since ")
	clock.change(t, func() { swapIn(t, file, []byte(yaml)) })
	shows("")
	clock.change(t, func() {
		swapIn(t, file, []byte(strings.Replace(yaml, "  push:", "  other: {module: ./barren.wasm}\n  push:", 1)))
	})
	shows("plugins.yaml refused since ")
	for _, name := range []string{"hello", "other"} {
		all := s.Faults(name)
		if len(all) != 1 || all[0].Kind != "start" || !all[0].NotInForce || all[0].Generation == 0 || all[0].Version == "" {
			t.Errorf("%s: %+v", name, all)
		}
	}
}
