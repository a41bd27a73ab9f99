//go:build linux

package load_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// chaos is all that can happen to a server at once, as dice fall.
type chaos struct {
	*programme
	t     *testing.T
	dice  *rand.Rand
	text  string // configuration
	tight bool   // limits of a plugin are others
	other *encoder
	film  *film
	seats [][]*seat // guests, by the act that brought them
	lines []*line
	count map[string]int
}

// reloaded are the plugins of chaos.
var reloaded = []string{"push", "asf", "wmsp", "http", "grenade"}

// TestChaos: viewers come and go, some of them deaf, an encoder is restarted, plugins are replaced, commit their sins and are killed, and the configuration
// changes, all in no order. The viewers of the live film get every byte of it, and at the end nothing has grown.
func TestChaos(t *testing.T) {
	length := scale(6*time.Second, 10*time.Minute)
	text := strings.Replace(plugins, `module: "builtin:http"`, hosttest.Exec(t, "../../../plugins/http"), 1) +
		"  grenade: {module: \"builtin:grenade\", listeners: [web], grant: {attach: [\"*\"]}}\n" +
		"points:\n  live: {source: push, buffer: 10s, grace: 0s}\n  other: {source: push, buffer: 3s, grace: 0s, max_lag: 1s}\n"
	s := hosttest.Start(t, text, hosttest.WithPlugin("grenade", "testdata/grenade"))
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	x := &chaos{t: t, text: text, dice: rand.New(rand.NewPCG(seed, 0)), count: map[string]int{}}
	x.programme = air(t, s, length+2*time.Minute, scale(megabit/2, 400_000), scale(40, 200))
	x.film = asfFilm(t, 0, length+2*time.Minute, megabit/2)
	acts := []struct {
		name string
		do   func()
	}{
		{"joins", x.joins}, {"leaves", x.leaves}, {"deaf", x.deaf}, {"encoder", x.encoderReturns}, {"reload", x.reloads}, {"connect", x.connects},
		{"throw", x.throws}, {"request", x.requests}, {"kill", x.kills}, {"apply", x.applies},
	}
	var before level
	for end, i := time.Now().Add(length), 0; i < 3*len(acts) || time.Now().Before(end); i++ {
		act := acts[i%len(acts)] // each comes twice, in order, before the dice
		if i >= 2*len(acts) {
			act = acts[x.dice.IntN(len(acts))]
		}
		if i == 2*len(acts) {
			x.clear()
			before = measure(t)
		}
		act.do()
		x.count[act.name]++
		x.audience.watched(x.programme.seats, int(x.encoder.sent.Load()))
	}
	x.clear()
	before.heap += int64(2 * len(s.Log())) // which the test keeps
	settled(t, before)
	x.finish()
	for _, p := range s.Status().Plugins {
		if p.State != "running" || p.Faults > 0 && p.Name != "grenade" && p.Name != "http" {
			t.Errorf("plugin %s is %s (%s) with %d faults, the last: %+v", p.Name, p.State, p.Reason, p.Faults, p.LastFault)
		}
	}
	t.Log(x.count)
}

// clear has all guests go and waits until the server has noticed. It replaces each plugin once: so each time it has been called, each has one version that
// is kept for a minute beside the one in force.
func (x *chaos) clear() {
	for _, seats := range x.seats {
		x.audience.leave(seats)
	}
	for _, l := range x.lines {
		_ = l.conn.Close()
	}
	x.seats, x.lines = nil, nil
	if x.other != nil {
		x.other.kill()
		x.other = nil
	}
	x.WaitPoint("other", "idle")
	x.WaitViewers("live", len(x.programme.seats))
	x.Wait("the grenade has no sessions", func() bool { return x.Plugin("grenade").Sessions == 0 })
	x.Wait("the grenade is let out", func() bool { return x.Plugin("grenade").State == "running" })
	for _, name := range reloaded {
		settledProcs(x.t, x.Server)
		if err := x.Reload(name); err != nil {
			x.t.Errorf("reload: %v", err)
		}
	}
	settledProcs(x.t, x.Server)
}

