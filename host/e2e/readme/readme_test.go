package readme_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/e2e/child"
)

// kinds is every kind of block that the page must have.
var kinds = []string{"sh run", "sh play", "sh decode", "sh push", "sh push-ts", "sh decode-ts", "sh test", "sh ask", "yaml check", "sh author", "yaml add", "sh ask-hello",
	"ini unit weir.socket", "ini unit weir.service"}

func TestReadme(t *testing.T) {
	blocks := readBlocks(t)
	for _, kind := range kinds {
		if len(find(blocks, kind)) == 0 {
			t.Errorf("README.md has no block %q", kind)
		}
	}
	r := newReader(t)
	for _, b := range blocks {
		kind := b.language + " " + b.kind
		if !t.Run(kind, func(section *testing.T) { r.follow(t, section, b, blocks) }) {
			t.Fatalf("README.md:%d: the block %q does not do what the page says", b.line, kind)
		}
	}
	if code := r.stop(); code != 0 {
		t.Errorf("after SIGTERM weir ended with exit code %d", code)
	}
}

// find gives the lines of all blocks of a kind.
func find(blocks []block, kind string) (lines []string) {
	for _, b := range blocks {
		if b.language+" "+b.kind == kind {
			lines = append(lines, b.lines()...)
		}
	}
	return lines
}

// follow does what one block says. page outlives the block, as the server does.
func (r *reader) follow(page, t *testing.T, b block, blocks []block) {
	switch b.language + " " + b.kind {
	case "sh run":
		r.serve(page, strings.TrimSpace(b.text))
		r.allRuns(t)
		r.run(t, "bin/weir check -c plugins.yaml")
	case "sh play":
		each(t, b.lines(), r.play)
	case "sh decode":
		each(t, b.lines(), r.decode)
	case "sh push":
		child.Need(t, "ffmpeg")
		for _, line := range b.lines() {
			r.push(t, line, onLive(find(blocks, "sh decode")))
		}
	case "sh push-ts":
		child.Need(t, "ffmpeg")
		for _, line := range b.lines() {
			r.push(t, line, find(blocks, "sh decode-ts"))
		}
	case "sh decode-ts": // ran while "sh push-ts" did
	case "sh test":
		r.namesTarget(t, b)
	case "sh ask":
		for _, line := range b.lines() {
			r.run(t, line)
		}
	case "yaml check":
		r.write(t, "page.yaml", b.text)
		r.run(t, "bin/weir check -c page.yaml")
	case "sh author":
		r.run(t, b.text, "GOPROXY=off", "GOMODCACHE="+t.TempDir())
	case "yaml add":
		r.stop()
		r.add(t, b)
		r.run(t, "bin/weir check -c plugins.yaml")
		r.serve(page, "bin/weir serve -c plugins.yaml")
		r.allRuns(t)
	case "ini unit weir.socket":
		r.socketUnit(t, b)
	case "ini unit weir.service":
		r.serviceUnit(t, b)
	case "sh ask-hello":
		if out, _ := r.run(t, b.text); out != "hello, you\n" {
			t.Errorf("%s: %q", b.text, out)
		}
	default:
		t.Errorf("README.md:%d: this test does not know what to do with a block of kind %q", b.line, b.language+" "+b.kind)
	}
}

func onLive(lines []string) []string {
	live := make([]string, len(lines))
	for i, line := range lines {
		live[i] = strings.ReplaceAll(line, "/demo", "/live")
	}
	return live
}

// allRuns: nothing of the configuration has failed.
func (r *reader) allRuns(t *testing.T) {
	t.Helper()
	s := r.status(t)
	if len(s.Plugins) == 0 || len(s.Listeners) == 0 || len(s.Points) == 0 {
		t.Errorf("the server runs without plugins, listeners or points: %+v", s)
	}
	for _, p := range s.Plugins {
		if p.State != "running" {
			t.Errorf("plugin %s is %s: %s", p.Name, p.State, p.Reason)
		}
	}
	for _, l := range s.Listeners {
		if l.State != "open" {
			t.Errorf("listener %s is %s: %s", l.Name, l.State, l.Reason)
		}
	}
}

// namesTarget: what is not run here is at least there.
func (r *reader) namesTarget(t *testing.T, b block) {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(r.dir, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range b.lines() {
		target, ok := strings.CutPrefix(line, "make ")
		if !ok || !slices.ContainsFunc(strings.Split(string(makefile), "\n"), func(l string) bool { return strings.HasPrefix(l, target+":") }) {
			t.Errorf("%s: the Makefile has no such target", line)
		}
	}
}

func (r *reader) write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, file), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// add puts a block's lines under plugins: of plugins.yaml.
func (r *reader) add(t *testing.T, b block) {
	t.Helper()
	const head = "\nplugins:\n"
	text, err := os.ReadFile(filepath.Join(r.dir, "plugins.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(text), head) != 1 {
		t.Fatal("plugins.yaml has no line, or several, that is only \"plugins:\"")
	}
	r.write(t, "plugins.yaml", strings.Replace(string(text), head, head+b.text, 1))
}

// TestBuiltinIsRoot: without a file the binary serves what `make run` serves.
func TestBuiltinIsRoot(t *testing.T) {
	root := child.Root(t)
	onDisk, err := os.ReadFile(filepath.Join(root, "plugins.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	inside, err := os.ReadFile(filepath.Join(root, "host", "default.yaml"))
	if err != nil || string(inside) != string(onDisk) {
		t.Errorf("host/default.yaml is not plugins.yaml: %v", err)
	}
}
