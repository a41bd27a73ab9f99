package point

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestMadePointGoes: a point that was made from a template ends with its use: with its
// source, if it goes with that, else when the grace is over.
func TestMadePointGoes(t *testing.T) {
	for name, c := range map[string]struct {
		template string
		auto     bool
		after    time.Duration // from the source's end until it goes; 0: at once
		goes     bool
	}{
		"configured":       {"", true, grace, false},
		"grace":            {"studio/*", false, grace, true},
		"with its source":  {"studio/*", true, 0, true},
		"configured later": {"studio/*", false, grace, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := New(Options{Name: "studio/1", Template: c.template, Grace: grace}, nil)
				var gone atomic.Pointer[Point]
				p.OnGone(gone.Store)
				p.SetAutoDestroy(c.auto)
				f := feed(t, p, "asf", "header", 3)
				if name == "configured later" {
					p.SetOptions(Options{Name: "studio/1", Grace: grace})
				}
				f.Close("left")
				if c.after > 0 {
					wait(grace / 2)
					if gone.Load() != nil {
						t.Fatal("it is gone before its grace is over")
					}
					wait(grace)
				}
				if (gone.Load() == p) != c.goes {
					t.Errorf("gone: %v", gone.Load() != nil)
				}
				if _, err := p.Publish("test", true, time.Now()); (err == nil) == c.goes {
					t.Errorf("publish: %v", err)
				}
			})
		})
	}
}

// TestMadePointStays: while a source feeds it, or comes back in time, a point that was made
// is there; one for which nobody could publish goes at once.
func TestMadePointStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New(Options{Name: "studio/1", Template: "studio/*", Grace: grace}, nil)
		var gone atomic.Int32
		p.OnGone(func(*Point) { gone.Add(1) })
		f := feed(t, p, "asf", "header", 3)
		f.Close("left")
		wait(grace / 2)
		reserved, err := p.Publish("test", true, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		reserved.Close("refused")
		f = feed(t, p, "asf", "header", 3)
		wait(2 * grace)
		if gone.Load() != 0 {
			t.Fatal("it is gone under its source")
		}
		f.Close("left")
		wait(2 * grace)
		if gone.Load() != 1 {
			t.Errorf("gone %d times", gone.Load())
		}
	})
	p := New(Options{Name: "studio/1", Template: "studio/*", Grace: grace}, nil)
	gone := false
	p.OnGone(func(*Point) { gone = true })
	f, err := p.Publish("test", true, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	f.Close("refused")
	if !gone {
		t.Error("a point that was never fed stays")
	}
}
