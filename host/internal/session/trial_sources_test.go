package session

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// sinsAt traps on datagrams with one of these words in them.
func sinsAt(words ...string) handler {
	return func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		if e, ok := e.(*abi.Datagrams); ok {
			for _, w := range words {
				if bytes.Contains(e.Bytes, []byte(w)) {
					panic(w)
				}
			}
		}
		return nil
	}
}

// tripsAt fails likewise, and so that it cannot be brought about again: each frame once.
func tripsAt(word string) func([]byte) plugin.Kind {
	seen := map[string]bool{}
	return func(frame []byte) plugin.Kind {
		if !bytes.Contains(frame, []byte(word)) || seen[string(frame)] {
			return 0
		}
		seen[string(frame)] = true
		return plugin.Trap
	}
}

// peer opens a session as over a stream, so that its network is where it is.
func (r *Runner) peer(at string) *fakeFlow {
	f := flowFrom(at)
	f.open(r)
	r.one().do(func() {
		for _, s := range r.one().sessions {
			if s.name() == at {
				s.link().network.isClaimed = false
			}
		}
	})
	return f
}

// TestOneClientTakesNoBuildBack: a crash that both builds have takes none back, however
// often one network brings it, and it is not let in sooner than before.
func TestOneClientTakesNoBuildBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		runner := r.add(sorryYAML, sinsWhenTold(newRecorder()))
		good, bad := runner.peer("203.0.113.1:1"), netip.MustParseAddrPort("198.51.100.1:1")
		seconds := func(k int) (attacks int) {
			for range k {
				if runner.refuses(bad) == nil { // who obeys the throttle
					attacks++
					runner.peer(bad.String()).bring("ruin")
					synctest.Wait()
				}
				for i := range 10 {
					good.bring(fmt.Sprint(i))
					time.Sleep(100 * time.Millisecond)
				}
			}
			return attacks
		}
		seconds(600)
		g := newGeneration(t, sorryYAML, sinsWhenTold(newRecorder()))
		if err := runner.Enable(g); err != nil {
			t.Fatal(err)
		}
		if n := seconds(50); n > 1 {
			t.Errorf("it was let in %d times in 50 s after the reload", n)
		}
		if st := runner.Status(); st.Generation != g.number || st.RolledBack != "" {
			t.Errorf("rolled back: %s", st.RolledBack)
		}
		r.room.Close()
	})
}

// TestWhoTakesABuildBack: by whom and by what faults a build must be tried to be taken
// back.
func TestWhoTakesABuildBack(t *testing.T) {
	v4 := func(i int) string { return fmt.Sprintf("198.51.%d.1:1", i) }
	one := func(i int) string { return fmt.Sprintf("198.51.100.%d:1", i+1) }
	site := func(i int) string { return fmt.Sprintf("[2001:db8:1:%x::1]:1", i) }
	for _, c := range []struct {
		name     string
		at       func(int) string
		claimed  bool
		old, now []string // what a build fails at, each time
		once     bool     // the new one fails at "new", and cannot be shown to do so
		before   int      // networks that bring "new" to the old one
		word     string
		back     bool
	}{
		{name: "one network, a crash of its own", at: one, now: []string{"new"}, word: "new", back: true},
		{name: "one network, what cannot be shown", at: one, once: true, word: "new"},
		{name: "one site of IPv6", at: site, once: true, word: "new"},
		{name: "whoever says so", at: v4, claimed: true, once: true, word: "new"},
		{name: "three networks, what cannot be shown", at: v4, once: true, word: "new", back: true},
		{name: "three networks, a crash of both", at: v4, old: []string{"new"}, now: []string{"new"}, word: "new"},
		{name: "no more networks than before", at: v4, old: []string{"new"}, once: true, before: 9, word: "new"},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, false)
				runner := r.add(sorryYAML, sinsAt(c.old...))
				bring := func(i int) {
					open := runner.peer
					if c.claimed {
						open = func(at string) *fakeFlow { return flowFrom(at).open(runner) }
					}
					f := open(c.at(i))
					f.bring(c.word)
					synctest.Wait()
				}
				for i := range c.before {
					bring(i)
				}
				g := newGeneration(t, sorryYAML, sinsAt(c.now...))
				if c.once {
					g.trip = tripsAt(c.word)
				}
				if err := runner.Enable(g); err != nil {
					t.Fatal(err)
				}
				for i := range 6 {
					bring(i)
					time.Sleep(time.Second)
				}
				if st := runner.Status(); (st.Generation != g.number) != c.back || st.Faults < 3 {
					t.Errorf("%d faults, rolled back: %q", st.Faults, st.RolledBack)
				}
				r.room.Close()
			})
		})
	}
}

