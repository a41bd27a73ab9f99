package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s\n(if it is meant: go test -update)", name, got, want)
	}
}

// weir runs one command line.
func weir(args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	code = execute(context.Background(), args, &o, &e)
	return code, o.String(), e.String()
}

func TestUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		line string
		code int
		says string // on the standard error
	}{
		{"", 2, "Available Commands"},
		{"plugin", 2, "weir plugin build ./mine"},
		{"srve", 2, `unknown command "srve"`},
		{"plugin explode", 2, `unknown command "explode"`},
		{"status extra", 2, `see: weir status --help`},
		{"status --nonsense", 2, "unknown flag: --nonsense"},
		{"status --admin nonsense", 2, "write unix:PATH or HOST:PORT"},
		{"status", 1, "no server answers at unix:weir.sock"},
		{"sessions --admin unix:other.sock", 1, "no server answers at unix:other.sock"},
		{"ports --nft --json", 2, "exclude each other"},
		{"announce live", 2, "accepts 2 arg(s)"},
		{"serve --log-level loud", 2, `log level "loud" is unknown`},
		{"serve --drain=-1s", 2, "--drain is less than nothing"},
		{"serve --drain long", 2, "invalid argument"},
		{"serve -c missing.yaml", 1, "missing.yaml"},
		{"check -c missing.yaml", 1, "missing.yaml"},
		{"plugin inspect missing.wasm", 1, "missing.wasm"},
		{"plugin build missing", 1, "there is no missing/plugin.yaml"},
		{"version", 0, ""},
		{"--help", 0, ""},
	} {
		code, _, errOut := weir(strings.Fields(c.line)...)
		if code != c.code || !strings.Contains(errOut, c.says) {
			t.Errorf("weir %s: exit %d, %q; want %d, %q", c.line, code, errOut, c.code, c.says)
		}
	}
}

func TestEveryCommandHasAnExample(t *testing.T) {
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Short == "" || !strings.Contains(cmd.Example, "weir") {
			t.Errorf("%s: no summary or no example", cmd.CommandPath())
		}
		for _, c := range cmd.Commands() {
			visit(c)
		}
	}
	visit(newRoot(&run{}))
}

func TestHelp(t *testing.T) {
	_, out, _ := weir("--help")
	golden(t, "help.golden", out)
	_, out, _ = weir("status", "--help")
	golden(t, "help_status.golden", out)
	_, out, _ = weir("plan", "--help")
	golden(t, "help_plan.golden", out)
	_, out, _ = weir("apply", "--help")
	golden(t, "help_apply.golden", out)
	_, out, _ = weir("faults", "--help")
	golden(t, "help_faults.golden", out)
	for _, name := range []string{"test", "record", "replay"} {
		_, out, _ = weir("plugin", name, "--help")
		golden(t, "help_plugin_"+name+".golden", out)
	}
}

func TestVersion(t *testing.T) {
	code, out, _ := weir("version")
	if code != 0 || !strings.HasPrefix(out, "weir ") || !strings.Contains(out, "\nabi 1.") || !strings.Contains(out, "\nwazero v") {
		t.Errorf("weir version: exit %d, %q", code, out)
	}
	var v versions
	_, out, _ = weir("version", "--json")
	if err := json.Unmarshal([]byte(out), &v); err != nil || v.Go == "" || len(v.ABI) != 1 {
		t.Errorf("weir version --json: %q, %v", out, err)
	}
}

func TestCheck(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "bad.yaml", "listeners:\n  web: {adress: \"127.0.0.1:8080\"}\n")
	code, _, errOut := weir("check", "-c", "bad.yaml")
	if code != 1 || !strings.HasPrefix(errOut, "bad.yaml:2: listeners.web.") {
		t.Errorf("weir check: exit %d, %q", code, errOut)
	}
	var answer struct {
		Good     bool
		Problems []string
	}
	code, out, errOut := weir("check", "-c", "bad.yaml", "--json")
	if err := json.Unmarshal([]byte(out), &answer); err != nil || code != 1 || errOut != "" || answer.Good || len(answer.Problems) == 0 {
		t.Errorf("weir check --json: exit %d, %q %q, %v", code, out, errOut, err)
	}
	write(t, "plugins.yaml", "points:\n  live: {source: push}\n")
	if code, out, errOut := weir("check"); code != 0 || out != "plugins.yaml is good\n" {
		t.Errorf("weir check of ./plugins.yaml: exit %d, %q %q", code, out, errOut)
	}
}

// TestServe runs a server without listeners, asks it, and ends it.
func TestServe(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "plugins.yaml", "admin: {socket: \"here.sock\"}\npoints:\n  live: {source: push}\n")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out, printed := io.Pipe()
	var errOut bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- execute(ctx, []string{"serve", "--log-level", "error", "--drain", "1s"}, printed, &errOut)
		printed.Close()
	}()
	ready := make(chan struct{})
	go func() { // ends when the server has closed its output
		b := make([]byte, 1<<10)
		var all []byte
		for told := false; ; {
			n, err := out.Read(b)
			all = append(all, b[:n]...)
			if !told && (err != nil || bytes.Contains(append([]byte("\n"), all...), []byte("\nready"))) {
				told = true
				close(ready)
			}
			if err != nil {
				return
			}
		}
	}()
	<-ready
	code, text, problem := weir("status")
	if code != 0 || !strings.Contains(text, "live") {
		t.Errorf("weir status: exit %d, %q %q", code, text, problem)
	}
	if code, text, _ := weir("sessions", "--point", "nowhere"); code != 1 {
		t.Errorf("weir sessions of an unknown point: exit %d, %q", code, text)
	}
	cancel()
	if code := <-ended; code != 0 {
		t.Errorf("weir serve: exit %d, %q", code, errOut.String())
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
