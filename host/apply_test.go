package host_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
)

// freePorts gives ports of 127.0.0.1 that nobody has at the moment.
func freePorts(t *testing.T, n int) (ports []int) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// onAir is a configuration with a listener of its own for players.
func onAir(web, play string) string {
	return fmt.Sprintf(`
listeners:
  web: {address: "127.0.0.1:%s"}
  play: {address: "127.0.0.1:%s", steer: off}
points:
  live: {source: push, grace: 1s}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["*"]}}
  asf: {module: "builtin:asf"}
  wmsp: {module: "builtin:wmsp", listeners: [web, play], grant: {attach: ["*"]}}
  asx: {module: "builtin:asx", listeners: [web, play], grant: {documents: true}}
`, web, play)
}

// askOn makes a request on a connection of its own, which stays open.
func askOn(t *testing.T, conn net.Conn, path string) string {
	t.Helper()
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: weir\r\n\r\n", path); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func refuses(address string) bool {
	conn, err := net.Dial("tcp", address)
	if err == nil {
		conn.Close()
	}
	return err != nil
}

// TestPortChange: the port of a listener changes under an encoder and attached viewers,
// who lose nothing; the old port is given up, and the .asx has the new URLs at once.
func TestPortChange(t *testing.T) {
	t.Parallel()
	p := freePorts(t, 4)
	port := func(i int) string { return fmt.Sprint(p[i]) }
	s := hosttest.Start(t, onAir(port(0), port(1)))
	b := air(t, s, 5)
	keptAlive, err := net.Dial("tcp", s.Addr("play"))
	if err != nil {
		t.Fatal(err)
	}
	defer keptAlive.Close()
	if text := askOn(t, keptAlive, "/live.asx"); !strings.Contains(text, ":"+port(1)+"/live") {
		t.Fatalf("before: %s", text)
	}
	next := onAir(port(2), port(3))
	plan, err := s.Plan(next)
	if err != nil {
		t.Fatal(err)
	}
	var urls []string
	for _, u := range plan.URLs {
		urls = append(urls, u.Plugin+" "+u.Point+" "+u.Old+" "+u.New)
	}
	want := fmt.Sprintf("wmsp live mmsh://127.0.0.1:%s/live mmsh://127.0.0.1:%s/live", port(0), port(2))
	if !slices.Contains(urls, want) || len(plan.Sessions) != 0 || plan.Applied || len(plan.Changes) != 2 {
		t.Fatalf("plan %+v", plan)
	}
	if s.Addr("web") != "127.0.0.1:"+port(0) {
		t.Fatal("the plan has changed something")
	}
	done, err := s.Apply(next)
	if err != nil || !done.Applied {
		t.Fatalf("%+v, %v", done, err)
	}
	for _, i := range []int{0, 1} {
		if !refuses("127.0.0.1:" + port(i)) {
			t.Errorf("the old port %d still takes connections", i)
		}
	}
	if status, text := fetch(t, s.URL("play", "http", "/live.asx")); status != 200 || !strings.Contains(text, ":"+port(3)+"/live") || strings.Contains(text, ":"+port(1)+"/") {
		t.Errorf("after: %d %s", status, text)
	}
	if text := askOn(t, keptAlive, "/live.asx"); !strings.Contains(text, ":"+port(3)+"/live") {
		t.Errorf("on an old connection: %s", text)
	}
	b.attach(2)
	b.whole()
}

// TestPortsChangePlaces: two listeners change ports with each other, and one becomes
// wider than it was, in one change.
func TestPortsChangePlaces(t *testing.T) {
	t.Parallel()
	p := freePorts(t, 3)
	yaml := func(a, b int, c string) string {
		return fmt.Sprintf(`
listeners:
  a: {address: "127.0.0.1:%d", fallback: {files: a}}
  b: {address: "127.0.0.1:%d", fallback: {files: b}}
  c: {address: "%s:%d", fallback: {files: c}}
`, a, b, c, p[2])
	}
	var files []hosttest.Option
	for _, name := range []string{"a", "b", "c"} {
		files = append(files, hosttest.WithFile(name+"/who.txt", []byte(name)))
	}
	s := hosttest.Start(t, yaml(p[0], p[1], "127.0.0.1"), files...)
	who := func(address string) string {
		_, text := fetch(t, "http://"+address+"/who.txt")
		return text
	}
	at := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	if got := who(at(p[0])) + who(at(p[1])) + who(at(p[2])); got != "abc" {
		t.Fatalf("before: %s", got)
	}
	for i, c := range []string{"0.0.0.0", "127.0.0.1", "127.0.0.3"} {
		a, b, want := p[1], p[0], "ba"
		if i%2 == 1 {
			a, b, want = p[0], p[1], "ab"
		}
		if _, err := s.Apply(yaml(a, b, c)); err != nil {
			t.Fatal(err)
		}
		if got := who(at(p[0])) + who(at(p[1])); got != want {
			t.Errorf("%d: %s answer, want %s", i, got, want)
		}
		address := at(p[2])
		if c != "127.0.0.1" {
			address = fmt.Sprintf("127.0.0.3:%d", p[2])
		}
		if got := who(address); got != "c" {
			t.Errorf("%d: %s answers at %s", i, got, address)
		}
	}
	if !refuses(at(p[2])) {
		t.Error("an address that was given up takes connections")
	}
	for _, l := range s.Status().Listeners {
		if l.Rung != "bind" {
			t.Errorf("listener %s, bound here, is said to be by %s", l.Name, l.Rung)
		}
	}
	if want := fmt.Sprintf("listeners.a.address: 127.0.0.1:%d -> 127.0.0.1:%d", p[0], p[1]); !strings.Contains(s.Log(), want) {
		t.Errorf("the log does not say %q", want)
	}
}

