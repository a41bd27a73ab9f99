//go:build linux

package load_test

import (
	"testing"
	"time"

	"github.com/weir-media/weir/host/hosttest"
)

// programme is a server in the test's process with viewers of a pushed film.
type programme struct {
	*hosttest.Server
	at       string
	film     *film
	encoder  *encoder
	audience *audience
	seats    []*seat
	forms    []*form
}

// air pushes a film that viewers watch, plainly and as Windows Media players.
func air(t *testing.T, s *hosttest.Server, length time.Duration, rate, viewers int) *programme {
	t.Helper()
	const lead = 11 * time.Second
	x := &programme{Server: s, at: s.Addr("web"), film: asfFilm(t, 0, lead+length, rate)}
	x.encoder = push(t, x.at, "live", x.film, true, lead)
	ready(t, s, "live", "mmsh", uint64(lead/x.film.step)-1)
	x.forms = []*form{x.film.overMMSH("live"), x.film.overHTTP("live")}
	x.audience = newAudience(t)
	x.join(viewers, x.forms...)
	return x
}

func (x *programme) join(n int, forms ...*form) (more []*seat) {
	more = sit(n, habit{}, forms...)
	x.audience.join(x.at, more)
	x.audience.wait("watch", more, func(s *seat) bool { return s.first >= 0 })
	x.seats = append(x.seats, more...)
	return more
}

// finish ends the film and judges that all viewers got it whole.
func (x *programme) finish() {
	n := x.encoder.finish()
	last := map[*form]int{}
	for _, f := range x.forms {
		last[f] = n
	}
	x.audience.ended(x.seats, last)
}

// TestReloadAll: each plugin that the film goes through, the one that takes it included, is replaced again and again, while viewers come.
func TestReloadAll(t *testing.T) {
	s := serve(t, "live: {source: push, buffer: 10s, grace: 0s}")
	x := air(t, s, scale(2*time.Minute, time.Hour), scale(megabit/2, megabit/5), scale(40, 200))
	chain := []string{"push", "asf", "wmsp", "http"}
	var before level
	rounds := scale(8, 800)
	for i := range rounds {
		if i == 4 {
			before = measure(t)
		}
		for _, name := range chain {
			generation := s.Plugin(name).Generation
			if err := s.Reload(name); err != nil {
				t.Fatalf("round %d: %v", i, err)
			}
			if now := s.Plugin(name).Generation; now <= generation {
				t.Fatalf("round %d: generation %d of %s after %d", i, now, name, generation)
			}
		}
		late := sit(2, habit{}, x.forms...) // what the new generations say and pack
		x.audience.join(x.at, late)
		x.audience.wait("watch", late, func(s *seat) bool { return s.first >= 0 })
		x.audience.leave(late)
		x.audience.watched(x.seats, int(x.encoder.sent.Load()))
	}
	settled(t, before)
	x.finish()
	innocent(t, s)
}

// incarnationAt is where a $D chunk's head has its playIncarnation (MS-WMSP 2.2.3.1.2), which the packager of plugin wmsp writes.
const incarnationAt = 8

// TestReloadPackager: a packager is replaced by one that packs differently. All viewers of its rendition see the change at the same packet, which is a key
// packet; numbers go on and no byte is lost.
func TestReloadPackager(t *testing.T) {
	s := serve(t, "live: {source: push, buffer: 10s, grace: 0s}")
	x := air(t, s, scale(2*time.Minute, 10*time.Minute), megabit, 0)
	mmsh := x.forms[0]
	mmsh.markAt = incarnationAt
	x.join(scale(40, 200), x.forms...)
	const head = "h := asf.DataChunkHead(uint32(n.Sequence), int(n.Size))"
	builds := [][]byte{variant(t, "packager.go", head, head+"; h[8] = 0x51"), variant(t, "packager.go", head, head+"; h[8] = 0x52")}
	for i := range scale(4, 100) {
		was := s.Point("live")
		s.Replace("wmsp", builds[i%2])
		began := time.Now()
		if err := s.Reload("wmsp"); err != nil {
			t.Fatal(err)
		}
		want := byte(0x51 + i%2)
		x.audience.wait("get what the new packager packs", x.seats, func(s *seat) bool { return s.form != mmsh || s.mark.value == want })
		since := -1
		x.audience.see(func() {
			for _, s := range x.seats {
				switch {
				case s.form != mmsh:
				case since < 0:
					since = s.mark.since
				case s.mark.since != since:
					t.Errorf("one viewer sees the new packager from packet %d on, another from %d", since, s.mark.since)
				}
			}
		})
		if i == 0 {
			t.Logf("the first packet of the new packager is number %d, %v after the reload", since, time.Since(began).Round(time.Millisecond))
		}
		for j, r := range s.Point("live").Renditions {
			if r.Generation != was.Renditions[j].Generation {
				t.Errorf("rendition %s has its header number %d after %d", r.Name, r.Generation, was.Renditions[j].Generation)
			}
		}
	}
	x.finish()
	innocent(t, s)
}
