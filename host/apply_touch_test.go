package host_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/sample"
)

// variedYAML has a pushed point, one that is fetched, and players of two plugins.
const variedYAML = `
listeners: {web: {address: "127.0.0.1:0"}}
points:
  live: {source: push, grace: 10s}
  film: {source: {url: "file:one.asf"}, grace: 10s}
  gone: {source: {url: "file:one.asf"}, grace: 10s}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["live"]}}
  file: {module: "builtin:file", grant: {publish: ["*"], read: ["*.asf"]}}
  asf: {module: "builtin:asf"}
  wmsp: {module: "builtin:wmsp", listeners: [web], grant: {attach: ["*"]}}
  http: {module: "builtin:http", listeners: [web], grant: {attach: ["*"]}}
`

func varied(t *testing.T) *hosttest.Server {
	t.Helper()
	s := hosttest.Start(t, variedYAML, hosttest.WithFile("one.asf", sample.Demo()), hosttest.WithFile("two.asf", sample.Demo()))
	s.WaitPoint("film", "live")
	s.WaitPoint("gone", "live")
	return s
}

// watch attaches a player by plain HTTP and gives its end.
func watch(t *testing.T, s *hosttest.Server, path string) (ended chan struct{}) {
	t.Helper()
	resp, err := http.Get(s.URL("web", "http", path))
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", path, resp.Status)
	}
	t.Cleanup(func() { resp.Body.Close() })
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, resp.Body)
	}()
	return ended
}

func replaced(t *testing.T, pairs ...string) string {
	t.Helper()
	text := variedYAML
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("there is no %q", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}

// effects are the touched sessions of a plan as text.
func effects(p hosttest.Plan) (all []string) {
	for _, s := range p.Sessions {
		all = append(all, fmt.Sprintf("%d %s %s %s: %s", s.ID, s.Plugin, s.Role, s.Point, s.Effect))
	}
	slices.Sort(all)
	return all
}

// TestPlanIsApply: the sessions that a plan lists are those that apply touches, as the
// list says, and all others go on.
func TestPlanIsApply(t *testing.T) {
	t.Parallel()
	for name, change := range map[string][]string{
		"a plugin gets limits":    {"[\"*\"]}}\n  http", "[\"*\"]}, limits: {event: 50ms}}\n  http"},
		"more instances":          {"wmsp: {", "wmsp: {instances: 3, drain: 1m, "},
		"a plugin is removed":     {"  http: {module: \"builtin:http\", listeners: [web], grant: {attach: [\"*\"]}}\n", ""},
		"a plugin is disabled":    {"wmsp: {", "wmsp: {enabled: false, "},
		"the format is disabled":  {"asf: {module", "asf: {enabled: false, module"},
		"the pusher is disabled":  {"push: {module", "push: {enabled: false, module"},
		"a point is removed":      {"  gone: {source: {url: \"file:one.asf\"}, grace: 10s}\n", ""},
		"another URL":             {"film: {source: {url: \"file:one.asf\"}", "film: {source: {url: \"file:two.asf\"}"},
		"from push to URL":        {"live: {source: push", "live: {source: {url: \"file:two.asf\"}"},
		"from URL to push":        {"film: {source: {url: \"file:one.asf\"}", "film: {source: push"},
		"limits of a point":       {"live: {source: push, grace: 10s", "live: {source: push, grace: 20s, buffer: 20s, limits: {viewers: 5}, latency: 5ms, burst_rate: 2"},
		"a grant":                 {"publish: [\"live\"]", "publish: [\"*\"]"},
		"a point and two plugins": {"live: {source: push", "live: {source: {url: \"file:two.asf\"}", "asf: {module: \"builtin:asf\"", "asf: {module: \"builtin:asf\", limits: {event: 50ms}", "http: {", "http: {enabled: false, "},
		"nothing":                 {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			planIsApply(t, replaced(t, change...))
		})
	}
}

