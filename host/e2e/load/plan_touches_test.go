//go:build linux

package load_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/sample"
)

const changingConfig = `
listeners:
  web: {address: "127.0.0.1:WEB"}
  play: {address: "127.0.0.1:PLAY"}
points:
  live: {source: push, buffer: 10s, grace: 0s}
  other: {source: push, buffer: 10s, grace: 0s}
  film: {source: {url: "file:one.asf"}, grace: 0s}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["*"]}}
  file: {module: "builtin:file", grant: {publish: ["*"], read: ["*.asf"]}}
  asf: {module: "builtin:asf"}
  wmsp: {module: "builtin:wmsp", listeners: [web, play], grant: {attach: ["*"]}}
  http: {module: "builtin:http", listeners: [web], grant: {attach: ["*"]}}
  asx: {module: "builtin:asx", listeners: [web, play], grant: {documents: true}}
  grenade: {module: "builtin:grenade", listeners: [web], grant: {attach: ["*"]}}
`

// changes are what can be changed, each in its own words: what the configuration says otherwise.
var changes = []struct{ name, was, now string }{
	{"the port of web", "WEB", "WEB2"},
	{"the port of play", "PLAY", "PLAY2"},
	{"play is disabled", "play: {", "play: {enabled: false, "},
	{"limits of asf", "builtin:asf\"", "builtin:asf\", limits: {event: 40ms}"},
	{"limits of wmsp", "builtin:wmsp\", listeners", "builtin:wmsp\", limits: {event: 40ms}, listeners"},
	{"the configuration of http", "builtin:http\", listeners", "builtin:http\", config: {fast_start_ms: 1000}, listeners"},
	{"http is disabled", "http: {", "http: {enabled: false, "},
	{"a grant of wmsp", "play], grant: {attach: [\"*\"]}}\n  http", "play], grant: {attach: [live, other, film]}}\n  http"},
	{"grenade is removed", "  grenade: {module: \"builtin:grenade\", listeners: [web], grant: {attach: [\"*\"]}}\n", ""},
	{"another module for asx", "builtin:asx", "builtin:asx2"},
	{"other is removed", "  other: {source: push, buffer: 10s, grace: 0s}\n", ""},
	{"the latency of live", "live: {", "live: {latency: 10ms, limits: {viewers: 500}, "},
	{"another film", "one.asf", "two.asf"},
	{"a grant of push", "publish: [\"*\"]}}\n  file", "publish: [live, other]}}\n  file"},
	{"push is disabled", "push: {module", "push: {enabled: false, module"},
	{"asf is disabled", "asf: {module", "asf: {enabled: false, module"},
	{"wmsp is disabled", "wmsp: {", "wmsp: {enabled: false, "},
}

// troupe is a point's encoder and viewers.
type troupe struct {
	point   string
	encoder *encoder
	film    *film
	forms   []*form
	seats   []*seat
}

// changing is a server whose configuration changes again and again under all kinds of sessions.
type changing struct {
	*hosttest.Server
	audience *audience
	ports    []int
	on       []bool // of changes
	troupes  []*troupe
	lines    []*line
}

// TestPlanTouches: the sessions that a plan names are those that apply touches, whatever is changed under encoders, viewers and open connections; those
// that are not named, or only move, go on without a lost byte. And one bad line changes nothing.
func TestPlanTouches(t *testing.T) {
	x := &changing{on: make([]bool, len(changes))}
	for range 4 {
		_, port, _ := net.SplitHostPort(freeAddress(t))
		var n int
		fmt.Sscan(port, &n)
		x.ports = append(x.ports, n)
	}
	x.Server = hosttest.Start(t, x.text(), hosttest.WithFile("one.asf", sample.Demo()), hosttest.WithFile("two.asf", sample.Demo()),
		hosttest.WithPlugin("grenade", "testdata/grenade"), hosttest.WithPlugin("asx2", "../../../plugins/asx"))
	x.audience = newAudience(t)
	x.troupes = []*troupe{{point: "live"}, {point: "other"}}
	seed := scale(uint64(1), uint64(time.Now().UnixNano()))
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 1))
	for i := range scale(len(changes), 300) {
		x.fill(t)
		which := []int{i % len(changes)} // each comes, alone at first
		for range dice.IntN(3) * min(1, i/6) {
			which = append(which, dice.IntN(len(changes)))
		}
		x.refuse(t, dice)
		x.step(t, which)
		if t.Failed() {
			t.Fatalf("step %d: %s", i, x.describe(which))
		}
	}
	for i := range x.on {
		x.on[i] = false
	}
	if _, err := x.Apply(x.text()); err != nil {
		t.Fatal(err)
	}
	x.fill(t)
	for _, p := range x.troupes {
		n := p.encoder.finish()
		x.audience.ended(p.seats, map[*form]int{p.forms[0]: n, p.forms[1]: n})
	}
	innocent(t, x.Server)
}

