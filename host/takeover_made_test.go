package host_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/weir-media/weir/host/hosttest"
	"github.com/weir-media/weir/host/internal/handover"
)

const madeYAML = `
listeners: {web: {address: "127.0.0.1:0"}}
plugins:
  push: {module: "builtin:push", listeners: [web], grant: {publish: ["*"]}}
  asf: {module: "builtin:asf"}
  http: {module: "builtin:http", listeners: [web], grant: {attach: ["*"]}}
points:
  news: {source: push}
templates:
  "studio/*": {grace: 1s}
  "slow/*": {grace: 1h}
`

// TestTakeOverMade: points that were made from templates are there in the server that takes
// over, with their source, stopped if an operator has stopped them, and they go from there
// as they would have gone from the old one.
func TestTakeOverMade(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, madeYAML)
	leave := pushFilm(t, s, "studio/1")
	s.WaitPoint("studio/1", "live")
	pushFilm(t, s, "studio/2")
	s.WaitPoint("studio/2", "live")
	if err := s.StopPoint("studio/2", "not today"); err != nil {
		t.Fatal(err)
	}
	gone := pushFilm(t, s, "slow/1")
	s.WaitPoint("slow/1", "live")
	gone()
	s.Wait("its source has left", func() bool { return s.Point("slow/1").Source == "" })
	next := s.TakeOver()
	if p := next.Point("studio/1"); p.State != "live" || p.Template != "studio/*" || p.Sources != 1 {
		t.Errorf("studio/1 is %+v", p)
	}
	if p := next.Point("studio/2"); p.State != "stopped" || p.Reason != "not today" {
		t.Errorf("studio/2 is %+v", p)
	}
	if !strings.Contains(next.Log(), `msg="source moved here" point=studio/1`) {
		t.Errorf("studio/1 is fed by %s", next.Point("studio/1").Source)
	}
	has := func(name string) bool { return slices.Contains(pointNames(next), name) }
	if !has("slow/1") {
		t.Error("nobody could come back to slow/1")
	}
	if err := next.StartPoint("studio/2"); err != nil {
		t.Fatal(err)
	}
	next.Wait("studio/2, which nobody feeds, is gone", func() bool { return !has("studio/2") })
	leave()
	next.Wait("studio/1, whose source has left, is gone", func() bool { return !has("studio/1") })
	s.Close()
	next.Wait("slow/1, which nobody came back to, is gone", func() bool { return !has("slow/1") })
	if !has("news") {
		t.Error("a point of the configuration is gone")
	}
}

// TestMadeMeanwhile: a point that is made and fed after the greeting would be lost; the
// take-over is to be tried again.
func TestMadeMeanwhile(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, madeYAML)
	x := succeed(t, s)
	g := handover.NewGreeting(os.Getpid(), "test", []string{"news"})
	g.Templates = []string{"studio/*"}
	x.say(handover.Hello, g)
	x.until(handover.Ready)
	pushFilm(t, s, "slow/1") // which the new server cannot make
	s.WaitPoint("slow/1", "live")
	pushFilm(t, s, "studio/1")
	s.WaitPoint("studio/1", "live")
	x.say(handover.Commit, handover.Group{What: "tcp"})
	var why handover.Text
	if f := x.until(handover.Refuse); handover.Unmarshal(f.Body, &why) != nil || !strings.Contains(why.Text, "a point was made meanwhile") {
		t.Errorf("it is refused for %q", why.Text)
	}
	x.die()
}

// TestMadeAreOffered: a server is asked to make only what it has a template for; one of
// before that has none is told of nothing.
func TestMadeAreOffered(t *testing.T) {
	t.Parallel()
	s := hosttest.Start(t, madeYAML)
	pushFilm(t, s, "studio/1")
	pushFilm(t, s, "slow/1")
	s.WaitPoint("studio/1", "live")
	s.WaitPoint("slow/1", "live")
	for _, c := range []struct {
		templates []string
		want      []handover.Made
	}{{nil, nil}, {[]string{"other/*"}, nil}, {[]string{"*/1", "slow/*"}, []handover.Made{{Name: "slow/1"}, {Name: "studio/1"}}}, {[]string{"st*"}, []handover.Made{{Name: "studio/1"}}}} {
		x := succeed(t, s)
		g := handover.NewGreeting(1, "test", []string{"news"})
		g.Templates = c.templates
		x.say(handover.Hello, g)
		var there handover.Greeting
		if err := handover.Unmarshal(x.until(handover.Hello).Body, &there); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(there.Made, c.want) {
			t.Errorf("%q is asked to make %+v, want %+v", c.templates, there.Made, c.want)
		}
		var begun []string
		for f := (handover.Frame{}); f.Kind != handover.Ready; {
			var err error
			if f, err = x.c.Read(); err != nil {
				t.Fatal(err)
			}
			var begin handover.Source
			if f.Kind == handover.Begin && handover.Unmarshal(f.Body, &begin) == nil {
				begun = append(begun, begin.Point)
			}
			f.Close()
		}
		slices.Sort(begun)
		if len(begun) != len(c.want) || !slices.EqualFunc(begun, c.want, func(name string, m handover.Made) bool { return name == m.Name }) {
			t.Errorf("%q gets the packets of %q", c.templates, begun)
		}
		x.die()
		s.Wait("the server is free", func() bool {
			return s.StopPoint("news", "") == nil
		})
		if err := s.StartPoint("news"); err != nil {
			t.Fatal(err)
		}
	}
}
