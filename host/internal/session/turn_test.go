package session

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

// statePackYAML is packYAML with how much of the packets it wants, and a state.
const statePackYAML = `
name: pack
roles: [packager]
packages: [{from: toy, to: packed, payload: %s}]
capabilities: [attach]
state: {schema: %q, accepts: [%s]}
`

// TestPackagerOfBrokenBuild: a packager goes on in a build that mends one which does not
// start any more with what the mended one asks for, and without a state that it does not
// read, whether it was told of its header in the broken one or not.
func TestPackagerOfBrokenBuild(t *testing.T) {
	for _, begun := range []bool{false, true} {
		t.Run(fmt.Sprint("begun_", begun), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { brokenPackager(t, begun) })
		})
	}
}

func brokenPackager(t *testing.T, begun bool) {
	t.Helper()
	r := newRig(t, false, point.Options{Name: "live"})
	seen := newRecorder()
	build := func(n, payload, accepts string) *generation {
		frame := framing(n)
		return newGeneration(t, fmt.Sprintf(statePackYAML, payload, "pack/"+n, accepts), func(m *memo, e abi.Record, v *sdk.Verdicts) error {
			seen.add(fmt.Sprintf("%s %v %q", n, e.Op(), *m))
			if p, ok := e.(*abi.Packets); ok {
				for note := range p.Packets.All() {
					seen.add(fmt.Sprintf("%s sees %q", n, note.Bytes))
				}
			}
			*m = memo("of " + n)
			return frame(m, e, v)
		})
	}
	first, broken, mended := build("1", "none", ""), build("2", "none", "pack/1"), build("3", "all", "")
	runner, _ := r.room.Add(PluginOptions{Name: "pack", Grant: everything, Config: []byte("{}"), Drain: usualDrain})
	enable := func(g *generation) {
		t.Helper()
		if err := runner.Enable(g); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
	}
	f := r.fill("live")
	feed := func(text string, flags media.Flags) {
		f.Append(media.Packet{Flags: flags}, []byte(text))
		synctest.Wait()
	}
	enable(first)
	to := packed(t, r)
	enable(broken)
	ruin := func() {
		broken.barren.Store(true)
		w := runner.one()
		w.do(func() { w.dropInstance(w.now) })
	}
	if begun {
		feed("a", media.Key)
		ruin()
	} else {
		ruin()
		feed("a", media.Key) // it turns to a build that does not answer
	}
	feed("b", 0)
	if st := runner.State(); st.Phase != Quarantined {
		t.Fatalf("%+v", st)
	}
	enable(mended)
	feed("c", 0)
	if got := readAll(to.Log); !strings.HasSuffix(got, "3c") || !strings.Contains(got, "3b") || begun == strings.Contains(got, "3a") {
		t.Errorf("%s", got)
	}
	if got := seen.wait(t, "3 "); got != `3 PACKAGE ""` {
		t.Errorf("the mended build was first told %s", got)
	}
	seen.wait(t, `3 sees "b"`)
	if st := runner.Status(); st.State.Phase != Running || st.Sessions != 1 || len(st.Staying) != 0 {
		t.Errorf("%+v", st)
	}
	time.Sleep(time.Hour) // the broken one is not tried again
	if n := broken.started.Load(); n > 3 {
		t.Errorf("%d starts of the broken build", n)
	}
	r.room.Close()
}

// TestPackagersLeaveBrokenBuild: when the build that packagers wait in for a key packet
// does not start any more, they wait no longer.
func TestPackagersLeaveBrokenBuild(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false, point.Options{Name: "live"})
		runner := r.add(packYAML, framing("<"))
		f := r.fill("live")
		to := packed(t, r)
		old := runner.Generation().(*generation)
		if err := runner.Enable(newGeneration(t, packYAML, framing(">"))); err != nil {
			t.Fatal(err)
		}
		w := runner.one()
		old.barren.Store(true)
		w.do(func() { w.dropInstance(w.old[0]) })
		f.Append(media.Packet{}, []byte("a"))
		synctest.Wait()
		if got, want := readAll(to.Log), "[packed header ]<packet >a"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if st := runner.Status(); st.State.Phase != Running || len(st.Staying) != 0 {
			t.Errorf("%+v", st)
		}
		r.room.Close()
	})
}
