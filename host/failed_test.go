package host_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
)

const holdsPort = "WEIR_TEST_HOLDS_PORT"

// TestTakenPort: another program has the port. The listener and its plugin are failed, with number, program and remedy, wherever a state is shown; the rest
// runs; and once that program has ended, enabling the plugin is enough.
func TestTakenPort(t *testing.T) {
	if os.Getenv(holdsPort) != "" {
		holdPort()
		return
	}
	other, address := startHolder(t)
	s := hosttest.Start(t, fmt.Sprintf(`
listeners:
  taken: {address: "%s", steer: off}
  web: {address: "127.0.0.1:0"}
plugins:
  http: {module: "builtin:http", listeners: [taken], grant: {attach: ["*"]}}
  asx: {module: "builtin:asx", listeners: [web], grant: {documents: true}}
points:
  live: {source: push}
`, address))
	who := fmt.Sprintf("(pid %d", other.Process.Pid)
	for _, l := range s.Status().Listeners {
		if l.Name == "taken" && (l.State != "failed" || l.Code != "0xC00D158B" || !strings.Contains(l.Reason, "listen on "+address) || !strings.Contains(l.Reason, who) ||
			!strings.Contains(l.Holder, who) || !strings.Contains(l.Remedy, "weir plugin enable http")) {
			t.Errorf("listener: %+v", l)
		}
		if l.Name == "web" && l.State != "open" {
			t.Errorf("the rest does not run: %+v", l)
		}
	}
	if p := s.Plugin("http"); p.State != "failed" || p.Code != "0xC00D158B" || !strings.Contains(p.Reason, "its listener taken is not open: listen on "+address) || !strings.Contains(p.Reason, who) {
		t.Errorf("plugin: %+v", p)
	}
	if ready := ask(t, s, "/readyz"); !strings.Contains(ready, "plugin http: failed") || !strings.Contains(ready, who) {
		t.Errorf("/readyz: %q", ready)
	}
	for _, want := range []string{`weir_plugin_state{plugin="http",state="failed"} 1`, `weir_plugin_state{plugin="http",state="running"} 0`,
		`weir_plugin_state{plugin="asx",state="running"} 1`, `weir_listener_state{listener="taken"} 0`, `weir_listener_state{listener="web"} 1`} {
		if !strings.Contains(ask(t, s, "/metrics"), want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if !strings.Contains(s.Log(), "code=0xC00D158B") {
		t.Error("the log has no number")
	}
	if err := s.Enable("http"); err == nil || !strings.Contains(err.Error(), "0xC00D158B listener taken: ") || !strings.Contains(err.Error(), who) {
		t.Errorf("enabled while the port is taken: %v", err)
	}
	endHolder(t, other)
	if err := s.Enable("http"); err != nil {
		t.Errorf("enabled once the port is free: %v", err)
	}
	if p := s.Plugin("http"); p.State != "running" || p.Code != "" || p.Reason != "" {
		t.Errorf("plugin: %+v", p)
	}
	if ready := ask(t, s, "/readyz"); ready != "ready\n" {
		t.Errorf("/readyz: %q", ready)
	}
}

// holdPort listens, prints where, and holds the port until its input ends.
func holdPort() {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	fmt.Fprintln(os.Stdout, ln.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	ln.Close()
}

// startHolder starts this test once more, as the program that has a port.
func startHolder(t *testing.T) (cmd *exec.Cmd, address string) {
	t.Helper()
	cmd = exec.Command(os.Args[0], "-test.run=^TestTakenPort$")
	cmd.Env = append(os.Environ(), holdsPort+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err = cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait() // it may have been waited for
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd, strings.TrimSpace(line)
}

func endHolder(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
}

// ask gives what the admin API answers on a path.
func ask(t *testing.T, s *hosttest.Server, path string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", strings.TrimPrefix(s.Admin(), "unix:"))
	}}}
	answer, err := client.Get("http://localhost" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