// TestLostIsNoFaultOfTheBuild: a carrier that is killed again and again takes nothing back.
func TestLostIsNoFaultOfTheBuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		seen := newRecorder()
		runner := r.add(sorryYAML, sinsWhenTold(seen))
		g := newGeneration(t, sorryYAML, sinsWhenTold(seen))
		var die atomic.Bool
		g.lossy, g.trip = true, func([]byte) plugin.Kind {
			if die.Swap(false) {
				return plugin.Exit
			}
			return 0
		}
		if err := runner.Enable(g); err != nil {
			t.Fatal(err)
		}
		for i := range 9 {
			f := runner.peer(fmt.Sprintf("198.51.%d.1:1", i))
			die.Store(true)
			f.bring("hello")
			synctest.Wait()
			time.Sleep(time.Second)
		}
		_, faults, _ := runner.gen.Load().tally.minute(r.room.now())
		if st := runner.Status(); st.Generation != g.number || st.Faults != 9 || faults != 0 {
			t.Errorf("%d faults, %d of the build; rolled back: %q", st.Faults, faults, st.RolledBack)
		}
		r.room.Close()
	})
}

// TestPackagerSearchIsOneFault: what a packager's search for one bad packet brings is one
// fault of the build.
func TestPackagerSearchIsOneFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false, point.Options{Name: "live"})
		runner := r.add(packYAML, framing("<"))
		f := r.fill("live")
		synctest.Wait()
		packed(t, r)
		good := framing(">")
		g := newGeneration(t, packYAML, func(m *memo, e abi.Record, v *sdk.Verdicts) error {
			if p, ok := e.(*abi.Packets); ok {
				for n := range p.Packets.All() {
					if string(n.Bytes) == "bad" {
						panic("a bad packet")
					}
				}
			}
			return good(m, e, v)
		})
		if err := runner.Enable(g); err != nil {
			t.Fatal(err)
		}
		gate := make(chan bool)
		runner.one().post(func() { <-gate })
		f.Append(media.Packet{Flags: media.Key}, []byte("key"))
		for i := range 100 {
			f.Append(media.Packet{}, []byte(map[bool]string{true: "bad", false: "good"}[i == 61]))
		}
		close(gate)
		synctest.Wait()
		if st := runner.Status(); st.Faults < 4 || st.Generation != g.number {
			t.Errorf("%d faults; rolled back: %q", st.Faults, st.RolledBack)
		}
		r.room.Close()
	})
}

// TestRollBackGrantsNothing: a grant that was taken away while a build was on trial does not
// come back with the one before.
func TestRollBackGrantsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		yaml := strings.Replace(sorryYAML, "roles: [control, announce]", "roles: [control, announce]\ncapabilities: [documents, attach]\ndocuments: [{format: txt, type: text/plain}]", 1)
		for _, host := range []bool{false, true} {
			if host {
				r.room.options.RollBack = func(r *Runner) {
					_, _ = r.RollBack(func(m *manifest.Manifest) Grant { return Grant{Documents: m.Version == "1.0.0"} }, func() error { return nil })
				}
			}
			runner, err := r.room.Add(PluginOptions{Name: fmt.Sprint("sorry", host), Grant: everything, Config: []byte("{}")})
			if err != nil {
				t.Fatal(err)
			}
			for _, words := range [][]string{nil, {"new"}} {
				if err := runner.Enable(newGeneration(t, yaml, sinsAt(words...))); err != nil {
					t.Fatal(err)
				}
			}
			runner.SetGrant(Grant{Attach: everything.Attach})
			for i := range 3 {
				runner.peer(fmt.Sprintf("198.51.%d.1:1", i)).bring("new")
				synctest.Wait()
			}
			g := runner.grant.Load()
			if runner.Status().RolledBack == "" || g.Documents != host || (g.Attach != nil) == host {
				t.Errorf("host %v: %+v, rolled back: %q", host, g, runner.Status().RolledBack)
			}
		}
		r.room.Close()
	})
}

