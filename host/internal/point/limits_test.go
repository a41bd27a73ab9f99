package point

import (
	"errors"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/media"
)

// fed gives a live point of 80 kbit/s: ten packets of 1,000 bytes in each second.
func fed(t *testing.T, o Options) *Point {
	t.Helper()
	o.Name, o.Buffer, o.Grace = "live", time.Minute, time.Second
	p := New(o, nil)
	f, err := p.Publish("encoder", true, time.Now())
	if err == nil {
		_, err = f.Open("asf")
	}
	if err != nil {
		t.Fatal(err)
	}
	f.SetHeader([]byte("header"))
	for i := range 21 {
		f.Append(media.Packet{DTS: media.FromDuration(time.Duration(i) * 100 * time.Millisecond), Flags: media.Key}, make([]byte, 1000))
	}
	return p
}

// joins gives which limit keeps the next viewer out, who comes in otherwise.
func joins(t *testing.T, p *Point, now time.Time) Limit {
	t.Helper()
	r, err := p.Rendition("asf")
	if err != nil {
		t.Fatal(err)
	}
	foreseen := r.KeepsOut(now)
	_, err = p.Join("asf", now)
	var full *FullError
	switch {
	case errors.As(err, &full) && errors.Is(err, ErrFull) && full.Limit == foreseen:
		return full.Limit
	case err != nil || foreseen != NoLimit:
		t.Fatalf("join: %v; %v was foreseen", err, foreseen)
	}
	return NoLimit
}

func TestLimits(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		options Options
		total   Limits
		fit     int // viewers
		then    Limit
	}{
		"viewers":              {Options{MaxViewers: 2}, Limits{}, 2, LimitViewers},
		"bandwidth":            {Options{Rates: Rates{Bandwidth: 260_000}}, Limits{}, 3, LimitBandwidth},
		"per viewer":           {Options{Rates: Rates{PerViewer: 70_000}}, Limits{}, 0, LimitPerViewer},
		"joins":                {Options{Rates: Rates{Joins: 4}}, Limits{}, 4, LimitJoins},
		"viewers of all":       {Options{MaxViewers: 9}, Limits{Viewers: 1}, 1, LimitViewers | OfServer},
		"bandwidth of all":     {Options{Rates: Rates{Bandwidth: 9e6}}, Limits{Rates: Rates{Bandwidth: 170_000}}, 2, LimitBandwidth | OfServer},
		"per viewer of all":    {Options{}, Limits{Rates: Rates{PerViewer: 79_000}}, 0, LimitPerViewer | OfServer},
		"joins of all":         {Options{Rates: Rates{Joins: 5}}, Limits{Rates: Rates{Joins: 3}}, 3, LimitJoins | OfServer},
		"a stream that may be": {Options{Rates: Rates{PerViewer: 90_000}, MaxViewers: 1}, Limits{}, 1, LimitViewers},
	} {
		t.Run(name, func(t *testing.T) {
			c.options.Total = new(Total)
			c.options.Total.SetLimits(c.total)
			p := fed(t, c.options)
			for i := range c.fit {
				if l := joins(t, p, now); l != NoLimit {
					t.Fatalf("viewer %d: kept out by %v", i+1, l)
				}
			}
			if l := joins(t, p, now); l != c.then {
				t.Errorf("kept out by %v (%s), want %v", l, &FullError{l}, c.then)
			}
			if u := p.Use(); u.Viewers != c.fit || u != c.options.Total.Use() {
				t.Errorf("%d fit; the point counts %+v, the total %+v", c.fit, u, c.options.Total.Use())
			}
			if c.fit > 0 {
				if _, err := p.Rejoin("asf", now); err != nil {
					t.Errorf("who has a place and moves is kept out: %v", err)
				}
			}
		})
	}
}

// TestJoinsComeBack: each second lets as many join again, and who leaves gives back the place
// and the rate of it.
func TestJoinsComeBack(t *testing.T) {
	now := time.Now()
	total := new(Total)
	p := fed(t, Options{Rates: Rates{Joins: 2, Bandwidth: 450_000}, Total: total})
	for _, step := range []struct {
		after time.Duration
		want  Limit
	}{{0, NoLimit}, {0, NoLimit}, {0, LimitJoins}, {500 * time.Millisecond, NoLimit}, {0, LimitJoins}, {10 * time.Second, NoLimit}, {0, NoLimit}, {0, LimitBandwidth}} {
		now = now.Add(step.after)
		if got := joins(t, p, now); got != step.want {
			t.Fatalf("%v, want %v", got, step.want)
		}
	}
	r, _ := p.Rendition("asf")
	for range 5 {
		r.Leave()
	}
	if u := total.Use(); u != (Use{}) {
		t.Errorf("nobody is left, and %+v is taken", u)
	}
}

func TestLimitKeys(t *testing.T) {
	seen := map[string]bool{"": true}
	for l := LimitViewers; l <= LimitJoins; l++ {
		if key := l.Key(); seen[key] || key != (l|OfServer).Key() {
			t.Errorf("limit %d is called %q", l, key)
		} else {
			seen[key] = true
		}
	}
}

// TestStop: a stopped point lets nobody in, has no renditions, and lets in again after Start.
func TestStop(t *testing.T) {
	p := fed(t, Options{})
	r, _ := p.Rendition("asf")
	if !p.Stop("enough") || p.Stop("enough of it") {
		t.Error("it stops more or less than once")
	}
	if why, stopped := p.IsStopped(); !stopped || why != "enough of it" || p.Snapshot().State != Stopped || !r.Log.Ended() {
		t.Errorf("stopped: %v (%q), state %v, log ended: %v", stopped, why, p.Snapshot().State, r.Log.Ended())
	}
	if _, err := p.Join("asf", time.Now()); !errors.Is(err, ErrStopped) {
		t.Errorf("join: %v", err)
	}
	f := p.Feed()
	if _, err := p.Publish("another", true, time.Now()); !errors.Is(err, ErrStopped) {
		t.Errorf("publish: %v", err)
	}
	f.Close("it was told")
	p.SetOptions(Options{Buffer: time.Minute, Grace: time.Second})
	p.Expect()
	p.Fail("no")
	if why, stopped := p.IsStopped(); !stopped || why != "enough of it" {
		t.Errorf("it does not stay stopped: %v, %q", p.Snapshot().State, why)
	}
	if !p.Start() || p.Start() || p.Snapshot().State != Idle {
		t.Errorf("after the start it is %v", p.Snapshot().State)
	}
	if _, err := p.Publish("another", true, time.Now()); err != nil {
		t.Errorf("publish after the start: %v", err)
	}
	p.Close()
	if p.Stop("late") || p.Snapshot().State != Draining {
		t.Error("a point that drains is stopped")
	}
}
