//go:build linux

package load_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// grenadeOf gives the grenade with something changed.
func grenadeOf(t *testing.T, pairs ...string) []byte {
	t.Helper()
	return variantOf(t, "testdata/grenade", "main.go", pairs...)
}

// armed is a programme beside which a grenade, with these options, holds sessions with state.
func armed(t *testing.T, options string) (*programme, []*line) {
	t.Helper()
	s := hosttest.Start(t, plugins+"  grenade: {module: \"builtin:grenade\", listeners: [web], grant: {attach: [\"*\"]}"+options+"}\n"+
		"points:\n  live: {source: push, buffer: 10s, grace: 0s}\n", hosttest.WithPlugin("grenade", "testdata/grenade"))
	x := air(t, s, 3*time.Minute, megabit/2, scale(20, 200))
	return x, x.lines(t, 20)
}

// lines opens sessions of clients in networks of their own.
func (x *programme) lines(t *testing.T, n int) (all []*line) {
	t.Helper()
	for i := range n {
		l, err := pin(fmt.Sprintf("127.55.%d.1", i), x.at, "PIN")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.conn.Close() })
		all = append(all, l)
	}
	return all
}

// alive says something on each line, and expects that it goes on where it was.
func alive(t *testing.T, what string, lines []*line, order string) {
	t.Helper()
	for i, l := range lines {
		if err := l.say(order); err != nil {
			t.Errorf("%s: session %d: %v", what, i, err)
		}
	}
}

func (x *programme) says(t *testing.T, want string) {
	t.Helper()
	if answer, err := exchange(x.at, get("/grenade", "load")+"Connection: close\r\n\r\n"); err != nil || !strings.HasSuffix(answer, "\r\n\r\n"+want+"\n") {
		t.Errorf("the answer is %q, %v, not %q", answer, err, want)
	}
}

// TestReloadState: a new version that reads the old one's state gets its sessions; one that does not leaves them to the old version, until they end or
// their time is over. New sessions are the new version's in both cases.
func TestReloadState(t *testing.T) {
	x, first := armed(t, ", drain: 5s")
	reload := func(module []byte) {
		t.Helper()
		x.Replace("grenade", module)
		if err := x.Reload("grenade"); err != nil {
			t.Fatal(err)
		}
	}
	alive(t, "before", first, "hi")
	reload(grenadeOf(t, `"innocent"`, `"second"`, "{schema: grenade/1}", "{schema: grenade/2, accepts: [grenade/1]}"))
	x.says(t, "second")
	alive(t, "under a version that reads the state", first, "hi")

	reload(grenadeOf(t, `"innocent"`, `"third"`, "{schema: grenade/1}", "{schema: grenade/3}"))
	began := time.Now()
	x.says(t, "third")
	second := x.lines(t, 20)
	alive(t, "beside a version that does not read the state", first, "hi")
	alive(t, "new ones", second, "hi")
	for _, l := range first[:5] { // they end by themselves
		l.conn.Close()
	}
	for _, l := range first[5:] {
		_ = l.conn.SetReadDeadline(began.Add(patience / 2))
		if b, err := l.r.ReadByte(); err == nil || !gone(err) {
			t.Fatalf("a session that is to be stopped gets %q, %v", b, err)
		}
	}
	t.Logf("the last of the old sessions was stopped %v after the reload", time.Since(began).Round(time.Millisecond))
	if took := time.Since(began); took < 4*time.Second {
		t.Errorf("the old sessions were stopped after %v, not 5 s", took)
	}
	alive(t, "new ones", second, "hi")
	if p := x.Plugin("grenade"); p.State != "running" || p.Faults > 0 || p.Sessions != len(second) {
		t.Errorf("the plugin is %s with %d faults and %d sessions", p.State, p.Faults, p.Sessions)
	}
	x.finish()
}

// TestRollBack: a new version that cannot do what the old one did is refused; one that fails later goes, and the old one comes back by itself.
func TestRollBack(t *testing.T) {
	x, lines := armed(t, "")
	alive(t, "before", lines, "hi")
	before := x.Plugin("grenade")

	x.Replace("grenade", grenadeOf(t, `case "die":`, `case "die", "PIN", "hi":`)) // one event of a kind is kept
	if err := x.Reload("grenade"); err == nil {
		t.Error("a version that dies of what the old one has just answered was taken")
	} else {
		t.Logf("refused: %v", err)
	}
	alive(t, "after a refused reload", lines, "hi")

	x.Replace("grenade", grenadeOf(t, `case "die":`, `case "die", "news":`, `"innocent"`, `"second"`))
	if err := x.Reload("grenade"); err != nil {
		t.Fatal(err)
	}
	x.says(t, "second")
	alive(t, "under the new version", lines, "hello") // nothing new yet
	thrown := 0
	for _, l := range lines[:10] {
		if l.say("news") == nil {
			break // the old version is back already
		}
		thrown++
	}
	within(t, "the old version is back", func() bool { p := x.Plugin("grenade"); return p.State == "running" && p.Hash == before.Hash })
	x.says(t, "innocent")
	alive(t, "after the roll-back", lines[10:], "news")
	told := x.Plugin("grenade").RolledBack
	if !strings.Contains(told, "rolled back") || !strings.Contains(x.Log(), "generation rolled back") {
		t.Errorf("status tells %q of it; the log tells it: %v", told, strings.Contains(x.Log(), "generation rolled back"))
	}
	t.Logf("rolled back after %d faults: %s", thrown, told)
	x.finish()
}
