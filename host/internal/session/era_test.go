package session

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/abi/v1"
	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/plugin"
	"github.com/weir-media/weir/host/internal/point"
	"github.com/weir-media/weir/sdk"
)

const schemaYAML = `
name: keeper
roles: [source]
sources: [keep]
state: {schema: %q, accepts: [%s]}
`

// keeper is a source that keeps a state and tells of each tick which build has it.
func keeper(build string, seen *recorder) handler {
	return func(m *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.Start:
			*m = append(memo(build+" "), e.Point...)
			v.SetTimer(1, int64(time.Second))
		case *abi.Timer:
			seen.add(fmt.Sprintf("%s ticks %s", build, *m))
			v.SetTimer(1, int64(time.Second))
		case *abi.Stop:
			seen.add(fmt.Sprintf("%s stops %s: %d", build, *m, e.Reason))
		}
		return nil
	}
}

func keeperBuild(t *testing.T, build, accepts string, seen *recorder) *generation {
	t.Helper()
	return newGeneration(t, fmt.Sprintf(schemaYAML, "keep/"+build, accepts), keeper(build, seen))
}

// lastOf gives the last that was seen of each session.
func lastOf(seen *recorder, points ...string) (all []string) {
	for _, p := range points {
		last := ""
		for _, text := range seen.list() {
			if strings.HasSuffix(text, p) || strings.Contains(text, p+":") {
				last = text
			}
		}
		all = append(all, last)
	}
	return all
}

// TestDrain: sessions whose state the new build does not read stay with theirs, over
// several reloads, and end in time; a build that reads it takes them over.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		seen := newRecorder()
		builds := []*generation{keeperBuild(t, "1", "", seen), keeperBuild(t, "2", "", seen), keeperBuild(t, "3", "keep/1", seen), keeperBuild(t, "4", "", seen)}
		runner, err := r.room.Add(PluginOptions{Name: "keeper", Grant: everything, Config: []byte("{}"), Drain: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		enable := func(i int, on string) {
			t.Helper()
			if err := runner.Enable(builds[i]); err != nil {
				t.Fatal(err)
			}
			runner.start(point.New(point.Options{Name: on, URL: "keep:" + on}, nil))
			time.Sleep(1500 * time.Millisecond)
		}
		check := func(staying int, want ...string) {
			t.Helper()
			if got := lastOf(seen, "p0", "p1", "p2", "p3"); !slices.Equal(got, want) {
				t.Errorf("%q, want %q", got, want)
			}
			if st := runner.Status(); len(st.Staying) != staying {
				t.Errorf("%d builds stay, want %d: %+v", len(st.Staying), staying, st.Staying)
			}
		}
		enable(0, "p0")
		check(0, "1 ticks 1 p0", "", "", "")
		enable(1, "p1")
		check(1, "1 ticks 1 p0", "2 ticks 2 p1", "", "")
		enable(2, "p2") // it reads 1's, and not 2's
		check(1, "3 ticks 1 p0", "2 ticks 2 p1", "3 ticks 3 p2", "")
		if !builds[0].closed.Load() || builds[1].closed.Load() {
			t.Error("1 is closed when its sessions have gone over, 2 is not")
		}
		enable(3, "p3")
		check(2, "3 ticks 1 p0", "2 ticks 2 p1", "3 ticks 3 p2", "4 ticks 4 p3")
		time.Sleep(time.Minute)
		check(0, "3 stops 1 p0: 1", "2 stops 2 p1: 1", "3 stops 3 p2: 1", "4 ticks 4 p3")
		time.Sleep(trialTime)
		for i, g := range builds {
			if g.closed.Load() != (i < 3) {
				t.Errorf("build %d: closed %v", i, g.closed.Load())
			}
		}
		if n := len(runner.one().old); n != 0 {
			t.Errorf("%d old eras", n)
		}
		r.room.Close()
		if !builds[3].closed.Load() {
			t.Error("the last build stays open")
		}
	})
}

