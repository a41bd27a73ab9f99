package point

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/host/internal/media"
	"github.com/weir-media/weir/host/internal/stream"
)

const grace = 10 * time.Second

func push(name string) *Point { return New(Options{Name: name, Grace: grace}, nil) }

// feed opens a source that feeds rendition, with a header and packets a second apart.
func feed(t *testing.T, p *Point, rendition, header string, packets int) *Feed {
	t.Helper()
	f, err := p.Publish("test", p.Options().IsPush(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	prior, err := f.Open(rendition)
	if err != nil {
		t.Fatal(err)
	}
	f.SetHeader([]byte(header))
	for i := range packets {
		f.Append(media.Packet{DTS: prior.NextTime + media.Time(i)*media.Time(time.Second), Flags: media.Key}, []byte("packet"))
	}
	return f
}

// TestStates walks a point through its life; each step wants a state and a source.
func TestStates(t *testing.T) {
	type step struct {
		name   string
		do     func(t *testing.T, p *Point, f **Feed)
		want   State
		source bool
		alive  int // renditions
	}
	open := step{"open", func(t *testing.T, p *Point, f **Feed) { *f = feed(t, p, "asf", "h", 0) }, Waiting, true, 1}
	live := step{"packet", func(_ *testing.T, _ *Point, f **Feed) { (*f).Append(media.Packet{}, []byte("x")) }, Live, true, 1}
	leave := step{"leave", func(_ *testing.T, _ *Point, f **Feed) { (*f).Close("gone") }, Waiting, false, 1}
	half := step{"half the grace", func(*testing.T, *Point, **Feed) { wait(grace / 2) }, Waiting, false, 1}
	over := step{"grace over", func(*testing.T, *Point, **Feed) { wait(grace + time.Second) }, Idle, false, 0}
	again := step{"return", open.do, Waiting, true, 1}
	drain := step{"drain", func(_ *testing.T, p *Point, _ **Feed) { p.Close() }, Draining, false, 0}
	reserve := step{"reserve", func(t *testing.T, p *Point, f **Feed) {
		var err error
		if *f, err = p.Publish("test", p.Options().IsPush(), time.Now()); err != nil {
			t.Fatal(err)
		}
	}, Idle, true, 0}
	for name, c := range map[string]struct {
		url   string
		steps []step
	}{
		"push":                  {"", []step{open, live, leave, half, over}},
		"returns":               {"", []step{open, live, leave, half, again, live, leave, half, over}},
		"returns in two graces": {"", []step{open, live, leave, half, again, {"late", half.do, Waiting, true, 1}, {"later", over.do, Waiting, true, 1}, live}},
		"never live":            {"", []step{open, leave, over}},
		"reserved only":         {"", []step{reserve, {"give up", leave.do, Idle, false, 0}, open, live}},
		"reserved in grace":     {"", []step{open, live, leave, half, {"reserve", reserve.do, Waiting, true, 1}, {"give up", leave.do, Waiting, false, 1}, over}},
		"grace over, reserved":  {"", []step{open, live, leave, half, {"reserve", reserve.do, Waiting, true, 1}, {"over", over.do, Idle, true, 0}, {"give up", leave.do, Idle, false, 0}}},
		"drained live":          {"", []step{open, live, {"drain", drain.do, Draining, true, 0}, {"packet", live.do, Draining, true, 0}, {"leave", leave.do, Draining, false, 0}, {"over", over.do, Draining, false, 0}}},
		"drained in grace":      {"", []step{open, live, leave, drain, {"over", over.do, Draining, false, 0}}},
		"url":                   {"file:x", []step{{"expect", func(_ *testing.T, p *Point, _ **Feed) { p.Expect() }, Waiting, false, 0}, open, live, leave, {"over", over.do, Waiting, false, 0}, {"fail", func(_ *testing.T, p *Point, _ **Feed) { p.Fail("no file") }, Failed, false, 0}, open}},
		"fail while live":       {"file:x", []step{open, live, {"fail", func(_ *testing.T, p *Point, _ **Feed) { p.Fail("another") }, Live, true, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := New(Options{Name: "live", Grace: grace, URL: c.url}, nil)
				var f *Feed
				for i, s := range c.steps {
					s.do(t, p, &f)
					got := p.Snapshot()
					if got.State != s.want || got.HasSource != s.source || len(got.Renditions) != s.alive {
						t.Fatalf("step %d, %s: %v, source %v, %d renditions; want %v, %v, %d", i, s.name, got.State, got.HasSource, len(got.Renditions), s.want, s.source, s.alive)
					}
				}
			})
		})
	}
}

// wait is virtual: the tests run in synctest bubbles.
func wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestPublishRefusals(t *testing.T) {
	pushed, pulled := push("live"), New(Options{Name: "demo", URL: "file:x"}, nil)
	f := feed(t, pushed, "asf", "h", 1)
	if _, err := pushed.Publish("second", true, time.Now()); !errors.Is(err, ErrBusy) {
		t.Errorf("a second source: %v", err)
	}
	if _, err := pulled.Publish("encoder", true, time.Now()); !errors.Is(err, ErrNotPush) {
		t.Errorf("a push to a point with a URL: %v", err)
	}
	f.Close("gone")
	f.Close("gone again")
	second := feed(t, pushed, "asf", "h", 1)
	f.Close("a third time")
	f.Append(media.Packet{}, []byte("late"))
	if _, err := f.Open("asf"); !errors.Is(err, ErrGone) {
		t.Errorf("a closed feed opens: %v", err)
	}
	if n := second.Rendition().Log.Written(); n != 12 || !pushed.Snapshot().HasSource {
		t.Errorf("a closed feed still writes: %d bytes", n)
	}
	pushed.Close()
	if _, err := pushed.Publish("third", true, time.Now()); !errors.Is(err, ErrClosed) {
		t.Errorf("a draining point: %v", err)
	}
	reserved, err := pulled.Publish("host", false, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pulled.Close()
	if _, err := reserved.Open("asf"); !errors.Is(err, ErrGone) || pulled.Snapshot().State != Draining {
		t.Errorf("opened at a draining point: %v", err)
	}
}

// TestContinuity: a source that returns finds what it has to continue.
func TestContinuity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := push("live")
		f := feed(t, p, "asf", "header", 5)
		log := f.Rendition().Log
		f.Close("gone")
		wait(grace / 2)
		second, err := p.Publish("test", true, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		prior, err := second.Open("asf")
		if err != nil || string(prior.Header) != "header" || prior.NextSeq != 5 || prior.Sources != 2 {
			t.Fatalf("%+v %v", prior, err)
		}
		// The packets are 1 s apart, more than the largest step that is guessed.
		if last := media.Time(4 * time.Second); prior.NextTime <= last || prior.NextTime > last+media.Time(100*time.Millisecond) {
			t.Errorf("next time %v", prior.NextTime.Duration())
		}
		second.SetHeader([]byte("header"))
		second.Append(media.Packet{DTS: prior.NextTime}, []byte("on"))
		if second.Rendition().Log != log || log.Ended() || log.Header().Generation != 1 {
			t.Error("the log was not continued")
		}
		second.SetHeader([]byte("another"))
		if g := log.Header().Generation; g != 2 {
			t.Errorf("generation %d of a new header", g)
		}
	})
}

