package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

func said(events []*Event) string {
	var all []string
	for _, e := range events {
		all = append(all, fmt.Sprintf("%s/%s/%s", e.Kind, e.Point, e.What))
	}
	return strings.Join(all, " ")
}

func TestReaders(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	j := New(func() time.Time { return at })
	if j.Heard() {
		t.Error("nobody reads, and it is heard")
	}
	j.Tell(Event{Kind: Play})
	read := func(f Filter) *Reader {
		r, err := j.Read(f)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	all, some, slow := read(Filter{}), read(Filter{Kinds: []Kind{Play, Point}, Points: []string{"live"}, Guest: true}), read(Filter{Queue: 2})
	for _, e := range []Event{{Kind: Play, Point: "live"}, {Kind: Stop, Point: "live"}, {Kind: Play, Point: "tv"}, {Kind: Point, Point: "live", What: "live"}, {Kind: Plugin}} {
		j.Tell(e)
	}
	events, missed := all.Take(100)
	if got := said(events); got != "play/live/ stop/live/ play/tv/ point/live/live plugin//" || missed != 0 {
		t.Errorf("all: %s, %d missed", got, missed)
	}
	for i, e := range events {
		if e.ID != uint64(i+1) || !e.Time.Equal(at) {
			t.Errorf("event %d has id %d and time %v", i, e.ID, e.Time)
		}
	}
	if events, missed = some.Take(1); said(events) != "play/live/" || missed != 0 {
		t.Errorf("some: %s, %d missed", said(events), missed)
	}
	if events, missed = slow.Take(1); said(events) != "play/live/" || missed != 3 {
		t.Errorf("slow: %s, %d missed", said(events), missed)
	}
	j.Tell(Event{Kind: Listener})
	if events, missed = slow.Take(9); said(events) != "stop/live/ listener//" || missed != 0 || slow.Missed() != 3 {
		t.Errorf("slow, later: %s, %d missed, %d ever", said(events), missed, slow.Missed())
	}
	j.Dismiss()
	j.Dismiss()
	if events, _ = some.Next(t.Context(), 9); said(events) != "point/live/live" {
		t.Errorf("a guest that was dismissed gets %s", said(events))
	}
	if events, _ = some.Next(t.Context(), 9); len(events) != 0 {
		t.Errorf("and then %s", said(events))
	}
	all.Close()
	all.Close()
	j.Close()
	if _, err := j.Read(Filter{}); !errors.Is(err, ErrClosed) || j.Heard() {
		t.Errorf("after the end: %v", err)
	}
}

// TestNobodyWaits: many tell at once while one reads and one does not; who reads gets all in
// order, the other is told how many it missed.
func TestNobodyWaits(t *testing.T) {
	const tellers, each, room = 8, 500, 10
	j := New(time.Now)
	reads, err := j.Read(Filter{Queue: tellers * each})
	if err != nil {
		t.Fatal(err)
	}
	sleeps, err := j.Read(Filter{Queue: room})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range tellers {
		all.Go(func() {
			for range each {
				j.Tell(Event{Kind: Play})
			}
		})
	}
	last := uint64(0)
	for last < tellers*each {
		events, missed := reads.Next(t.Context(), 64)
		if missed != 0 || len(events) == 0 {
			t.Fatalf("%d events, %d missed", len(events), missed)
		}
		for _, e := range events {
			if e.ID != last+1 {
				t.Fatalf("event %d behind %d", e.ID, last)
			}
			last = e.ID
		}
	}
	all.Wait()
	if events, missed := sleeps.Take(99); len(events) != room || missed != tellers*each-room {
		t.Errorf("who slept has %d and missed %d", len(events), missed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if events, missed := reads.Next(ctx, 1); len(events) != 0 || missed != 0 {
		t.Errorf("%d events, %d missed after the reader gave up", len(events), missed)
	}
}

func TestMostReaders(t *testing.T) {
	j := New(time.Now)
	for i := range MostReaders + 1 {
		if _, err := j.Read(Filter{}); errors.Is(err, ErrTooMany) != (i == MostReaders) {
			t.Fatalf("reader %d: %v", i, err)
		}
	}
}

func TestNil(t *testing.T) {
	var j *Journal
	j.Tell(Event{})
	if j.Heard() {
		t.Error("nothing is heard")
	}
}

func TestClip(t *testing.T) {
	for in, want := range map[string]string{"": "", "NSPlayer/9.0": "NSPlayer/9.0", "a\xffb": "ab", strings.Repeat("é", 200): strings.Repeat("é", 128), "x" + strings.Repeat("é", 200): "x" + strings.Repeat("é", 127)} {
		if got := Clip(in); got != want {
			t.Errorf("%.20q… becomes %q", in, got)
		}
	}
}

// BenchmarkUnheard: what nobody reads costs nothing.
func BenchmarkUnheard(b *testing.B) {
	j := New(time.Now)
	b.ReportAllocs()
	for b.Loop() {
		j.Tell(Event{Kind: Play})
	}
}