func planIsApply(t *testing.T, next string) {
	s := varied(t)
	b := air(t, s, 2)
	for _, path := range []string{"/live", "/film", "/gone"} {
		watch(t, s, path)
	}
	s.Wait("all sessions", func() bool { return len(s.Sessions("")) == 14 })
	before := s.Sessions("")
	generations := map[string]uint64{}
	for _, p := range s.Status().Plugins {
		generations[p.Name] = p.Generation
	}
	plan, err := s.Plan(next)
	if err != nil {
		t.Fatal(err)
	}
	done, err := s.Apply(next)
	if err != nil {
		t.Fatal(err)
	}
	if want, got := effects(plan), effects(done); !slices.Equal(want, got) {
		t.Errorf("planned\n%s\ntouched\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"))
	}
	t.Logf("%d of %d sessions are touched:\n%s", len(plan.Sessions), len(before), strings.Join(effects(plan), "\n"))
	fate := map[uint64]string{}
	for _, x := range plan.Sessions {
		fate[x.ID] = x.Effect
	}
	here := func() map[uint64]bool {
		all := map[uint64]bool{}
		for _, x := range s.Sessions("") {
			all[x.ID] = true
		}
		return all
	}
	s.Wait("the end of all sessions that end", func() bool {
		now := here()
		return !slices.ContainsFunc(before, func(x hosttest.Session) bool { return fate[x.ID] == "ends" && now[x.ID] })
	})
	now := here()
	for _, x := range before {
		if fate[x.ID] != "ends" && !now[x.ID] {
			t.Errorf("session %d %s %s of %s has ended, the plan says %q", x.ID, x.Plugin, x.Role, x.Point, fate[x.ID])
		}
	}
	for _, p := range s.Status().Plugins {
		moved := slices.ContainsFunc(plan.Sessions, func(x hosttest.Touched) bool { return x.Plugin == p.Name && x.Effect == "moves" })
		if isNew := p.Generation != generations[p.Name] && p.State == "running"; isNew != moved {
			t.Errorf("plugin %s: generation %d after %d; sessions moved: %v", p.Name, p.Generation, generations[p.Name], moved)
		}
	}
	close(b.stop)
	b.pushing.Wait()
}