// TestDisableEndsAllEras: sessions of older builds end with those of the newest.
func TestDisableEndsAllEras(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		seen := newRecorder()
		runner, _ := r.room.Add(PluginOptions{Name: "keeper", Grant: everything, Config: []byte("{}"), Drain: usualDrain})
		var builds []*generation
		for i := range 3 {
			g := keeperBuild(t, fmt.Sprint(i), "", seen)
			builds = append(builds, g)
			if err := runner.Enable(g); err != nil {
				t.Fatal(err)
			}
			runner.start(point.New(point.Options{Name: fmt.Sprint("p", i), URL: "keep:x"}, nil))
		}
		synctest.Wait()
		runner.Disable("a test")
		if st := runner.Status(); st.Sessions != 0 || len(st.Staying) != 0 || st.State.Phase != Disabled {
			t.Errorf("%+v", st)
		}
		if got, want := lastOf(seen, "p0", "p1", "p2"), []string{"0 stops 0 p0: 1", "1 stops 1 p1: 1", "2 stops 2 p2: 1"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		for i, g := range builds {
			if !g.closed.Load() {
				t.Errorf("build %d is open", i)
			}
		}
		r.room.Close()
	})
}

// framing is a packager whose frames begin with a mark of its build.
func framing(mark string) handler {
	return func(_ *memo, e abi.Record, v *sdk.Verdicts) error {
		p := v.Pieces()
		switch e := e.(type) {
		case *abi.Package:
			p.Text("packed ")
			p.SourceHeader()
			v.Header(p)
		case *abi.Packets:
			for n := range e.Packets.All() {
				p := v.Pieces()
				p.Text(mark)
				p.PacketBytes(n.Sequence, 0, 0)
				v.Packet(abi.Packet{PTS: n.PTS, DTS: n.DTS, Flags: n.Flags}, p)
			}
		}
		return nil
	}
}

// TestPackagerTurnsAtKey: a packager goes over to the new build at the next key packet or
// new header, with all packets in their order; a build that no longer packages this ends it.
func TestPackagerTurnsAtKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false, point.Options{Name: "live"})
		runner := r.add(packYAML, framing("<"))
		f := r.fill("live")
		f.SetHeader([]byte("h"))
		feed := func(text string) {
			for _, c := range text {
				k := media.Packet{}
				if c == 'K' {
					k.Flags = media.Key
				}
				f.Append(k, []byte(string(c)))
			}
			synctest.Wait()
		}
		feed("Kab")
		to := packed(t, r)
		old := runner.Generation().(*generation)
		enable := func(g *generation) {
			if err := runner.Enable(g); err != nil {
				t.Fatal(err)
			}
		}
		enable(newGeneration(t, packYAML, framing(">")))
		feed("cd")
		if st := runner.Status().Staying; len(st) != 1 || st[0].Packagers != 1 || st[0].Sessions != 0 {
			t.Errorf("%+v", st)
		}
		feed("eKfKg")
		if st := runner.Status().Staying; len(st) != 0 {
			t.Errorf("%+v", st)
		}
		enable(newGeneration(t, packYAML, framing("!")))
		feed("h")
		f.SetHeader([]byte("i"))
		feed("jK")
		want := "[packed header ]<packet [packed h]<K<a<b<c<d<e>K>f>K>g>h[packed i]!j!K"
		if got := readAll(to.Log); got != want {
			t.Errorf("%s, want\n %s", got, want)
		}
		time.Sleep(trialTime)
		if !old.closed.Load() {
			t.Error("the first build is open")
		}
		enable(newGeneration(t, packYAML, framing("?")))
		feed("k")
		time.Sleep(11 * time.Minute) // no key packet comes
		feed("l")
		if got := readAll(to.Log); got != want+"!k?l" {
			t.Errorf("after the drain time: %s", got)
		}
		enable(newGeneration(t, strings.Replace(packYAML, "to: packed", "to: other", 1), framing("#")))
		feed("m")
		if !to.Log.Ended() {
			t.Error("the rendition that nobody makes goes on")
		}
		if _, err := r.points["live"].Rendition("other"); err != nil {
			t.Error(err)
		}
		r.room.Close()
	})
}

