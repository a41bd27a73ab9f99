package session

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/point"
)

// TestNoDrain: with a drain time of 0 sessions whose state the new build does not read
// end at once, in the words of their protocol; a packager waits for a key packet still,
// for as long as one may take to come.
func TestNoDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false, point.Options{Name: "live"})
		seen := newRecorder()
		keeps, _ := r.room.Add(PluginOptions{Name: "keeper", Grant: everything, Config: []byte("{}")})
		packs, _ := r.room.Add(PluginOptions{Name: "pack", Grant: everything, Config: []byte("{}")})
		enable := func(runner *Runner, g *generation) {
			t.Helper()
			if err := runner.Enable(g); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		enable(keeps, keeperBuild(t, "1", "", seen))
		enable(packs, newGeneration(t, packYAML, framing("<")))
		keeps.start(point.New(point.Options{Name: "p0", URL: "keep:x"}, nil))
		f := r.fill("live")
		to := packed(t, r)

		enable(keeps, keeperBuild(t, "2", "", seen))
		if st := keeps.Status(); st.Sessions != 0 || len(st.Staying) != 0 {
			t.Errorf("%d sessions, staying %+v", st.Sessions, st.Staying)
		}
		if got := lastOf(seen, "p0"); got[0] != "1 stops 1 p0: 1" {
			t.Errorf("%q", got)
		}
		enable(packs, newGeneration(t, packYAML, framing(">")))
		feed := func(text string, flags media.Flags) {
			f.Append(media.Packet{Flags: flags}, []byte(text))
			synctest.Wait()
		}
		feed("a", 0)
		feed("b", media.Key)
		enable(packs, newGeneration(t, packYAML, framing("!")))
		time.Sleep(keyWait - time.Millisecond)
		feed("c", 0)
		if st := packs.Status().Staying; len(st) != 1 || st[0].Packagers != 1 || time.Until(st[0].Until) != time.Millisecond {
			t.Errorf("%+v", st)
		}
		time.Sleep(2 * time.Millisecond)
		feed("d", 0)
		if got, want := readAll(to.Log), "[packed header ]<packet <a>b>c!d"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		r.room.Close()
	})
}

// TestDrainOfSwitch: the drain time that comes with a build holds for those that stay
// with the one before.
func TestDrainOfSwitch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		seen := newRecorder()
		runner, _ := r.room.Add(PluginOptions{Name: "keeper", Grant: everything, Config: []byte("{}"), Drain: time.Hour})
		if err := runner.Enable(keeperBuild(t, "1", "", seen)); err != nil {
			t.Fatal(err)
		}
		runner.start(point.New(point.Options{Name: "p0", URL: "keep:x"}, nil))
		synctest.Wait()
		c, err := runner.Prepare(keeperBuild(t, "2", "", seen), everything, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		c.SetDrain(5 * time.Second)
		if _, err := r.room.Switch([]*Candidate{c}, func() error { return nil }); err != nil {
			t.Fatal(err)
		}
		if st := runner.Status().Staying; len(st) != 1 || time.Until(st[0].Until) != 5*time.Second {
			t.Errorf("%+v", st)
		}
		time.Sleep(6 * time.Second)
		if got := lastOf(seen, "p0"); !slices.Equal(got, []string{"1 stops 1 p0: 1"}) {
			t.Errorf("%q", got)
		}
		r.room.Close()
	})
}
