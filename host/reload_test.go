package host_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/weir-media/weir/host"
	"github.com/weir-media/weir/host/hosttest"
)

// lines is what a server writes, for a test that reads it meanwhile.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) has(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), s)
}

// TestHangup: SIGHUP applies the file that the server was started with; a bad one is
// refused whole, with its lines in the log.
func TestHangup(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "weir-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "plugins.yaml")
	p := freePorts(t, 2)
	yaml := func(port int) []byte {
		return fmt.Appendf(nil, "listeners:\n  web: {address: \"127.0.0.1:%d\", fallback: {files: .}}\n", port)
	}
	write(t, path, yaml(p[0]))
	ctx, stop := context.WithCancel(t.Context())
	var out, log lines
	hangup, ended := make(chan os.Signal), make(chan error, 1)
	go func() {
		ended <- host.Run(ctx, host.Options{ConfigPath: path, Hangup: hangup, Out: &out, Log: slog.New(slog.NewTextHandler(&log, nil))})
	}()
	hosttest.Eventually(t, "the server is ready", func() bool { return out.has("ready") })
	page := func(port int) (int, string) { return fetch(t, fmt.Sprintf("http://127.0.0.1:%d/plugins.yaml", port)) }
	if status, text := page(p[0]); status != 200 || text != string(yaml(p[0])) {
		t.Errorf("before: %d %s", status, text)
	}
	write(t, path, yaml(p[1]))
	hangup <- syscall.SIGHUP
	hosttest.Eventually(t, "the new port", func() bool { return log.has("configuration in force") })
	if status, _ := page(p[1]); status != 200 || !refuses(fmt.Sprintf("127.0.0.1:%d", p[0])) {
		t.Errorf("after: %d", status)
	}
	write(t, path, append(yaml(p[0]), "points:\n  live: {source: pusch}\n"...))
	hangup <- syscall.SIGHUP
	want := path + `:4: points.live.source: \"pusch\" is unknown; write source: push`
	hosttest.Eventually(t, "the refusal of a bad file", func() bool { return log.has("configuration not reloaded") })
	if !log.has(want) || !log.has("runs on") {
		t.Errorf("no %q in %s", want, log.text.String())
	}
	if status, _ := page(p[1]); status != 200 || !refuses(fmt.Sprintf("127.0.0.1:%d", p[0])) {
		t.Errorf("after a bad file: %d", status)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// flows gives the sessions of the plugin udp.
func flows(s *hosttest.Server) (ids []uint64) {
	for _, x := range s.Sessions("") {
		if x.Plugin == "udp" {
			ids = append(ids, x.ID)
		}
	}
	return ids
}

// TestDatagramListenerChanges: flows stay when workers or the port change; where a
// listener at the same address is replaced they end, as the plan says, and begin anew.
func TestDatagramListenerChanges(t *testing.T) {
	t.Parallel()
	p := freePorts(t, 2)
	yaml := func(port int, rest string) string {
		return fmt.Sprintf(`
listeners:
  in: {protocol: udp, address: "127.0.0.1:%d"%s}
points:
  live: {source: push}
plugins:
  udp: {module: "builtin:udp", listeners: [in], grant: {publish: [live]}, config: {points: {"*": live}}}
  mpegts: {module: "builtin:mpegts"}
`, port, rest)
	}
	s := hosttest.Start(t, yaml(p[0], ""))
	sender := func(port int) net.Conn {
		conn, failed := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
		if failed != nil {
			t.Fatal(failed)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	stream, err := os.ReadFile("../plugins/udp/testdata/ts1.ts")
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range []int{p[1], p[0]} { // where nobody has sent, the port is free at once
		if _, err = s.Apply(yaml(port, "")); err != nil {
			t.Fatal(err)
		}
	}
	from := sender(p[0])
	send := func(conn net.Conn) { _, _ = conn.Write(stream) } // what is lost is sent again
	hosttest.Eventually(t, "a flow", func() bool { send(from); return len(flows(s)) == 1 })
	first := flows(s)[0]

	plan, err := s.Apply(yaml(p[0], ", workers: 3"))
	if err != nil || len(plan.Sessions) != 0 || len(plan.Changes) != 1 {
		t.Errorf("workers: %+v, %v", plan, err)
	}
	send(from)
	if now := flows(s); len(now) != 1 || now[0] != first {
		t.Errorf("sessions %v after %d", now, first)
	}

	plan, err = s.Plan(yaml(p[0], ", flow: {bytes: 1}"))
	if err != nil || len(plan.Sessions) != 2 || plan.Sessions[0].ID != first || plan.Sessions[0].Effect != "ends" {
		t.Errorf("flow: %+v, %v", plan, err)
	}
	if _, err = s.Apply(yaml(p[0], ", flow: {bytes: 1}")); err != nil {
		t.Fatal(err)
	}
	hosttest.Eventually(t, "a new flow", func() bool {
		send(from)
		now := flows(s)
		return len(now) == 1 && now[0] != first
	})
	second := flows(s)[0]

	if plan, err = s.Apply(yaml(p[1], ", flow: {bytes: 1}")); err != nil || len(plan.Sessions) != 0 {
		t.Errorf("port: %+v, %v", plan, err)
	}
	send(from)
	if now := flows(s); len(now) != 1 || now[0] != second {
		t.Errorf("sessions %v after %d", now, second)
	}
	other := sender(p[1])
	hosttest.Eventually(t, "a flow at the new port", func() bool { send(other); return len(flows(s)) == 2 })
	third := slices.Max(flows(s))

	renamed := strings.NewReplacer("  in: ", "  other: ", "[in]", "[other]").Replace(yaml(p[1], ", flow: {bytes: 1}"))
	if plan, err = s.Apply(renamed); err != nil || !slices.ContainsFunc(plan.Sessions, func(x hosttest.Touched) bool { return x.ID == third && x.Effect == "ends" }) {
		t.Errorf("name: %+v, %v", plan, err)
	}
	hosttest.Eventually(t, "a flow at the listener of another name", func() bool { send(other); return slices.Max(append(flows(s), 0)) > third })
}

// TestDatagramPortGoesBack: a port that was given up under a flow can be had again while
// that is fed: the flow ends, as the plan says, and begins anew; those elsewhere go on.
func TestDatagramPortGoesBack(t *testing.T) {
	t.Parallel()
	p := freePorts(t, 2)
	yaml := func(port int) string {
		return fmt.Sprintf(`
listeners:
  in: {protocol: udp, address: "127.0.0.1:%d"}
points:
  live: {source: push}
  more: {source: push}
plugins:
  udp: {module: "builtin:udp", listeners: [in], grant: {publish: ["*"]}, config: {points: {"%d": live, "%d": more}}}
  mpegts: {module: "builtin:mpegts"}
`, port, p[0], p[1])
	}
	s := hosttest.Start(t, yaml(p[0]))
	stream, err := os.ReadFile("../plugins/udp/testdata/ts1.ts")
	if err != nil {
		t.Fatal(err)
	}
	var senders []net.Conn
	for _, port := range p {
		conn, failed := net.Dial("udp", fmt.Sprintf("127.0.0.1:%d", port))
		if failed != nil {
			t.Fatal(failed)
		}
		t.Cleanup(func() { conn.Close() })
		senders = append(senders, conn)
	}
	send := func(i int) { _, _ = senders[i].Write(stream) } // what is lost is sent again
	hosttest.Eventually(t, "a flow", func() bool { send(0); return len(flows(s)) == 1 })
	first := flows(s)[0]
	if _, err = s.Apply(yaml(p[1])); err != nil {
		t.Fatal(err)
	}
	hosttest.Eventually(t, "a flow at the new port", func() bool { send(1); return len(flows(s)) == 2 })
	second := slices.Max(flows(s))
	old := fmt.Sprintf("127.0.0.1:%d", p[0])
	if notes := s.Status().Notes; len(notes) != 1 || !strings.Contains(notes[0].Text, "still fed at "+old+" (flows: 1)") {
		t.Errorf("notes of the old port: %+v", notes)
	}
	if ports := ask(t, s, "/v1/ports"); !strings.Contains(ports, `"`+fmt.Sprint(p[0])+`"`) || !strings.Contains(ports, "from before a change") {
		t.Errorf("ports: %s", ports)
	}
	ends := func(p hosttest.Plan) (ids []uint64) {
		for _, x := range p.Sessions {
			if x.Plugin == "udp" && x.Effect == "ends" {
				ids = append(ids, x.ID)
			}
		}
		return ids
	}
	plan, err := s.Plan(yaml(p[0]))
	if err != nil || !slices.Equal(ends(plan), []uint64{first}) {
		t.Errorf("plan: %+v, %v", plan, err)
	}
	if plan, err = s.Apply(yaml(p[0])); err != nil || !slices.Equal(ends(plan), []uint64{first}) {
		t.Fatalf("apply: %+v, %v", plan, err)
	}
	hosttest.Eventually(t, "the flow anew", func() bool {
		send(0)
		send(1)
		return slices.Max(flows(s)) > second && !slices.Contains(flows(s), first)
	})
	if !slices.Contains(flows(s), second) {
		t.Errorf("the flow elsewhere is gone: %v", flows(s))
	}
}
