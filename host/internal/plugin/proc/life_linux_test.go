package proc

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/plugin"
)

// TestNothingIsLeft opens and closes generations, of which some have lost processes, and looks for what remains.
func TestNothingIsLeft(t *testing.T) {
	o, _ := options(t)
	o.RunDir = t.TempDir()
	if err := os.Chmod(o.RunDir, 0o755); err != nil {
		t.Fatal(err)
	}
	for dir := o.RunDir; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	round := func() {
		g, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		i, f := g.New()
		if f != nil {
			t.Fatalf("%+v", f)
		}
		if _, f = i.Call(0, request("exit")); f == nil {
			t.Fatal("no fault")
		}
		i.Close()
		if i, f = g.New(); f != nil {
			t.Fatalf("%+v", f)
		}
		pid := g.(plugin.Process).PID()
		g.Close() // the instance still holds the process
		if _, f := i.Call(0, request("echo")); f != nil {
			t.Fatalf("%+v", f)
		}
		if _, f := g.New(); f == nil || f.Kind != plugin.Start {
			t.Fatalf("a closed generation starts instances: %v", f)
		}
		i.Close()
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d is there: %v", pid, err)
		}
	}
	round() // what is made once per program
	goroutines, descriptors := runtime.NumGoroutine(), descriptorsOf(t)
	for range 4 {
		round()
	}
	deadline := time.Now().Add(20 * time.Second)
	for runtime.NumGoroutine() > goroutines && time.Now().Before(deadline) { // gRPC's last goroutines end by themselves
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > goroutines {
		stacks := make([]byte, 1<<20)
		t.Errorf("%d goroutines, were %d\n%s", n, goroutines, stacks[:runtime.Stack(stacks, true)])
	}
	if n := descriptorsOf(t); n > descriptors {
		t.Errorf("%d descriptors, were %d", n, descriptors)
	}
	if left, err := os.ReadDir(o.RunDir); err != nil || len(left) > 0 {
		t.Errorf("left in the folder: %v %v", left, err)
	}
}

// TestOrphans: folders of servers that were killed are removed, those of others are not, nor what only has such a name.
func TestOrphans(t *testing.T) {
	dir := t.TempDir()
	mine, err := newFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	orphan, foreign := filepath.Join(dir, folderMark+"orphan"), filepath.Join(dir, "weir-other")
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, folderMark+"link")
	if err = errors.Join(os.MkdirAll(filepath.Join(orphan, "plugin-dir", "deep"), 0o700), os.Mkdir(foreign, 0o700), os.Mkdir(target, 0o700), os.Symlink(target, link)); err != nil {
		t.Fatal(err)
	}
	next, err := newFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	for path, stays := range map[string]bool{mine.path: true, next.path: true, foreign: true, target: true, link: true, orphan: false} {
		if _, err := os.Lstat(path); (err == nil) != stays {
			t.Errorf("%s: %v", path, err)
		}
	}
	mine.remove()
	next.remove()
	if left, err := filepath.Glob(filepath.Join(dir, folderMark+"*")); err != nil || len(left) != 1 {
		t.Errorf("left: %v %v", left, err)
	}
}

// TestBackoff: the first death costs nothing, those that follow soon do.
func TestBackoff(t *testing.T) {
	var got []string
	for _, early := range []int{0, 1, 2, 3, 5, 12, 1 << 20} {
		got = append(got, delayOf(early).String())
	}
	if text := strings.Join(got, " "); text != "0s 0s 100ms 200ms 800ms 1m0s 1m0s" {
		t.Error(text)
	}
}