func (x *changing) text() string {
	text := changingConfig
	for i, c := range changes {
		if !strings.Contains(text, c.was) {
			panic("there is no " + c.was)
		}
		if x.on[i] {
			text = strings.Replace(text, c.was, c.now, 1)
		}
	}
	return strings.NewReplacer("WEB2", fmt.Sprint(x.ports[1]), "PLAY2", fmt.Sprint(x.ports[3]),
		"WEB", fmt.Sprint(x.ports[0]), "PLAY", fmt.Sprint(x.ports[2])).Replace(text)
}

func (x *changing) describe(which []int) string {
	var all []string
	for _, i := range which {
		all = append(all, fmt.Sprintf("%s: %v", changes[i].name, x.on[i]))
	}
	return strings.Join(all, ", ")
}

// is tells whether a change of that name is in force.
func (x *changing) is(name string) bool {
	return x.on[slices.IndexFunc(changes, func(c struct{ name, was, now string }) bool { return c.name == name })]
}

// fill brings encoders, viewers and connections back that the last change has ended, as far as the configuration lets them.
func (x *changing) fill(t *testing.T) {
	t.Helper()
	const lead = 3 * time.Second
	at := x.Addr("web")
	for _, p := range x.troupes {
		if p.encoder == nil {
			if x.is("push is disabled") || x.is("asf is disabled") || x.is("wmsp is disabled") || p.point == "other" && x.is("other is removed") {
				continue
			}
			x.WaitPoint(p.point, "idle")
			p.film = asfFilm(t, 0, lead+scale(time.Minute, 4*time.Minute), megabit/2)
			p.encoder = push(t, at, p.point, p.film, true, lead)
			ready(t, x.Server, p.point, "mmsh", uint64(lead/p.film.step)-1)
			p.forms = []*form{p.film.overMMSH(p.point), p.film.overHTTP(p.point)}
		}
		for i, f := range p.forms {
			if i == 0 && x.is("wmsp is disabled") || i == 1 && x.is("http is disabled") {
				continue
			}
			have := 0
			for _, s := range p.seats {
				if s.form == f {
					have++
				}
			}
			more := sit(max(0, 3-have), habit{}, f)
			x.audience.join(at, more)
			x.audience.wait("watch", more, func(s *seat) bool { return s.first >= 0 })
			p.seats = append(p.seats, more...)
		}
	}
	for len(x.lines) < 3 && !x.is("grenade is removed") {
		l, err := pin("127.0.0.1", at, "PIN")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.conn.Close() })
		x.lines = append(x.lines, l)
	}
}

// step makes changes: what plan says is compared with what apply says and with what is seen.
func (x *changing) step(t *testing.T, which []int) {
	t.Helper()
	for _, i := range which {
		x.on[i] = !x.on[i]
	}
	text := x.text()
	before, generations := x.Sessions(""), x.generations()
	plan, err := x.Plan(text)
	if err != nil {
		t.Fatalf("%s: plan: %v", x.describe(which), err)
	}
	if now := x.generations(); fmt.Sprint(now) != fmt.Sprint(generations) {
		t.Errorf("the plan has changed generations %v to %v", generations, now)
	}
	done, err := x.Apply(text)
	if err != nil {
		t.Fatalf("%s: apply: %v", x.describe(which), err)
	}
	if want, got := touchedBy(plan), touchedBy(done); want != got {
		t.Errorf("planned\n%s\ntouched\n%s", want, got)
	}
	fate := map[uint64]string{}
	moved := map[string]bool{}
	ends := map[string]bool{} // by the peer's address
	for _, s := range plan.Sessions {
		fate[s.ID] = s.Effect
		if s.Effect == "moves" {
			moved[s.Plugin] = true
		}
		if s.Effect != "moves" && s.Peer != "" { // a viewer that waits has no grace here
			ends[s.Peer] = true
		}
	}
	x.Wait("the end of all sessions that end", func() bool {
		now := x.Sessions("")
		return !slices.ContainsFunc(now, func(s hosttest.Session) bool { return fate[s.ID] == "ends" })
	})
	now := map[uint64]bool{}
	for _, s := range x.Sessions("") {
		now[s.ID] = true
	}
	for _, s := range before {
		if fate[s.ID] != "ends" && fate[s.ID] != "waits" && !now[s.ID] && !(s.Point == "film" && x.is("asf is disabled")) {
			t.Errorf("session %d %s %s of %s has ended, the plan says %q", s.ID, s.Plugin, s.Role, s.Point, fate[s.ID])
		}
	}
	for name, g := range x.generations() {
		stays := func(s hosttest.Session) bool { return s.Plugin == name && fate[s.ID] != "ends" }
		if old, ok := generations[name]; ok && (g != old) != moved[name] && slices.ContainsFunc(before, stays) {
			t.Errorf("plugin %s: generation %d after %d; sessions moved: %v", name, g, old, moved[name])
		}
	}
	x.see(t, ends)
	t.Logf("%s: %d of %d sessions are touched", x.describe(which), len(plan.Sessions), len(before))
}