func (x *chaos) joins() {
	settledProcs(x.t, x.Server) // one that was killed often is started again after seconds
	guests := sit(1+x.dice.IntN(8), habit{}, x.forms[x.dice.IntN(2)])
	x.audience.join(x.at, guests)
	x.audience.wait("watch", guests, func(s *seat) bool { return s.first >= 0 })
	x.seats = append(x.seats, guests)
}

func (x *chaos) leaves() {
	if len(x.seats) == 0 {
		return
	}
	i := x.dice.IntN(len(x.seats))
	if x.dice.IntN(2) == 0 {
		x.audience.reset(x.seats[i])
	} else {
		x.audience.leave(x.seats[i])
	}
	x.seats = slices.Delete(x.seats, i, i+1)
}

// deaf viewers never read.
func (x *chaos) deaf() {
	form := x.film.overHTTP([]string{"live", "other"}[x.dice.IntN(2)])
	guests := sit(2, habit{deaf: true, receive: slowBuffer}, form)
	x.audience.join(x.at, guests)
	x.seats = append(x.seats, guests)
}

// encoderReturns ends the encoder of a point that has no grace, and starts another.
func (x *chaos) encoderReturns() {
	if x.other != nil {
		x.other.kill()
		x.other.clock = nil // the test's end holds all encoders
		x.WaitPoint("other", "idle")
	}
	x.other = push(x.t, x.at, "other", x.film, x.dice.IntN(2) == 0, time.Second)
	x.WaitPoint("other", "live")
}

func (x *chaos) reloads() {
	name := reloaded[x.dice.IntN(len(reloaded))]
	if err := x.Reload(name); err != nil {
		x.t.Errorf("reload: %v", err)
	}
}

// connects opens sessions that hold state. Their network may be one that is refused at the moment.
func (x *chaos) connects() {
	for range 4 {
		if l, err := pin(fmt.Sprintf("127.44.%d.1", x.dice.IntN(16)), x.at, "PIN"); err == nil {
			x.lines = append(x.lines, l)
		}
	}
}

// throws has some sessions end with a crash, and one with a loop.
func (x *chaos) throws() {
	for i := range min(3, len(x.lines)) {
		if err := x.lines[0].throw([]string{"die", "die", "spin"}[i]); err != nil {
			x.t.Errorf("throw: %v", err)
		}
		x.lines = x.lines[1:]
	}
	for i, l := range x.lines {
		if err := l.say("hi"); err != nil {
			x.t.Errorf("session %d beside one that has crashed: %v", i, err)
		}
	}
}

func (x *chaos) requests() {
	for i := range 20 {
		path := "/grenade"
		if i == 0 {
			path += "?die"
		}
		if a, err := ask(fmt.Sprintf("127.44.%d.1", x.dice.IntN(16)), x.at, path); err != nil || a.status != 200 && a.status != 503 {
			x.t.Errorf("%s: %d %q, %v", path, a.status, a.head, err)
		}
	}
}

func (x *chaos) kills() {
	if pid := x.Plugin("http").PID; pid != 0 {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) { // the kill before may have been noticed since
			x.t.Errorf("kill: %v", err)
		}
		x.Wait("the death is noticed", func() bool { return x.Plugin("http").PID != pid })
	}
}

func (x *chaos) applies() {
	x.tight = !x.tight
	text := x.text
	if x.tight {
		text = strings.NewReplacer("grenade\", listeners", "grenade\", limits: {event: 40ms}, listeners", "max_lag: 1s", "max_lag: 2s").Replace(text)
	}
	plan, err := x.Plan(text)
	if err != nil {
		x.t.Errorf("plan: %v", err)
	}
	done, err := x.Apply(text)
	if err != nil || touchedBy(plan) != touchedBy(done) {
		x.t.Errorf("apply: %v; planned\n%s\ntouched\n%s", err, touchedBy(plan), touchedBy(done))
	}
}