// TestPointsChange: points are changed in place, under their viewers, added and removed.
func TestPointsChange(t *testing.T) {
	t.Parallel()
	s := varied(t)
	film, gone := watch(t, s, "/film"), watch(t, s, "/gone")
	next := replaced(t, "  gone: {source: {url: \"file:one.asf\"}, grace: 10s}\n", "  more: {source: {url: \"file:two.asf\"}}\n",
		"film: {source: {url: \"file:one.asf\"}", "film: {limits: {viewers: 1}, source: {url: \"file:two.asf\"}",
		"live: {source: push", "live: {source: {url: \"file:two.asf\"}")
	if _, err := s.Apply(next); err != nil {
		t.Fatal(err)
	}
	s.Wait("the end of a point that was removed", func() bool { return isClosed(gone) })
	for _, name := range []string{"more", "live", "film"} {
		s.WaitPoint(name, "live")
		if p := s.Point(name); !strings.Contains(p.Source, "two.asf") {
			t.Errorf("%s is fed by %q", name, p.Source)
		}
	}
	before := s.Point("film").Renditions[0].NextSequence
	s.Wait("packets of the new source", func() bool { return s.Point("film").Renditions[0].NextSequence > before+20 })
	if isClosed(film) {
		t.Error("the viewer of a point that got another source is gone")
	}
	if status, _ := fetch(t, s.URL("web", "http", "/film")); status != http.StatusServiceUnavailable {
		t.Errorf("a second viewer, of one: %d", status)
	}
	if status, _ := fetch(t, s.URL("web", "http", "/gone")); status != http.StatusNotFound {
		t.Errorf("a point that was removed: %d", status)
	}
	if _, err := s.Apply(variedYAML); err != nil {
		t.Fatal(err)
	}
	s.WaitPoint("gone", "live")
	s.WaitPoint("live", "waiting")
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// TestPluginsChange: plugins are added, removed and disabled while others go on; one
// that an operator has disabled stays so.
func TestPluginsChange(t *testing.T) {
	t.Parallel()
	s := varied(t)
	b := air(t, s, 2)
	if err := s.Disable("http", "maintenance"); err != nil {
		t.Fatal(err)
	}
	asx := variedYAML + "  asx: {module: \"builtin:asx\", listeners: [web], grant: {documents: true}}\n"
	plan, err := s.Apply(strings.Replace(asx, "http: {", "http: {limits: {event: 50ms}, ", 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range plan.Changes {
		if c.Name == "http" && !strings.Contains(c.Note, "stays disabled (maintenance)") {
			t.Errorf("%+v", c)
		}
	}
	if status, text := fetch(t, s.URL("web", "http", "/live.asx")); status != 200 || !strings.Contains(text, "mmsh://") {
		t.Errorf("a plugin that was added: %d %s", status, text)
	}
	if p := s.Plugin("http"); p.State != "disabled" || p.Reason != "maintenance" {
		t.Errorf("%s: %s", p.State, p.Reason)
	}
	if _, err := s.Apply(variedYAML); err != nil {
		t.Fatal(err)
	}
	if status, _ := fetch(t, s.URL("web", "http", "/live.asx")); status == 200 {
		t.Errorf("a plugin that was removed: %d", status)
	}
	if err := s.Enable("http"); err != nil {
		t.Fatal(err)
	}
	watch(t, s, "/live")
	b.attach(1)
	b.whole()
}

// TestModuleChange: a module that has changed under the same name is part of a change.
func TestModuleChange(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, broadcastYAML)
	b := air(t, s, 3)
	s.Replace("wmsp", rebuilt(t, "Tacoma/1", "version: 0.1.0", "version: 0.2.0"))
	plan, err := s.Apply(broadcastYAML)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Changes) != 1 || plan.Changes[0].Name != "wmsp" || len(plan.Changes[0].Keys) != 1 || len(plan.Sessions) != 4 || s.Plugin("wmsp").Version != "0.2.0" {
		t.Errorf("%+v", plan)
	}
	s.Replace("wmsp", rebuilt(t, "Tacoma/2", "schema: wmsp/1", "schema: wmsp/9"))
	plan, err = s.Apply(strings.Replace(broadcastYAML, "asf: {", "asf: {limits: {event: 50ms}, ", 1))
	if err != nil {
		t.Fatalf("a version that cannot read the sessions' state: %v", err)
	}
	stay := slices.DeleteFunc(slices.Clone(plan.Sessions), func(x hosttest.Touched) bool { return x.Effect != "stays" })
	if p := s.Plugin("wmsp"); len(stay) == 0 || p.Staying == nil {
		t.Errorf("none stays with the old build: %+v, %+v", plan.Sessions, p)
	}
	b.attach(1)
	b.whole()
}

// TestChangesUnderLoad: changes follow each other while connections come and go; nobody
// is refused who dials an address that stays.
func TestChangesUnderLoad(t *testing.T) {
	t.Parallel()
	s := varied(t)
	b := air(t, s, 3)
	address := s.Addr("web")
	_, port, _ := net.SplitHostPort(address)
	fixed := strings.Replace(variedYAML, "127.0.0.1:0", "127.0.0.1:"+port, 1)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
		for {
			resp, err := client.Get("http://" + address + "/nothing")
			if err == nil && resp.StatusCode != http.StatusNotFound {
				err = fmt.Errorf("answer %s", resp.Status)
			}
			if err == nil {
				err = resp.Body.Close()
			}
			select {
			case <-stop:
				done <- err
				return
			default:
			}
			if err != nil {
				done <- err
				return
			}
		}
	}()
	asked := make(chan struct{})
	go func() { // whoever asks for the status must not keep a change from its end
		defer close(asked)
		for {
			select {
			case <-stop:
				return
			default:
				s.Status()
			}
		}
	}()
	for i := range 12 {
		text := fixed
		if i%2 == 0 {
			text = strings.Replace(text, "\"}", "\", fallback: {files: .}}", 1)
		}
		if i%3 == 0 {
			text = strings.Replace(text, "asf: {", "asf: {limits: {event: 50ms}, ", 1)
		}
		if i%4 == 0 {
			text = strings.Replace(text, "grace: 10s", "grace: 20s", 1)
		}
		if _, err := s.Apply(text); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	<-asked
	if err := <-done; err != nil {
		t.Error(err)
	}
	b.whole()
}
