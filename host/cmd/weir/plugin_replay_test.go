package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
)

const (
	trapFolder  = "../../../testplugins/trap"
	helloFolder = "../../../testplugins/hello"
)

// TestFaultBecomesATestCase: a plugin fails in a running server, the fault becomes a file, the file shows the fault again on the module that ran
// there, and that it is gone on the module that was mended.
func TestFaultBecomesATestCase(t *testing.T) {
	dir := t.TempDir()
	module, fixed := filepath.Join(dir, "trap.wasm"), filepath.Join(dir, "fixed.wasm")
	write(t, module, string(hosttest.Build(t, trapFolder)))
	mendedTrap(t, filepath.Join(dir, "src"), fixed)
	s := serverWith(t, dir, "trap", trapFolder)
	admin := "--admin=unix:" + filepath.Join(dir, "admin.sock")
	if _, err := get(s.URL("web", "http", "/trap?sin")); err == nil {
		t.Fatal("the plugin answered")
	}

	file := filepath.Join(dir, "fault.weir")
	if code, out, errOut := weir("faults", "trap", "-o", file, admin); code != 0 {
		t.Fatalf("weir faults: exit %d, %q %q", code, out, errOut)
	}
	for _, c := range []struct {
		build, flag string
		code        int
		says        []string
	}{
		{module, "", 0, []string{"1 fault", "2 the same, 1 of them faults again"}},
		{module, "--mended", 1, []string{"1 of them faults again"}},
		{fixed, "", 1, []string{"session", "HTTP_REQUEST: answered; it was fault trap during HTTP_REQUEST", "told", "query=sin",
			"answers now", "HTTP_RESPONSE status=200", "1 mended"}},
		{fixed, "--mended", 0, []string{"1 the same, 1 mended"}},
	} {
		line := []string{"plugin", "replay", file, "--module", c.build}
		if c.flag != "" {
			line = append(line, c.flag)
		}
		code, out, errOut := weir(line...)
		if code != c.code {
			t.Errorf("%v: exit %d, %q %q", line, code, out, errOut)
		}
		for _, want := range c.says {
			if !strings.Contains(out, want) {
				t.Errorf("%v: no %q in %s", line, want, out)
			}
		}
	}
}

// mendedTrap builds testplugins/trap without its sin.
func mendedTrap(t *testing.T, dir, out string) {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(trapFolder, "main.go"))
	if err != nil {
		t.Fatal(err)
	}
	good := strings.Replace(string(source), `"sin"`, `"no such query"`, 1)
	manifest, err := os.ReadFile(filepath.Join(trapFolder, manifestFile))
	if err != nil || good == string(source) {
		t.Fatalf("the plugin cannot be mended: %v", err)
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "main.go"), good)
	write(t, filepath.Join(dir, manifestFile), string(manifest))
	const weirModule = "github.com/weir-media/weir"
	write(t, filepath.Join(dir, "go.mod"), "module trap\n\ngo 1.26\n\nrequire "+weirModule+" v0.0.0\n\nreplace "+weirModule+" => "+root+"\n")
	t.Setenv("GOFLAGS", "-mod=mod")
	if code, o, errOut := weir("plugin", "build", dir, "-o", out); code != 0 {
		t.Fatalf("weir plugin build: exit %d, %q %q", code, o, errOut)
	}
}

func serverWith(t *testing.T, dir, name, folder string) *hosttest.Server {
	t.Helper()
	return hosttest.Start(t, fmt.Sprintf(`
admin: {socket: %q}
listeners: {web: {address: "127.0.0.1:0"}}
plugins:
  %s: {module: "builtin:%s", listeners: [web]}
`, filepath.Join(dir, "admin.sock"), name, name), hosttest.WithPlugin(name, folder))
}

// get gives an error unless the answer is 200.
func get(url string) (string, error) {
	answer, err := http.Get(url) //nolint:noctx // a test's own server
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d", answer.StatusCode)
	}
	return string(body), err
}