// TestInstances: two sessions of one plugin are told at the same time, each session's
// events in order; a change of the number grows at once and shrinks with the last session.
func TestInstances(t *testing.T) {
	r := newRig(t, true, point.Options{Name: "live"})
	g := newGeneration(t, sinnerYAML, nil)
	looping, release := make(chan bool, 1), make(chan bool)
	seen := newRecorder()
	g.handler = func(m *memo, e abi.Record, v *sdk.Verdicts) error {
		switch e := e.(type) {
		case *abi.HTTPRequest:
			if string(e.Path) == "/loop" {
				looping <- true
				<-release
			}
			v.RespondText(200, 0, "answered")
		case *abi.Data:
			*m = append(*m, e.Bytes...)
			v.Consume(1, e.Offset+uint64(len(e.Bytes)))
			seen.add("data " + string(*m))
		}
		return nil
	}
	runner, err := r.room.Add(PluginOptions{Name: "sinner", Grant: everything, Config: []byte("{}"), Instances: 2})
	if err == nil {
		err = runner.Enable(g)
	}
	if err != nil {
		t.Fatal(err)
	}
	at := r.listen()
	first := r.dial(at, fmt.Sprintf(request, "loop"))
	<-looping
	for i := range 10 { // all go to the other worker
		if code, _ := ask(t, r.dial(at, fmt.Sprintf(request, fmt.Sprint("x", i)))); code != 200 {
			t.Errorf("request %d: %d", i, code)
		}
		until(t, "it has not ended", func() bool { return runner.open.Load() == 1 }) // it ends after its answer
	}
	raw := r.dial(at, "\xAA\xBB\xCC\xDD")
	want := "\xAA\xBB\xCC\xDD"
	for i := range 50 {
		want += fmt.Sprint(i, ".")
		_, _ = fmt.Fprint(raw, i, ".")
	}
	seen.wait(t, "data "+want)
	close(release)
	if code, _ := ask(t, first); code != 200 {
		t.Errorf("the looping one got %d", code)
	}
	runner.SetInstances(4)
	if n := len(runner.all()); n != 4 {
		t.Errorf("%d workers", n)
	}
	runner.SetInstances(1)
	until(t, "the workers without sessions are there", func() bool { return len(runner.all()) <= 2 })
	_, _ = io.WriteString(raw, "more")
	seen.wait(t, "data "+want+"more")
	raw.Close()
	until(t, "the worker with the last session stays", func() bool { return len(runner.all()) == 1 && runner.Status().Sessions == 0 })
	if code, _ := ask(t, r.dial(at, fmt.Sprintf(request, "y"))); code != 200 {
		t.Errorf("the last request: %d", code)
	}
}

// TestSpare: after a fault the next instance is there already, the configuration that it
// was told is the newest, and nothing is left when the plugin ends.
func TestSpare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, false)
		r.room.spareAfter = spareAfter
		var open atomic.Int32
		g := newGeneration(t, fmt.Sprintf(schemaYAML, "keep/1", ""), func(_ *memo, e abi.Record, _ *sdk.Verdicts) error {
			if s, ok := e.(*abi.Start); ok && string(s.Point) == "bad" {
				panic("a trap")
			}
			return nil
		})
		g.open = &open
		runner, _ := r.room.Add(PluginOptions{Name: "keeper", Grant: everything, Config: []byte("{}")})
		if err := runner.Enable(g); err != nil {
			t.Fatal(err)
		}
		check := func(started, alive int32) {
			t.Helper()
			synctest.Wait()
			if g.started.Load() != started || open.Load() != alive {
				t.Errorf("%d instances started, %d alive; want %d, %d", g.started.Load(), open.Load(), started, alive)
			}
		}
		time.Sleep(2 * spareAfter)
		check(1, 1) // nobody has used it
		runner.start(point.New(point.Options{Name: "good"}, nil))
		check(1, 1)
		time.Sleep(2 * spareAfter)
		check(2, 2)
		runner.start(point.New(point.Options{Name: "bad"}, nil))
		check(2, 1) // the spare is taken with the next event
		runner.start(point.New(point.Options{Name: "good"}, nil))
		check(3, 2)
		runner.SetConfig([]byte(`{"new": true}`))
		check(3, 1)
		g.barren.Store(true)
		runner.start(point.New(point.Options{Name: "bad"}, nil))
		runner.start(point.New(point.Options{Name: "good"}, nil))
		synctest.Wait()
		if st := runner.State(); st.Phase != Quarantined {
			t.Errorf("%+v", st)
		}
		g.barren.Store(false)
		time.Sleep(2 * time.Second)
		runner.Disable("a test")
		if synctest.Wait(); open.Load() != 0 {
			t.Errorf("%d instances are left", open.Load())
		}
		r.room.Close()
	})
}

var _ plugin.Generation = (*generation)(nil)