// TestPlanTriesAddresses: a plan refuses what apply would refuse, an address that this
// computer does not have or that another has; what it tries it does not take.
func TestPlanTriesAddresses(t *testing.T) {
	t.Parallel()
	holder, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Close()
	p := freePorts(t, 2)
	yaml := func(web, in string) string {
		return fmt.Sprintf("listeners:\n  web: {address: %q, steer: off, fallback: {files: .}}\n  in: {protocol: udp, steer: off, address: %q}\n", web, in)
	}
	at := func(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }
	s := hosttest.Start(t, yaml(at(p[0]), at(p[0])))
	for text, want := range map[string]string{
		yaml("192.0.2.77:8080", at(p[0])):      ":2: listeners.web: listener web: listen on 192.0.2.77:8080: cannot assign requested address",
		yaml(at(p[0]), "192.0.2.77:5000"):      ":3: listeners.in: listener in: listen on 192.0.2.77:5000: cannot assign requested address",
		yaml(holder.Addr().String(), at(p[0])): "listen on " + holder.Addr().String() + ": address already in use by",
	} {
		for _, do := range []func(string) (hosttest.Plan, error){s.Plan, s.Apply} {
			if _, err := do(text); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v\nwant %s", err, want)
			}
		}
		if !strings.Contains(s.Log(), want) {
			t.Errorf("the log does not say %s", want)
		}
	}
	for range 2 {
		for _, text := range []string{yaml(at(p[1]), at(p[1])), yaml("0.0.0.0:"+fmt.Sprint(p[0]), "0.0.0.0:"+fmt.Sprint(p[0]))} {
			if plan, err := s.Plan(text); err != nil || len(plan.Changes) != 2 {
				t.Errorf("%+v, %v", plan, err)
			}
		}
	}
	if _, err := s.Apply(yaml(at(p[1]), at(p[1]))); err != nil {
		t.Error(err)
	}
}

// state is all that a refused change must leave as it was.
func state(s *hosttest.Server) string {
	st := s.Status()
	var b strings.Builder
	for _, l := range st.Listeners {
		fmt.Fprintln(&b, l.Name, l.State, l.Addresses, l.Plugins)
	}
	for _, p := range st.Plugins {
		fmt.Fprintln(&b, p.Name, p.State, p.Generation, p.Listeners)
	}
	for _, p := range st.Points {
		fmt.Fprintln(&b, p.Name, p.State, p.MaxViewers, p.Sources)
	}
	for _, x := range s.Sessions("") {
		fmt.Fprintln(&b, x.ID, x.Plugin, x.Role)
	}
	return b.String()
}

// TestRefusedWhole: a change of which one part fails changes nothing, and the error
// names the file, the line, what is wrong and what to do.
func TestRefusedWhole(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	p := freePorts(t, 3)
	port := func(i int) string { return fmt.Sprint(p[i]) }
	old := onAir(port(0), port(1))
	s := hosttest.Start(t, old, hosttest.WithFile("bad.wasm", []byte("no module")))
	b := air(t, s, 2)
	before := state(s)
	for name, c := range map[string]struct{ change, want string }{
		"a bad line":     {`viewers: many`, `plugins.yaml:6: points.live.limits.viewers: "many" is not a whole number`},
		"an unknown key": {`viewer: 3`, `plugins.yaml:6: points.live.limits.viewer: unknown key; did you mean "viewers"?`},
	} {
		text := strings.Replace(onAir(port(2), port(1)), "grace: 1s", "limits: {"+c.change+"}", 1)
		for _, do := range []func(string) (hosttest.Plan, error){s.Plan, s.Apply} {
			if _, err := do(text); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "nothing has changed") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	_, where, _ := net.SplitHostPort(taken.Addr().String())
	for name, c := range map[string]struct{ text, want string }{
		"a port that is taken": {onAir(port(2), where), "plugins.yaml:4: listeners.play: 0xC00D158B listener play: listen on " + taken.Addr().String()},
		"a broken module":      {onAir(port(2), port(1)) + "  bad: {module: bad.wasm}\n", "plugins.yaml:12: plugins.bad.module: "},
		"a plugin's config":    {onAir(port(2), port(1)) + "  http: {module: \"builtin:http\", listeners: [web], config: {x: 1}}\n", "plugins.yaml:12: plugins.http.config: "},
		"no certificate":       {strings.Replace(onAir(port(2), port(1)), "\"}\n", "\", tls: {cert: c, key: k}}\n", 1), "plugins.yaml:3: listeners.web.tls.cert: "},
		"two on one route":     {onAir(port(2), port(1)) + "  again: {module: \"builtin:wmsp\", listeners: [web]}\n", "plugins.yaml:3: listeners.web: "},
		"never starts":         {onAir(port(2), port(1)) + "  slow: {module: \"builtin:slow\"}\n", "plugins.yaml:12: plugins.slow.module: "},
	} {
		if name == "never starts" {
			s.Replace("slow", slow(t))
		}
		_, err := s.Apply("# line 1 is empty" + c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "nothing has changed") {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
		if now := state(s); now != before {
			t.Errorf("%s: before\n%s\nafter\n%s", name, before, now)
		}
		if !refuses("127.0.0.1:" + port(2)) {
			t.Errorf("%s: the new port is open", name)
		}
	}
	b.attach(1)
	b.whole()
}