// TestOtherRendition: a source of another form ends what the last one left, at once.
func TestOtherRendition(t *testing.T) {
	p := push("live")
	f := feed(t, p, "asf", "h", 1)
	derived, err := p.Derive(f.Rendition(), "mmsh")
	if err != nil {
		t.Fatal(err)
	}
	f.Close("gone")
	second := feed(t, p, "mpegts", "h2", 1)
	if !f.Rendition().Log.Ended() || second.Rendition().Log.Ended() {
		t.Error("the old rendition goes on")
	}
	if derived.Log.Ended() {
		t.Error("a derived log was ended by another than its packager")
	}
	p.Remove(derived)
	if got := names(p); !slices.Equal(got, []string{"mpegts"}) || !derived.Log.Ended() {
		t.Error(got)
	}
	if _, err := p.Derive(f.Rendition(), "mmsh"); !errors.Is(err, ErrNoSuch) {
		t.Errorf("derived from a rendition that is gone: %v", err)
	}
}

func names(p *Point) (all []string) {
	for _, r := range p.Snapshot().Renditions {
		all = append(all, r.Name())
	}
	return all
}

func TestDerive(t *testing.T) {
	p := push("live")
	f := feed(t, p, "asf", "h", 1)
	for _, to := range []string{"mmsh", "aaa"} {
		if r, err := p.Derive(f.Rendition(), to); err != nil || r.From() != "asf" {
			t.Fatal(err)
		}
	}
	if _, err := p.Derive(f.Rendition(), "mmsh"); !errors.Is(err, ErrBusy) {
		t.Errorf("derived twice: %v", err)
	}
	if got := names(p); !slices.Equal(got, []string{"aaa", "asf", "mmsh"}) {
		t.Errorf("%q are not sorted", got)
	}
}

