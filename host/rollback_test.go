package host_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/handover"
	"github.com/weir-media/weir/host/sample"
)

// rarely is a build of wmsp that panics on a path that nobody has asked for before, if
// its configuration or its version says so.
func rarely(t *testing.T, when string, manifest ...string) []byte {
	t.Helper()
	const answers = "\tswitch e := e.(type) {\n\tcase *abi.HTTPRequest:\n"
	return changedBuild(t, "wmsp.go", answers, answers+"\t\tif "+when+" && string(e.Path) == \"/rare\" {\n\t\t\tpanic(\"rare\")\n\t\t}\n", manifest...)
}

// rare asks for that path from three networks, and gives how many were turned away by a
// fault.
func rare(t *testing.T, s *hosttest.Server, first int) (faults int) {
	t.Helper()
	for n := first; n < first+3; n++ {
		q, err := http.NewRequest(http.MethodGet, s.URL("web", "http", "/rare"), http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("User-Agent", "NSPlayer/7.10.0.3059")
		answer, err := from("127.0." + strconv.Itoa(n) + ".1").Do(q)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusServiceUnavailable {
			faults++
		}
	}
	return faults
}

// TestRolledBackConfig: a configuration that is rolled back alone, with the same module, is
// tried again by the next apply and by the next reload, as the plan says; and another
// takes its place.
func TestRolledBackConfig(t *testing.T) {
	s := hosttest.Start(t, broadcastYAML, hosttest.WithModule("wmsp", rarely(t, "p.fastStart == 7e6")))
	b := air(t, s, 3)
	good := s.Plugin("wmsp").Generation
	bad := strings.Replace(broadcastYAML, "wmsp: {", "wmsp: {config: {fast_start_ms: 7}, ", 1)
	try := func(what string, first int, change func() error) {
		t.Helper()
		if err := change(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if p := s.Plugin("wmsp"); p.Generation == good {
			t.Fatalf("%s: generation %d runs still", what, good)
		}
		if n := rare(t, s, first); n != 3 {
			t.Errorf("%s: %d faults: it is not what was to be tried", what, n)
		}
		s.Wait("the configuration before", func() bool { return s.Plugin("wmsp").Generation == good })
	}
	apply := func() error { _, err := s.Apply(bad); return err }
	try("the first apply", 1, apply)
	plan, err := s.Plan(bad)
	if err != nil || len(plan.Changes) != 1 || plan.Changes[0].Name != "wmsp" || !strings.Contains(plan.Changes[0].Note, "rolled back is tried again") || len(plan.Sessions) == 0 {
		t.Errorf("%+v, %v", plan, err)
	}
	try("the same apply", 11, apply)
	try("a reload", 21, func() error { return s.Reload("wmsp") })
	for i, want := range []int{1, 0} { // the way back is a change, since the file was the bad one's
		applied, err := s.Apply(broadcastYAML)
		if err != nil || len(applied.Changes) != want || s.Plugin("wmsp").RolledBack != "" && i == 1 {
			t.Errorf("%d: %+v, %v", i, applied, err)
		}
	}
	if n := rare(t, s, 31); n != 0 {
		t.Errorf("with the first configuration: %d faults", n)
	}
	b.whole()
}

// TestRollBackWaitsForTakeover: while another server takes over nothing is rolled back; when
// that has failed it is.
func TestRollBackWaitsForTakeover(t *testing.T) {
	s := hosttest.Start(t, strings.Replace(broadcastYAML, "127.0.0.1:0", freeAddress(t), 1))
	b := air(t, s, 2)
	good := s.Plugin("wmsp").Generation
	s.Replace("wmsp", rarely(t, "true"))
	if err := s.Reload("wmsp"); err != nil {
		t.Fatal(err)
	}
	bad := s.Plugin("wmsp").Generation
	x := succeed(t, s)
	x.greet()
	x.until(handover.Ready)
	if n := rare(t, s, 1); n != 3 {
		t.Errorf("%d faults", n)
	}
	s.Wait("it waits", func() bool { return strings.Contains(s.Log(), "waits for the end of the take-over") })
	if p := s.Plugin("wmsp"); p.Generation != bad {
		t.Errorf("generation %d, not %d, during a take-over", p.Generation, bad)
	}
	x.die()
	s.Wait("the build before", func() bool { return s.Plugin("wmsp").Generation == good })
	b.whole()
}

// TestFewerInstancesInPlan: packagers that go on with another instance are in the plan, and
// in what apply says, as sessions that move, and are the same afterwards.
func TestFewerInstancesInPlan(t *testing.T) {
	two := strings.Replace(variedYAML, "wmsp: {", "wmsp: {instances: 2, ", 1)
	s := hosttest.Start(t, two, hosttest.WithFile("one.asf", sample.Demo()))
	packagers := func() (ids []uint64) {
		for _, point := range []string{"film", "gone"} {
			for _, x := range s.Sessions(point) {
				if x.Plugin == "wmsp" && x.Role == "packager" {
					ids = append(ids, x.ID)
				}
			}
		}
		slices.Sort(ids)
		return ids
	}
	s.Wait("two packagers", func() bool { return len(packagers()) == 2 })
	before := packagers()
	plan, err := s.Plan(variedYAML)
	if err != nil {
		t.Fatal(err)
	}
	applied, err := s.Apply(variedYAML)
	if err != nil {
		t.Fatal(err)
	}
	for what, p := range map[string]hosttest.Plan{"planned": plan, "applied": applied} {
		if len(p.Sessions) != 1 || p.Sessions[0].Effect != "moves" || p.Sessions[0].Role != "packager" || !slices.Contains(before, p.Sessions[0].ID) {
			t.Errorf("%s: %+v", what, p.Sessions)
		}
	}
	if want, got := effects(plan), effects(applied); !slices.Equal(want, got) {
		t.Errorf("applied:\n%q, planned:\n%q", got, want)
	}
	s.Wait("they go on", func() bool { return slices.Equal(packagers(), before) && s.Plugin("wmsp").Instances == 1 })
}

// TestRollBackKeepsGrant: what the configuration has taken away while a build was on trial
// stays away when the one before comes back.
func TestRollBackKeepsGrant(t *testing.T) {
	s := hosttest.Start(t, broadcastYAML)
	b := air(t, s, 2)
	good := s.Plugin("wmsp").Generation
	s.Replace("wmsp", rarely(t, "true"))
	if err := s.Reload("wmsp"); err != nil {
		t.Fatal(err)
	}
	bad := s.Plugin("wmsp").Generation
	if _, err := s.Apply(strings.Replace(broadcastYAML, `wmsp: {module: "builtin:wmsp", listeners: [web], grant: {attach: ["*"]}}`,
		`wmsp: {module: "builtin:wmsp", listeners: [web]}`, 1)); err != nil || s.Plugin("wmsp").Generation != bad {
		t.Fatalf("generation %d, %v", s.Plugin("wmsp").Generation, err)
	}
	rare(t, s, 1)
	s.Wait("the build before", func() bool { return s.Plugin("wmsp").Generation == good })
	if line := plays(t, s, 20); strings.HasSuffix(line, " 200") {
		t.Errorf("a player got %q", line)
	}
	b.whole()
}