// see compares what clients notice with the plan.
func (x *changing) see(t *testing.T, ends map[string]bool) {
	t.Helper()
	for _, p := range x.troupes {
		if p.encoder == nil {
			continue
		}
		if ends[p.encoder.conn.LocalAddr().String()] {
			p.encoder.kill()
			x.audience.wait("are closed", p.seats, func(s *seat) bool { return s.closed })
			p.encoder, p.seats, p.forms = nil, nil, nil
			continue
		}
		var stay, leave []*seat
		for _, s := range p.seats {
			if ends[s.from] {
				leave = append(leave, s)
			} else {
				stay = append(stay, s)
			}
		}
		x.audience.wait("are closed", leave, func(s *seat) bool { return s.closed })
		x.audience.watched(stay, int(p.encoder.sent.Load()))
		p.seats = stay
	}
	x.lines = slices.DeleteFunc(x.lines, func(l *line) bool {
		if ends[l.conn.LocalAddr().String()] {
			l.conn.Close()
			return true
		}
		if err := l.say("hi"); err != nil {
			t.Errorf("a connection that the plan does not end: %v", err)
		}
		return false
	})
}

func (x *changing) generations() map[string]uint64 {
	all := map[string]uint64{}
	for _, p := range x.Status().Plugins {
		if p.State == "running" {
			all[p.Name] = p.Generation
		}
	}
	return all
}

func touchedBy(p hosttest.Plan) string {
	var all []string
	for _, s := range p.Sessions {
		all = append(all, fmt.Sprintf("%d %s %s %s: %s", s.ID, s.Plugin, s.Role, s.Point, s.Effect))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// refuse proposes a change of which one line is bad: it is refused with file, line and remedy, and nothing changes.
func (x *changing) refuse(t *testing.T, dice *rand.Rand) {
	t.Helper()
	bad := []struct{ was, now, want string }{
		{"grace: 0s", "grace: soon", "write"}, {"source: push", "sauce: push", "did you mean \"source\""}, {"builtin:file", "builtin:nothing", "nothing"},
		{"listeners: [web", "listeners: [wep", "web"}, {"127.0.0.1:", "127.0.0.1.1:", "address"},
	}
	b := bad[dice.IntN(len(bad))]
	text := x.text()
	at := strings.Index(text, b.was)
	was := append([]bool(nil), x.on...)
	x.on[11] = !x.on[11] // something good beside it
	proposal := strings.Replace(x.text(), b.was, b.now, 1)
	copy(x.on, was)
	before, generations := x.Sessions(""), x.generations()
	_, err := x.Apply(proposal)
	where := fmt.Sprintf("plugins.yaml:%d: ", 1+strings.Count(text[:at], "\n"))
	if err == nil || !strings.Contains(err.Error(), where) || !strings.Contains(err.Error(), b.want) || !strings.Contains(err.Error(), "nothing has changed") {
		t.Errorf("%q: %v; want %q and %q in it", b.now, err, where, b.want)
	}
	if now := x.generations(); fmt.Sprint(now) != fmt.Sprint(generations) {
		t.Errorf("%q: generations %v became %v", b.now, generations, now)
	}
	for _, s := range before {
		if s.Point == "film" && x.is("asf is disabled") {
			continue // its source is begun again and again
		}
		if !slices.ContainsFunc(x.Sessions(""), func(n hosttest.Session) bool { return n.ID == s.ID }) {
			t.Errorf("%q: session %d %s of %s has ended", b.now, s.ID, s.Plugin, s.Point)
		}
	}
	if plan, err := x.Plan(text); err != nil || len(plan.Changes) > 0 {
		t.Errorf("%q: the configuration before is no longer in force: %+v, %v", b.now, plan.Changes, err)
	}
}
