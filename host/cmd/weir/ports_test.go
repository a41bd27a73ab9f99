package main

import (
	"bufio"
	"context"
	"io"
	"os"
	"strings"
	"testing"
)

// run starts a server with a configuration in the current folder and waits until it is ready. It ends with the test.
func runServer(t *testing.T, config string) {
	t.Helper()
	write(t, configFile, config)
	ctx, cancel := context.WithCancel(context.Background())
	out, printed := io.Pipe()
	ended := make(chan int, 1)
	var log strings.Builder
	go func() {
		ended <- execute(ctx, []string{"serve", "--log-level", "error", "--drain", "1s"}, printed, &log)
		printed.Close()
	}()
	t.Cleanup(func() {
		cancel()
		if code := <-ended; code != 0 {
			t.Errorf("weir serve: exit %d, %s", code, log.String())
		}
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "ready") {
			go func() { _, _ = io.Copy(io.Discard, out) }() // ends with the server
			return
		}
	}
	t.Fatal("weir serve ended before it was ready")
}

// TestPortsOfAServer: what a running server has open is what it says, and nftables takes the rules of it.
func TestPortsOfAServer(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "token", secret+"\n")
	runServer(t, `
admin: {socket: weir.sock}
metrics: {address: "127.0.0.1:21770"}
listeners:
  web: {address: "127.0.0.1:21780", steer: off, fallback: {upstream: "http://localhost:21781"}}
  six: {address: "[::1]:21780", steer: off}
  in: {protocol: udp, address: "0.0.0.0:21782", groups: ["239.192.47.47"], interface: lo, workers: 1, steer: off}
  wide: {addresses: ["127.77.0.0/16"], ports: ["21800-21899"]}
points:
  live: {source: push}
`)
	code, table, problem := weir("ports")
	if code != 0 {
		t.Fatalf("weir ports: exit %d, %q", code, problem)
	}
	for _, want := range []string{"in tcp 127.0.0.1 21780 bind web", "in tcp 127.0.0.1 21770", "in udp 0.0.0.0 21782 bind in", "in udp 239.192.47.47 21782 bind in",
		"in igmp * - - in", "out igmp * - - in", "out tcp localhost 21781 - web", "out udp * 53"} {
		if !strings.Contains(squeeze(table), want) {
			t.Errorf("weir ports has no %q:\n%s", want, table)
		}
	}
	_, rules, _ := weir("ports", "--nft")
	if _, status, _ := weir("status"); !strings.Contains(status, "listener wide failed") { // it needs rights, which the listener says
		for text, want := range map[string]string{squeeze(table): "in tcp 127.77.0.0/16 21800-21899 steer wide", rules: "ip daddr 127.77.0.0/16 tcp dport 21800-21899 accept"} {
			if !strings.Contains(text, want) {
				t.Errorf("a claim is missing: no %q in\n%s", want, text)
			}
		}
	} else if os.Getenv("CI") == "true" && os.Getuid() == 0 {
		t.Errorf("root cannot steer:\n%s", status)
	}
	if !strings.Contains(rules, "ip daddr 239.192.47.47 udp dport 21782 accept") || !strings.Contains(rules, "ip protocol igmp accept") {
		t.Errorf("weir ports --nft:\n%s", rules)
	}
	loads(t, rules)
}

// squeeze makes one blank of several.
func squeeze(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}