func TestJoin(t *testing.T) {
	p := New(Options{Name: "live", MaxViewers: 2}, nil)
	if _, err := p.Join("asf", time.Now()); !errors.Is(err, ErrNoSuch) {
		t.Errorf("nothing to join: %v", err)
	}
	f, _ := p.Publish("test", true, time.Now())
	if _, err := f.Open("asf"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Join("asf", time.Now()); !errors.Is(err, ErrNotReady) {
		t.Errorf("no header yet: %v", err)
	}
	f.SetHeader([]byte("h"))
	var all sync.WaitGroup
	var mu sync.Mutex
	joined := 0
	for range 100 {
		all.Go(func() {
			if r, err := p.Join("asf", time.Now()); err == nil {
				if r.Point() != p {
					t.Error("another's rendition")
				}
				mu.Lock()
				joined++
				mu.Unlock()
			} else if !errors.Is(err, ErrFull) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if joined != 2 || p.Snapshot().Viewers != 2 {
		t.Errorf("%d have joined, %d are counted", joined, p.Snapshot().Viewers)
	}
	asf, err := p.Rendition("asf")
	if err != nil {
		t.Fatal(err)
	}
	asf.Leave()
	if _, err := p.Join("asf", time.Now()); err != nil {
		t.Error(err)
	}
	asf.Leave()
	p.Close()
	if _, err := p.Join("asf", time.Now()); !errors.Is(err, ErrClosed) {
		t.Errorf("draining: %v", err)
	}
}

type watcher struct{ changes int }

func (w *watcher) Changed(*Point) { w.changes++ }

// TestWatchers are told of changes, once each, and not after Unwatch. The hook for
// packagers is called once for each rendition, with its header in place.
func TestWatchers(t *testing.T) {
	var ready []string
	p := New(Options{Name: "live"}, func(_ *Point, r *Rendition) { ready = append(ready, r.Name()+" "+string(r.Log.Header().Bytes)) })
	w := &watcher{}
	p.Watch(w)
	p.Watch(w)
	f, _ := p.Publish("test", true, time.Now())
	if w.changes != 0 {
		t.Error("a reservation is a change")
	}
	_, _ = f.Open("asf")
	opened := w.changes
	f.SetHeader([]byte("h"))
	f.SetHeader([]byte("h"))
	headed := w.changes
	f.Append(media.Packet{}, []byte("x"))
	live := w.changes
	for range 100 {
		f.Append(media.Packet{}, []byte("x"))
	}
	if opened != 1 || headed != 2 || live != 3 || w.changes != 3 {
		t.Errorf("opened %d, headed %d, live %d, then %d", opened, headed, live, w.changes)
	}
	f.SetHeader([]byte("h2"))
	if w.changes != 4 || !slices.Equal(ready, []string{"asf h"}) {
		t.Errorf("%d changes, ready %q", w.changes, ready)
	}
	p.Unwatch(w)
	p.Close()
	if w.changes != 4 {
		t.Error("told after Unwatch")
	}
}

// TestEndReachesReaders: when the grace is over readers find the end of the log.
func TestEndReachesReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := push("live")
		f := feed(t, p, "asf", "h", 2)
		c := f.Rendition().Log.Cursor(stream.Start{Mode: stream.StartSeq})
		f.Close("gone")
		for want := range 2 {
			if k, st := c.Next(); st != stream.More || k.Seq != uint64(want) {
				t.Fatalf("%v", st)
			}
		}
		wait(grace - time.Millisecond)
		if _, st := c.Next(); st != stream.Empty {
			t.Errorf("%v within the grace", st)
		}
		wait(time.Millisecond)
		if _, st := c.Next(); st != stream.Ended {
			t.Errorf("%v after the grace", st)
		}
	})
}
