package readme_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const writtenPort = "8080" // in README.md and plugins.yaml

// choosePort gives the port that is written. If it is taken, the test says by whom and uses another, so that a demo that runs harms no test.
func choosePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", ":"+writtenPort)
	if err == nil {
		l.Close()
		return writtenPort
	}
	reason := fmt.Sprintf("port %s, which README.md and plugins.yaml name, is taken by %s: %v", writtenPort, holder(writtenPort), err)
	if l, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	t.Logf("%s; so this run uses port %s", reason, port)
	return port
}

// holder names the process that listens on a TCP port, as far as this user may know (proc(5): net/tcp, fd).
func holder(port string) string {
	sockets := listening(port)
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !sockets[target] {
			continue
		}
		process := filepath.Dir(filepath.Dir(link))
		command, _ := os.ReadFile(filepath.Join(process, "cmdline"))
		return fmt.Sprintf("process %s (%s)", filepath.Base(process), strings.TrimSpace(strings.ReplaceAll(string(command), "\x00", " ")))
	}
	return "a process of another user"
}

// listening gives the sockets on a port in the form of links in /proc/PID/fd.
func listening(port string) map[string]bool {
	const stateListen = "0A"
	number, _ := strconv.ParseUint(port, 10, 16)
	sockets := map[string]bool{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, _ := os.ReadFile(table)
		for line := range strings.Lines(string(text)) {
			f := strings.Fields(line) // sl local_address rem_address st tx:rx tr:tm retrnsmt uid timeout inode
			if len(f) > 9 && f[3] == stateListen && strings.HasSuffix(f[1], fmt.Sprintf(":%04X", number)) {
				sockets["socket:["+f[9]+"]"] = true
			}
		}
	}
	return sockets
}

func TestHolder(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if got, want := holder(port), "process "+strconv.Itoa(os.Getpid())+" ("; !strings.HasPrefix(got, want) {
		t.Errorf("the holder is %s, want %s…", got, want)
	}
}