// TestRollBackWaits: a roll-back that has to wait for longer than the trial still comes, to
// a build that is open; one that another change has come before does not, and nothing stays
// open.
func TestRollBackWaits(t *testing.T) {
	for _, isChanged := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, false)
			asked, begin := make(chan bool), make(chan bool)
			r.room.options.RollBack = func(r *Runner) {
				close(asked)
				<-begin
				_, _ = r.RollBack(nil, func() error { return nil })
			}
			old, bad, last := newGeneration(t, sorryYAML, sinsAt()), newGeneration(t, sorryYAML, sinsAt("new")), newGeneration(t, sorryYAML, sinsAt())
			runner, _ := r.room.Add(PluginOptions{Name: "sorry", Grant: everything, Config: []byte("{}")})
			for _, g := range []*generation{old, bad} {
				if err := runner.Enable(g); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 3 {
				runner.peer(fmt.Sprintf("198.51.%d.1:1", i)).bring("new")
			}
			<-asked
			time.Sleep(2 * trialTime)
			synctest.Wait()
			if old.closed.Load() {
				t.Error("the build that is to come back is closed")
			}
			want := old
			if isChanged {
				want = last
				if err := runner.Enable(last); err != nil {
					t.Fatal(err)
				}
			}
			close(begin)
			synctest.Wait()
			if g := runner.Generation(); g != want || bad.closed.Load() == isChanged || old.closed.Load() != isChanged {
				t.Errorf("generation %d is in force, want %d; old closed %v, bad closed %v", g.Number(), want.number, old.closed.Load(), bad.closed.Load())
			}
			r.room.Close()
			if !old.closed.Load() || !bad.closed.Load() || isChanged != last.closed.Load() {
				t.Error("a build is open after the end")
			}
		})
	}
}

// TestNobodyWaitsForTheEndOfABuild: the workers of all plugins that change go on before a
// build that was replaced is closed, which may take its time.
func TestNobodyWaitsForTheEndOfABuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		seen := newRecorder()
		runner, _ := r.room.Add(PluginOptions{Name: "keeper", Grant: everything, Config: []byte("{}")})
		closing, end := make(chan bool), make(chan bool)
		first := keeperBuild(t, "1", "", seen)
		if err := runner.Enable(&slowToClose{first, closing, end}); err != nil {
			t.Fatal(err)
		}
		if err := runner.Enable(keeperBuild(t, "1", "", seen)); err != nil {
			t.Fatal(err)
		}
		runner.start(point.New(point.Options{Name: "p", URL: "keep:p"}, nil))
		go func() { _ = runner.Enable(keeperBuild(t, "1", "", seen)) }() // the first's trial ends
		<-closing
		n := len(seen.list())
		time.Sleep(10 * time.Second)
		if len(seen.list()) < n+9 {
			t.Error("the plugin stands still while a build is closed")
		}
		close(end)
		synctest.Wait()
		r.room.Close()
	})
}

// slowToClose is a build whose end takes its time.
type slowToClose struct {
	*generation
	closing, end chan bool
}

func (g *slowToClose) Close() {
	close(g.closing)
	<-g.end
	g.generation.Close()
}

// TestBuildThatStartsNoMoreIsRolledBack: a build that does not start again after a fault is
// taken back, though nobody brings it a fault then.
func TestBuildThatStartsNoMoreIsRolledBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		runner := r.add(sorryYAML, sinsAt())
		was, g := runner.Generation(), newGeneration(t, sorryYAML, sinsAt("new"))
		if err := runner.Enable(g); err != nil {
			t.Fatal(err)
		}
		g.barren.Store(true)
		innocent, guilty := runner.peer("203.0.113.1:1"), runner.peer("198.51.100.1:1")
		guilty.bring("new")
		synctest.Wait() // else the other may have been answered before
		innocent.bring("hello")
		time.Sleep(10 * time.Second)
		if st := runner.Status(); runner.Generation() != was || st.State.Phase != Running || st.RolledBack == "" {
			t.Errorf("%+v, %d faults", st.State, st.Faults)
		}
		r.room.Close()
	})
}
