package readme_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/e2e/child"
)

// setting is a line of a unit: [Section] Key=Value.
type setting struct{ section, key, value string }

// parseUnit reads a unit (systemd.syntax(7)), as far as the page needs it: no continued lines.
func parseUnit(t *testing.T, text string) (all []setting) {
	t.Helper()
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		key, value, ok := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case line[0] == '[' && strings.HasSuffix(line, "]"):
			section = strings.Trim(line, "[]")
		case !ok || section == "" || key == "" || strings.ContainsAny(key, " \t"):
			t.Errorf("%q is no line of a unit", line)
		default:
			all = append(all, setting{section, key, value})
		}
	}
	return all
}

func values(all []setting, section, key string) (found []string) {
	for _, s := range all {
		if s.section == section && s.key == key {
			found = append(found, s.value)
		}
	}
	return found
}

// serviceUnit: what the page promises of the unit stands in it, and its command line is one that weir takes.
func (r *reader) serviceUnit(t *testing.T, b block) {
	all := parseUnit(t, b.text)
	for _, want := range []setting{
		{"Unit", "Requires", "weir.socket"}, {"Service", "Type", "notify"}, {"Service", "ExecReload", "/bin/kill -HUP $MAINPID"},
		{"Service", "AmbientCapabilities", "CAP_BPF CAP_NET_ADMIN"}, {"Service", "CapabilityBoundingSet", "CAP_BPF CAP_NET_ADMIN"},
		{"Service", "NoNewPrivileges", "yes"}, {"Service", "ProtectSystem", "strict"}, {"Service", "SystemCallFilter", "@system-service bpf"},
	} {
		if !slices.Contains(all, want) {
			t.Errorf("the unit has no [%s] %s=%s", want.section, want.key, want.value)
		}
	}
	if values(all, "Service", "MemoryDenyWriteExecute") != nil {
		t.Error("compiled modules cannot run with MemoryDenyWriteExecute=")
	}
	start := strings.Fields(strings.Join(values(all, "Service", "ExecStart"), " "))
	if len(start) < 2 || start[0] != installed || start[1] != "serve" {
		t.Fatalf("ExecStart=%q", start)
	}
	// Every flag is one of `weir serve`.
	help, _ := r.run(t, "bin/weir serve --help")
	for _, word := range start[2:] {
		if strings.HasPrefix(word, "-") && !strings.Contains(help, word) {
			t.Errorf("weir serve has no flag %s", word)
		}
	}
	r.verify(t, b)
}

// installed is where the unit expects weir.
const installed = "/usr/local/bin/weir"

// verify has systemd judge the page's units, where it is installed. Their names matter to it, since they name each other.
func (r *reader) verify(t *testing.T, b block) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Logf("systemd-analyze is not installed: %v", err)
		return
	}
	dir := t.TempDir()
	for _, unit := range readBlocks(t) {
		name, ok := strings.CutPrefix(unit.kind, "unit ")
		if !ok {
			continue
		}
		text := strings.ReplaceAll(unit.text, installed, filepath.Join(r.dir, "bin", "weir"))
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	name := strings.TrimPrefix(b.kind, "unit ")
	out, log, code := child.Run(t, exec.Command("systemd-analyze", "verify", "--man=no", filepath.Join(dir, name)))
	for line := range strings.Lines(out + log) {
		if strings.Contains(line, name) && !strings.Contains(line, "Failed to") { // it has no bus here, which is no fault of the unit
			t.Errorf("systemd-analyze (exit code %d): %s", code, line)
		}
	}
}

// socketUnit opens the sockets of the unit as systemd does, on a port that this test may have, and starts weir with them when somebody already waits.
func (r *reader) socketUnit(t *testing.T, b block) {
	all := parseUnit(t, b.text)
	r.verify(t, b)
	name := strings.Join(values(all, "Socket", "FileDescriptorName"), "")
	listen := values(all, "Socket", "ListenStream")
	if len(listen) != 1 || name == "" {
		t.Fatalf("ListenStream=%q, FileDescriptorName=%q", listen, name)
	}
	host, _, err := net.SplitHostPort(listen[0])
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp4", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	port := ln.Addr().(*net.TCPAddr).Port
	ln.Close() // the file stays, as systemd's does

	// The connection comes before the server.
	asker := child.Start(t, exec.Command("curl", "-sS", "--fail", "--max-time", "60", fmt.Sprintf("http://127.0.0.1:%d/live.asx", port)))
	r.write(t, "activated.yaml", fmt.Sprintf(`
admin: {socket: "activated.sock"}
listeners:
  %s: {address: "%s:%d", steer: off}
plugins:
  asx: {module: "builtin:asx", listeners: [%s], grant: {documents: true}}
  http: {module: "builtin:http", listeners: [%s], grant: {attach: ["*"]}}
points:
  live: {source: push}
`, name, host, port, name, name))
	cmd := exec.Command("sh", "-c", "LISTEN_PID=$$ exec bin/weir serve -c activated.yaml")
	cmd.Dir, cmd.Env, cmd.ExtraFiles = r.dir, append(r.env[:len(r.env):len(r.env)], "LISTEN_FDS=1", "LISTEN_FDNAMES="+name), []*os.File{file}
	weir := child.Start(t, cmd)
	weir.UntilReady()
	if code := asker.Wait(); code != 0 || !strings.Contains(asker.Out.String(), "<asx") && !strings.Contains(asker.Out.String(), "<ASX") {
		t.Errorf("curl: exit code %d, %q", code, asker.Out)
	}
	if status, _ := r.run(t, "bin/weir status --json --admin unix:activated.sock"); !strings.Contains(status, `"rung": "inherited"`) {
		t.Errorf("the listener did not inherit its socket: %s", status)
	}
	weir.Signal(15)
	if code := weir.Wait(); code != 0 {
		t.Errorf("after SIGTERM weir ended with exit code %d", code)
	}
}
