//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
)

var (
	nginx     = program{"/usr/sbin/nginx", "nginx-light"}
	python    = program{"/usr/bin/python3", "python3-websockets"} // Debian's own, which sees Debian's packages
	mosquitto = program{"mosquitto_sub", "mosquitto-clients"}
	openssl   = program{"openssl", "openssl"}
)

// needWebsockets skips the test where Debian's python3 has no websockets.
func needWebsockets(t *testing.T) {
	t.Helper()
	python.need(t)
	if exec.Command(python.name, "-c", "import websockets").Run() == nil {
		return
	}
	const reason = "python3 has no websockets; they are in the package python3-websockets"
	if os.Getenv("CI") != "" {
		t.Fatal(reason)
	}
	t.Skip(reason)
}

// nginxFrame is what an nginx needs to run in the foreground, in a folder of its own, as anybody.
const nginxFrame = `
daemon off;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log stderr;
events { worker_connections 4096; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	default_type application/octet-stream;
	types { text/html html; }
	map $http_upgrade $connection_upgrade { default upgrade; "" close; }
	%[2]s
}
`

// startNginx runs Debian's nginx with these servers, in a folder that it may write to. command makes the command: elsewhere, or as somebody else.
func startNginx(t *testing.T, dir, servers string, command func(string, ...string) *exec.Cmd) *process {
	t.Helper()
	nginx.need(t)
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, nginxFrame, dir, servers), 0o644); err != nil {
		t.Fatal(err)
	}
	c := startCommand(t, command(nginx.name, "-c", conf, "-p", dir, "-e", "stderr"))
	hosttest.Eventually(t, "nginx runs", func() bool {
		if c.ended() {
			t.Fatalf("nginx ended with %v:\n%s", c.err, c.log.String())
		}
		b, err := os.ReadFile(filepath.Join(dir, "nginx.pid")) // which it writes once it listens
		return err == nil && len(b) > 0
	})
	return c
}

// startEcho runs a WebSocket server, and gives its port.
func startEcho(t *testing.T) (port string) {
	t.Helper()
	needWebsockets(t)
	c := startCommand(t, exec.Command(python.name, "testdata/echo.py"))
	hosttest.Eventually(t, "the WebSocket server runs", func() bool {
		if c.ended() {
			t.Fatalf("it ended with %v:\n%s", c.err, c.log.String())
		}
		port = strings.TrimSpace(c.out.String())
		return port != ""
	})
	return port
}

// freePort finds a TCP port of 127.0.0.1 for a program that cannot choose one.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// talker is Debian's `python3 -m websockets`, a client for people.
type talker struct {
	*process
	in io.WriteCloser
}

func talkTo(t *testing.T, url string) *talker {
	t.Helper()
	needWebsockets(t)
	cmd := exec.Command(python.name, "-m", "websockets", url)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	c := &talker{process: startCommand(t, cmd), in: in}
	hosttest.Eventually(t, "a WebSocket", func() bool { return strings.Contains(c.out.String(), "Connected to") || c.ended() })
	if c.ended() {
		t.Fatalf("no WebSocket: %s", c.out.String())
	}
	return c
}

// echoes says something and waits until it comes back.
func (c *talker) echoes(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, text+"\n"); err != nil {
		c.t.Fatalf("%v\n%s%s", err, c.out.String(), c.log.String())
	}
	hosttest.Eventually(c.t, "the echo of "+text, func() bool { return strings.Contains(c.out.String(), "< "+text) || c.ended() })
	c.says("< " + text)
}

// bye closes the WebSocket in an orderly way (RFC 6455 7.4.1: 1000).
func (c *talker) bye() {
	c.t.Helper()
	_ = c.in.Close()
	c.wait().succeeded().says("Connection closed: 1000")
}