// TestNoProcessComes: New does not wait for a process whose next start is later than it may wait.
func TestNoProcessComes(t *testing.T) {
	var l life
	l.begin(nil)
	l.set(nil, errors.New("it died"), time.Now().Add(time.Hour))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	began := time.Now()
	if _, err := l.wait(ctx, nil); err == nil || !strings.Contains(err.Error(), "starts in 1h0m0s: it died") {
		t.Errorf("%v", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestRefused(t *testing.T) {
	good, _ := options(t)
	script := filepath.Join(t.TempDir(), "script")
	dead := filepath.Join(t.TempDir(), "dead")
	plain := filepath.Join(t.TempDir(), "plain")
	for path, file := range map[string]struct {
		text string
		mode os.FileMode
	}{script: {"#!/bin/sh\necho", 0o755}, dead: {"neither ELF nor anything", 0o755}, plain: {"text", 0o644}} {
		if err := os.WriteFile(path, []byte(file.text), file.mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name   string
		change func(*Options)
		says   string
	}{
		{"hash", func(o *Options) { o.SHA256 = strings.Repeat("0", 64) }, "not what sha256: says"},
		{"absent", func(o *Options) { o.Path = "/nowhere" }, "no such file"},
		{"folder", func(o *Options) { o.Path = "/" }, "it is no file"},
		{"script", func(o *Options) { o.Path = script }, "it is a script"},
		{"not executable", func(o *Options) { o.Path = plain }, "chmod +x"},
		{"no program", func(o *Options) { o.Path = dead }, "exec format error"},
		{"no plugin", func(o *Options) { o.Path = "/bin/true" }, "exit status 0"},
		{"other manifest", func(o *Options) { o.Manifest = []byte("name: other") }, "another manifest"},
		{"unknown user", func(o *Options) { o.User = "no-such-account" }, "user: there is no account"},
		{"root", func(o *Options) { o.User = "root" }, "user: \"root\" is root"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := good
			test.change(&o)
			g, err := Open(t.Context(), o)
			if err == nil {
				g.Close()
			}
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v; want %q", err, test.says)
			}
		})
	}
	if os.Geteuid() == 0 {
		good.User = ""
		if _, err := Open(t.Context(), good); err == nil || !strings.Contains(err.Error(), "user: is required") {
			t.Errorf("%v", err)
		}
	}
}

// TestSwap: the program that runs is the one that was judged, whatever lies at its path by then.
func TestSwap(t *testing.T) {
	o, _ := options(t)
	text, err := os.ReadFile(o.Path)
	if err != nil {
		t.Fatal(err)
	}
	o.Path = filepath.Join(t.TempDir(), "plugin")
	if err := os.WriteFile(o.Path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	g := opened(t, o)
	if err := os.WriteFile(o.Path, []byte("something else"), 0o755); err != nil {
		t.Fatal(err)
	}
	i := instanceOf(t, g)
	run := g.life.now().run
	if err := syscall.Kill(run.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-run.done
	if got := ask(t, i, "echo same"); got != "same" || g.Restarts() != 1 {
		t.Errorf("%q", got)
	}
	if _, err := g.executable.file.WriteAt([]byte{0}, 0); !errors.Is(err, syscall.EPERM) {
		t.Errorf("the copy can be written: %v", err)
	}
}

func TestReadManifest(t *testing.T) {
	o, _ := options(t)
	text, hash, err := ReadManifest(t.Context(), o)
	if err != nil || !strings.HasPrefix(string(text), "name: sinner\n") || len(hash) != 64 {
		t.Errorf("%q %q %v", text, hash, err)
	}
	o.Path = "/bin/ls" // which knows no such argument, and says so
	if _, _, err := ReadManifest(t.Context(), o); err == nil || !strings.Contains(err.Error(), "manifest") {
		t.Errorf("%v", err)
	}
	o.Path = "/bin/true"
	if _, _, err := ReadManifest(t.Context(), o); err == nil || !strings.Contains(err.Error(), "did not print a manifest") {
		t.Errorf("%v", err)
	}
}

// TestLog: lines reach the log with their level, and only so many.
func TestLog(t *testing.T) {
	o, j := options(t)
	o.Limits.LogLines = 5
	g := opened(t, o)
	i := instanceOf(t, g)
	ask(t, i, "log")
	ask(t, i, "print to standard output")
	if _, f := i.Call(0, request("exit")); f == nil || !strings.Contains(f.Log, "line 199\nprinted to standard output\nfarewell") {
		t.Errorf("%+v", f)
	}
	i.Close()
	g.Close()
	text := j.String()
	if n := strings.Count(text, "level=WARN msg=\"line "); n < 1 || n > 15 { // of up to three seconds
		t.Errorf("%d lines\n%s", n, text)
	}
	if !strings.Contains(text, "plugin logs too much") || !strings.Contains(text, "plugin=sinner") {
		t.Error(text)
	}
}

// descriptorsOf counts this process's descriptors.
func descriptorsOf(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("no list of descriptors: %v", err)
	}
	return len(list)
}
