package host_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/plugin/wasm"
)

// stillness is the clock of a server that watches files: it stands still between hold
// and release, so that the files are never quiet.
type stillness struct {
	mu      sync.Mutex
	held    bool
	waiting []chan time.Time
	noticed chan struct{} // a file has changed
}

func newStillness() *stillness { return &stillness{noticed: make(chan struct{}, 1)} }

func (s *stillness) after(time.Duration) <-chan time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan time.Time, 1)
	if s.held {
		s.waiting = append(s.waiting, c)
	} else {
		c <- time.Time{}
	}
	select {
	case s.noticed <- struct{}{}:
	default:
	}
	return c
}

func (s *stillness) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = true
	select {
	case <-s.noticed:
	default:
	}
}

// release waits until a change since hold was noticed, and lets the files be quiet.
func (s *stillness) release(t *testing.T) {
	t.Helper()
	select {
	case <-s.noticed:
	case <-time.After(20 * time.Second): // longer than this machine was ever busy
		t.Fatal("no change was noticed")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = false
	for _, c := range s.waiting {
		c <- time.Time{}
	}
	s.waiting = nil
}

// change has do change files, which are seen only once it is done.
func (s *stillness) change(t *testing.T, do func()) {
	t.Helper()
	s.hold()
	do()
	s.release(t)
}

// watchedYAML is a configuration with one plugin from a file; the line of the point is
// the last.
const watchedYAML = `watch: true
listeners: {web: {address: "127.0.0.1:0"}}
plugins:
  hello: {module: ./hello.wasm, listeners: [web]}
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["*"]}}
  asf: {module: "builtin:asf"}
points:
  live: {source: push, grace: %s}
`

// helloModule is testplugins/hello with a version.
func helloModule(t *testing.T, version string) []byte {
	t.Helper()
	module := hosttest.Build(t, "../testplugins/hello")
	text, err := wasm.ReadManifest(module)
	if err != nil {
		t.Fatal(err)
	}
	return wasm.WithManifest(module, []byte(strings.Replace(string(text), "version: 0.1.0", "version: "+version, 1)))
}

func swapIn(t *testing.T, path string, content []byte) {
	t.Helper()
	write(t, path+".new", content)
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// unchanged tells whether a configuration is the one that runs.
func unchanged(t *testing.T, s *hosttest.Server, yaml string) {
	t.Helper()
	if p, err := s.Plan(yaml); err != nil || len(p.Changes) > 0 {
		t.Errorf("what runs is not %s: %+v %v", yaml, p.Changes, err)
	}
}

// stateOf writes down what a change of the configuration could touch, without costs,
// which grow anyway.
func stateOf(t *testing.T, s *hosttest.Server) string {
	t.Helper()
	st := s.Status()
	for i := range st.Plugins {
		p := &st.Plugins[i]
		p.CPUSeconds, p.CPUPercent, p.Delivered = 0, 0, nil
	}
	for i := range st.Points {
		p := &st.Points[i]
		p.Delivery.Recent, p.Parts = nil, nil
	}
	text, err := json.Marshal([]any{st.Plugins, st.Listeners, st.Points})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestWatchConfiguration: a file that an editor, a rename or a writer in pieces leaves is
// put in force once it is quiet; one bad line refuses it whole.
func TestWatchConfiguration(t *testing.T) {
	t.Parallel()
	clock := newStillness()
	yaml := func(grace string) string { return fmt.Sprintf(watchedYAML, grace) }
	s := hosttest.Start(t, yaml("10s"), hosttest.WithFile("hello.wasm", helloModule(t, "0.1.0")), hosttest.WithTimer(clock.after))
	path := filepath.Join(s.Dir(), "plugins.yaml")
	inForce := 0
	taken := func() {
		t.Helper()
		inForce++
		s.Wait("the configuration to be put in force", func() bool { return strings.Count(s.Log(), "configuration in force") == inForce })
	}
	s.Wait("the files to be watched", func() bool { return strings.Contains(s.Log(), "files are watched") })

	clock.change(t, func() { swapIn(t, path, []byte(yaml("11s"))) })
	taken()
	unchanged(t, s, yaml("11s"))

	clock.change(t, func() { // as vim writes
		write(t, path+".swp", []byte("b0VIM"))
		if err := os.Rename(path, path+"~"); err != nil {
			t.Fatal(err)
		}
		write(t, path, []byte(yaml("12s")))
		_ = os.Remove(path + "~")
		_ = os.Remove(path + ".swp")
	})
	taken()
	unchanged(t, s, yaml("12s"))

	clock.change(t, func() { // in pieces: the first is a configuration without the point
		whole := yaml("13s")
		write(t, path, []byte(whole[:strings.Index(whole, "points")]))
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(whole[strings.Index(whole, "points"):]); err != nil {
			t.Fatal(err)
		}
	})
	taken()
	unchanged(t, s, yaml("13s"))

	was := stateOf(t, s)
	bad := strings.Replace(yaml("14s"), "  push:", "  more: {module: ./none.wasm}\n  push:", 1) + "  tv: {source: pusch}\n"
	clock.change(t, func() { write(t, path, []byte(bad)) })
	s.Wait("the refusal", func() bool { return strings.Contains(s.Log(), "the configuration that ran runs on") })
	if want := path + `:10: points.tv.source: \"pusch\" is unknown; write source: push`; !strings.Contains(s.Log(), want) {
		t.Errorf("the log does not say %s", want)
	}
	unchanged(t, s, yaml("13s"))
	if now := stateOf(t, s); now != was {
		t.Errorf("it was %s\nand is %s", was, now)
	}
	clock.change(t, func() { write(t, path, []byte(yaml("15s"))) })
	taken()
	unchanged(t, s, yaml("15s"))
}

// TestWatchModules: a changed module is taken by its plugin alone; one that is half
// written is refused, and taken when it is whole.
func TestWatchModules(t *testing.T) {
	t.Parallel()
	clock := newStillness()
	text := fmt.Sprintf(watchedYAML, "10s")
	s := hosttest.Start(t, text, hosttest.WithFile("hello.wasm", helloModule(t, "0.1.0")), hosttest.WithTimer(clock.after))
	path := filepath.Join(s.Dir(), "hello.wasm")
	s.Wait("the files to be watched", func() bool { return strings.Contains(s.Log(), "files are watched") })
	first, push := s.Plugin("hello"), s.Plugin("push")
	version := func(want string) {
		t.Helper()
		s.Wait("version "+want, func() bool { return s.Plugin("hello").Version == want })
	}
	clock.change(t, func() { swapIn(t, path, helloModule(t, "0.2.0")) })
	version("0.2.0")
	if again := s.Plugin("push"); again.Generation != push.Generation {
		t.Errorf("push had generation %d, and has %d", push.Generation, again.Generation)
	}
	second := s.Plugin("hello")

	third := helloModule(t, "0.3.0")
	clock.change(t, func() { write(t, path, third[:len(third)/2]) })
	s.Wait("the refusal", func() bool { return strings.Contains(s.Log(), "changed plugins not taken") })
	if now := s.Plugin("hello"); now.Generation != second.Generation || now.State != "running" || second.Generation <= first.Generation {
		t.Errorf("after half a module: %+v", now)
	}
	if want := filepath.Join(s.Dir(), "plugins.yaml") + ":4: plugins.hello.module: "; !strings.Contains(s.Log(), want) {
		t.Errorf("the log does not say %s", want)
	}
	clock.change(t, func() {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.Write(third[len(third)/2:]); err != nil {
			t.Fatal(err)
		}
	})
	version("0.3.0")

	// A configuration that was refused for a module is put in force when that is there.
	more := strings.Replace(text, "  push:", "  more: {module: ./more.wasm}\n  push:", 1)
	clock.change(t, func() { swapIn(t, filepath.Join(s.Dir(), "plugins.yaml"), []byte(more)) })
	s.Wait("the refusal", func() bool { return strings.Contains(s.Log(), "plugins.more.module: ") })
	unchanged(t, s, text)
	clock.change(t, func() { swapIn(t, filepath.Join(s.Dir(), "more.wasm"), helloModule(t, "0.4.0")) })
	s.WaitStatus("plugin more", func(st hosttest.Status) bool { return len(st.Plugins) == 4 })
	unchanged(t, s, more)
}

// TestWatchFailedPlugin: a plugin whose module was not there starts when it comes.
func TestWatchFailedPlugin(t *testing.T) {
	t.Parallel()
	clock := newStillness()
	s := hosttest.Start(t, fmt.Sprintf(watchedYAML, "10s"), hosttest.WithTimer(clock.after))
	if p := s.Plugin("hello"); p.State != "failed" {
		t.Fatalf("%+v", p)
	}
	s.Wait("the files to be watched", func() bool { return strings.Contains(s.Log(), "files are watched") })
	clock.change(t, func() { write(t, filepath.Join(s.Dir(), "hello.wasm"), helloModule(t, "0.1.0")) })
	s.Wait("hello to run", func() bool { return s.Plugin("hello").State == "running" })
}

// TestWatchLinks: a config map, whose files are links into a folder that a link names,
// is swapped by that link; and so is a release of modules.
func TestWatchLinks(t *testing.T) {
	t.Parallel()
	clock := newStillness()
	yaml := func(grace string) []byte {
		return []byte(fmt.Sprintf(strings.ReplaceAll(watchedYAML, "./hello", "current/hello"), grace))
	}
	s := hosttest.Start(t, string(yaml("10s")), hosttest.WithFile("..1/plugins.yaml", yaml("10s")), hosttest.WithFile("..2/plugins.yaml", yaml("12s")),
		hosttest.WithFile("1/hello.wasm", helloModule(t, "0.1.0")), hosttest.WithFile("2/hello.wasm", helloModule(t, "0.2.0")), hosttest.WithTimer(clock.after))
	s.Wait("the files to be watched", func() bool { return strings.Contains(s.Log(), "files are watched") })
	at := func(name string) string { return filepath.Join(s.Dir(), name) }
	link := func(target, name string) {
		if err := os.Symlink(target, at(name+".new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(at(name+".new"), at(name)); err != nil {
			t.Fatal(err)
		}
	}
	clock.change(t, func() {
		link("..1", "..data")
		link("..data/plugins.yaml", "plugins.yaml")
		link("1", "current")
	})
	s.Wait("hello to run", func() bool { return s.Plugin("hello").Version == "0.1.0" })
	clock.change(t, func() { link("..2", "..data") })
	s.Wait("the configuration to be put in force", func() bool { return strings.Contains(s.Log(), "configuration in force") })
	unchanged(t, s, string(yaml("12s")))
	clock.change(t, func() { link("2", "current") })
	s.Wait("hello to be changed", func() bool { return s.Plugin("hello").Version == "0.2.0" })
	clock.change(t, func() { // the folder itself is another
		if err := os.Rename(at("2"), at("old")); err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(at("3"), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, at("3/hello.wasm"), helloModule(t, "0.3.0"))
		if err := os.Rename(at("3"), at("2")); err != nil {
			t.Fatal(err)
		}
	})
	s.Wait("hello to be changed", func() bool { return s.Plugin("hello").Version == "0.3.0" })
}

// TestWatchFoldersOnTheWay: another folder takes the place of one that the file is deep
// in; and what then changes in that is noticed too.
func TestWatchFoldersOnTheWay(t *testing.T) {
	t.Parallel()
	clock := newStillness()
	s := hosttest.Start(t, fmt.Sprintf(strings.ReplaceAll(watchedYAML, "./hello", "now/in/hello"), "10s"), hosttest.WithTimer(clock.after),
		hosttest.WithFile("now/in/hello.wasm", helloModule(t, "0.1.0")), hosttest.WithFile("next/in/hello.wasm", helloModule(t, "0.2.0")))
	s.Wait("the files to be watched", func() bool { return strings.Contains(s.Log(), "files are watched") })
	at := func(name string) string { return filepath.Join(s.Dir(), name) }
	move := func(from, to string) {
		if err := os.Rename(at(from), at(to)); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		do   func()
		want string
	}{
		{func() { move("now", "old"); move("next", "now") }, "0.2.0"},
		{func() { swapIn(t, at("now/in/hello.wasm"), helloModule(t, "0.3.0")) }, "0.3.0"},
		{func() { move("now", "next"); move("old", "now") }, "0.1.0"},
		{func() { move("now/in", "now/out"); move("next/in", "now/in") }, "0.3.0"},
	} {
		clock.change(t, step.do)
		s.Wait("version "+step.want, func() bool { return s.Plugin("hello").Version == step.want })
	}
}

// TestWatchIsOff: without watch: true nobody looks; it is switched on and off at run time,
// and what has changed meanwhile is not put in force.
func TestWatchIsOff(t *testing.T) {
	t.Parallel()
	clock := newStillness()
	on := fmt.Sprintf(watchedYAML, "10s")
	off := strings.Replace(on, "watch: true\n", "", 1)
	s := hosttest.Start(t, off, hosttest.WithFile("hello.wasm", helloModule(t, "0.1.0")), hosttest.WithTimer(clock.after))
	path := filepath.Join(s.Dir(), "plugins.yaml")
	swapIn(t, path, []byte(strings.Replace(off, "10s", "11s", 1)))
	if p, err := s.Apply(on); err != nil || len(p.Changes) != 1 || p.Changes[0].Name != "watch" {
		t.Fatalf("%+v %v", p, err)
	}
	s.Wait("the files to be watched", func() bool { return strings.Contains(s.Log(), "files are watched") })
	clock.change(t, func() { swapIn(t, filepath.Join(s.Dir(), "hello.wasm"), helloModule(t, "0.2.0")) })
	s.Wait("version 0.2.0", func() bool { return s.Plugin("hello").Version == "0.2.0" })
	unchanged(t, s, on)
	clock.change(t, func() { swapIn(t, path, []byte(off)) })
	s.Wait("the configuration to be put in force", func() bool { return strings.Contains(s.Log(), "files are no longer watched") })
	unchanged(t, s, off)
}

// TestWatchSecrets: the files that a configuration reads by itself are read again when they
// are others, and what was applied stays in force, whatever the server's file says.
func TestWatchSecrets(t *testing.T) {
	t.Parallel()
	clock := newStillness()
	on := fmt.Sprintf(watchedYAML, "10s")
	s := hosttest.Start(t, on, hosttest.WithFile("hello.wasm", helloModule(t, "0.1.0")), hosttest.WithFile("hook.secret", []byte(hookSecret)), hosttest.WithTimer(clock.after))
	s.Wait("the files to be watched", func() bool { return strings.Contains(s.Log(), "files are watched") })
	applied := on + "  tv: {source: push}\nwebhooks: [{url: \"http://127.0.0.1:9/\", secret_file: hook.secret}]\n"
	clock.hold()
	if _, err := s.Apply(applied); err != nil {
		t.Fatal(err)
	}
	clock.release(t)
	read := func(times int) {
		t.Helper()
		s.Wait("the secret to be read", func() bool { return strings.Count(s.Log(), "configuration in force") == times })
		unchanged(t, s, applied)
	}
	read(2) // by Apply, and once it is watched
	clock.change(t, func() { swapIn(t, filepath.Join(s.Dir(), "hook.secret"), []byte("short")) })
	s.Wait("the short one to be refused", func() bool {
		return strings.Contains(s.Log(), "changed files not taken") || strings.Contains(s.Log(), "secret not renewed")
	})
	unchanged(t, s, applied)
	clock.change(t, func() { swapIn(t, filepath.Join(s.Dir(), "hook.secret"), []byte("another "+hookSecret)) })
	s.Wait("the other one to be read", func() bool { return strings.Count(s.Log(), "files are read again") == 3 })
	unchanged(t, s, applied)
}

// TestWatchTakeOver: the files are the new server's; the old one keeps its viewers under
// what it has.
func TestWatchTakeOver(t *testing.T) {
	t.Parallel()
	old := hosttest.Start(t, fmt.Sprintf(watchedYAML, "10s"), hosttest.WithFile("hello.wasm", helloModule(t, "0.1.0")))
	old.Wait("the files to be watched", func() bool { return strings.Contains(old.Log(), "files are watched") })
	s := old.TakeOver()
	old.Wait("the old server to leave the files alone", func() bool { return strings.Contains(old.Log(), "files are no longer watched") })
	s.Wait("the files to be watched", func() bool { return strings.Contains(s.Log(), "files are watched") })
	swapIn(t, filepath.Join(s.Dir(), "hello.wasm"), helloModule(t, "0.2.0"))
	s.Wait("version 0.2.0", func() bool { return s.Plugin("hello").Version == "0.2.0" })
	if strings.Contains(old.Log(), "files have changed") {
		t.Error("the old server has taken the files too")
	}
}