// TestRecordAndReplay records a plugin of a running server over its admin API and replays the file.
func TestRecordAndReplay(t *testing.T) {
	dir := t.TempDir()
	s := serverWith(t, dir, "hello", helloFolder)
	admin := "--admin=unix:" + filepath.Join(dir, "admin.sock")
	file, module := filepath.Join(dir, "hello.weir"), filepath.Join(dir, "hello.wasm")
	write(t, module, string(hosttest.Build(t, helloFolder)))

	stop := ask(t, s.URL("web", "http", "/hello"), admin, file)
	code, out, errOut := weir("plugin", "record", "hello", "--for", "2s", "-o", file, admin)
	stop()
	if code != 0 || !strings.Contains(out, "instances, ") || !strings.Contains(out, "ended: it lasted as long as it should") {
		t.Fatalf("weir plugin record: exit %d, %q %q", code, out, errOut)
	}
	if st, err := os.Stat(file); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the recording's mode: %v, %v", st.Mode(), err)
	}
	code, out, errOut = weir("plugin", "replay", file, "--module", module, "--json")
	var found replayedResult
	err := json.Unmarshal([]byte(out), &found)
	if err != nil || code != 0 || !found.Good || found.Counts.Same != found.Calls || found.Calls < 3 || found.Was.Hash != found.Is.Hash {
		t.Errorf("weir plugin replay: exit %d, %+v, %v %q", code, found, err, errOut)
	}
	program := hosttest.BuildProc(t, helloFolder)
	if code, out, errOut = weir("plugin", "replay", file, "--exec", program); code != 0 || !strings.Contains(out, "played to hello 0.1.0 proc") {
		t.Errorf("as a process: exit %d, %q %q", code, out, errOut)
	}
	if code, out, errOut = weir("plugin", "test", program, filepath.Join(helloFolder, "testdata", "requests.script"), "--fresh", "1"); code != 0 {
		t.Errorf("scripts in a process: exit %d, %q %q", code, out, errOut)
	}
	trap := filepath.Join(dir, "trap.wasm")
	write(t, trap, string(hosttest.Build(t, trapFolder)))
	if code, _, errOut = weir("plugin", "replay", file, "--module", trap); code != 1 || !strings.Contains(errOut, "the recording is of plugin hello, and "+trap+" is plugin trap") {
		t.Errorf("to another plugin: exit %d, %q", code, errOut)
	}
	if code, out, errOut = weir("plugin", "replay", file, "--module", trap, "--any"); code != 1 || !strings.Contains(out, "different") {
		t.Errorf("to another plugin --any: exit %d, %q %q", code, out, errOut)
	}
	if code, _, errOut = weir("plugin", "replay", file); code != 1 || !strings.Contains(errOut, "say with --module") || strings.Contains(errOut, "make") {
		t.Errorf("to no build: exit %d, %q", code, errOut)
	}
	code, out, _ = weir("plugin", "replay", file, "--module", filepath.Join(dir, "none.wasm"))
	if code != 1 {
		t.Errorf("no such module: exit %d, %q", code, out)
	}
	if code, _, errOut = weir("plugin", "record", "nobody", "-o", filepath.Join(dir, "nobody.weir"), admin); code != 1 || !strings.Contains(errOut, "nobody") {
		t.Errorf("no such plugin: exit %d, %q", code, errOut)
	}
	if _, err := os.Stat(filepath.Join(dir, "nobody.weir")); err == nil {
		t.Error("a refusal leaves a file")
	}
}

// ask asks again and again, and reloads the plugin at the fourth time since the recording began, until the function that it gives is called.
func ask(t *testing.T, url, admin, recording string) (end func()) {
	t.Helper()
	stop := make(chan struct{})
	var asking sync.WaitGroup
	asking.Go(func() {
		for n := 0; ; {
			if _, err := os.Stat(recording); err == nil {
				n++
			}
			if n == 4 { // the recording goes on over a reload
				if code, _, errOut := weir("plugin", "reload", "hello", admin); code != 0 {
					t.Errorf("weir plugin reload: %q", errOut)
				}
			}
			select {
			case <-stop:
				return
			default:
				if _, err := get(url); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	return func() {
		close(stop)
		asking.Wait()
	}
}

func TestReplayOfWhatIsNoRecording(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "text")
	write(t, file, "hello")
	if code, _, errOut := weir("plugin", "replay", file, "--module", "builtin:wmsp"); code != 1 || !strings.Contains(errOut, "not a recording of weir") {
		t.Errorf("exit %d, %q", code, errOut)
	}
}

// TestPluginTest runs scripts against a folder, a module and one that fails.
func TestPluginTest(t *testing.T) {
	dir := t.TempDir()
	module, bad := filepath.Join(dir, "hello.wasm"), filepath.Join(dir, "bad.script")
	write(t, module, string(hosttest.Build(t, helloFolder)))
	write(t, bad, "> HTTP_REQUEST method=GET path=/hello\n! HTTP_RESPONSE status=418\n")
	script := filepath.Join(helloFolder, "testdata", "requests.script")
	text, err := os.ReadFile(script)
	if err = errors.Join(err, os.MkdirAll(filepath.Join(dir, "beside", "testdata"), 0o700)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "beside", "testdata", "requests.script"), string(text))
	write(t, filepath.Join(dir, "beside", "hello.wasm"), string(hosttest.Build(t, helloFolder)))
	for _, c := range []struct {
		line []string
		code int
		says string
	}{
		{[]string{"plugin", "test", helloFolder, "--fresh", "1"}, 0, "ok    ../../../testplugins/hello/testdata/greeting.script\nok    "},
		{[]string{"plugin", "test", module, script, "--fresh", "2"}, 0, "ok    " + script},
		{[]string{"plugin", "test", module, script, bad}, 1, "FAIL  " + bad + ": line 2: expected HTTP_RESPONSE status=418"},
		{[]string{"plugin", "test", module}, 2, "there are no scripts at " + filepath.Join(dir, "testdata", "*.script")},
		{[]string{"plugin", "test", filepath.Join(dir, "beside", "hello.wasm"), "--fresh", "1"}, 0, "ok    " + filepath.Join(dir, "beside", "testdata", "requests.script")},
		{[]string{"plugin", "test", filepath.Join(dir, "none.wasm"), script}, 1, "none.wasm"},
	} {
		code, out, errOut := weir(c.line...)
		if code != c.code || !strings.Contains(out+errOut, c.says) {
			t.Errorf("%v: exit %d, %q %q", c.line, code, out, errOut)
		}
	}
	code, out, _ := weir("plugin", "test", module, script, bad, "--fresh", "1", "--json")
	var all []scriptResult
	if err := json.Unmarshal([]byte(out), &all); err != nil || code != 1 || len(all) != 2 || !all[0].Good || all[1].Good {
		t.Errorf("--json: exit %d, %+v, %v", code, all, err)
	}
}
