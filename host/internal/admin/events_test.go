package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/weir-media/weir/host/internal/journal"
)

func (f *fakeServer) Events(filter journal.Filter) (*journal.Reader, error) {
	return f.journal.Read(filter)
}

func (f *fakeServer) StartPoint(name string) error { return f.orderPoint(name, "idle", "") }

func (f *fakeServer) StopPoint(name, reason string) error {
	return f.orderPoint(name, "stopped", reason)
}

func (f *fakeServer) orderPoint(name, state, reason string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if name != "live" {
		return fmt.Errorf("point %q: %w", name, ErrNotFound)
	}
	if f.answer == nil {
		f.pointState, f.pointReason = state, reason
	}
	return f.answer
}

// TestEvents: who asks hears what happens from then on, of the kinds and points that it asked for, until the server ends.
func TestEvents(t *testing.T) {
	f := &fakeServer{journal: journal.New(time.Now)}
	s := httptest.NewServer(NewHandler(f, nil))
	defer s.Close()
	c, err := NewClient(strings.TrimPrefix(s.URL, "http://"), "")
	if err != nil {
		t.Fatal(err)
	}
	sent := []Event{
		{Kind: journal.Play, Point: "live", Session: 3, Peer: "192.0.2.1:5", Client: &journal.Client{UserAgent: "a\nb"}},
		{Kind: journal.Stop, Point: "live", Session: 3, Traffic: &journal.Traffic{Seconds: 1.5, BytesOut: 9}},
	}
	ended := make(chan error)
	heard := make(chan Event, 10)
	go func() {
		ended <- c.Events(t.Context(), EventQuery{Kinds: []string{"play,stop"}, Points: []string{"live"}}, func(e Event) error { heard <- e; return nil },
			func(n uint64) error { return fmt.Errorf("%d missed", n) })
	}()
	for !f.journal.Heard() {
		runtime.Gosched()
	}
	f.journal.Tell(sent[0])
	f.journal.Tell(Event{Kind: journal.Play, Point: "tv"})
	f.journal.Tell(Event{Kind: journal.Point, Point: "live"})
	f.journal.Tell(sent[1])
	got := []Event{<-heard, <-heard}
	f.journal.Dismiss()
	if err := <-ended; err == nil || err.Error() != "the server has ended" {
		t.Errorf("the end: %v", err)
	}
	for i, e := range got {
		want := sent[i]
		want.ID, want.Time = e.ID, e.Time
		if !reflect.DeepEqual(e, want) || e.ID == 0 {
			t.Errorf("got %+v, want %+v", e, want)
		}
	}
}

func TestEventsRefused(t *testing.T) {
	f := &fakeServer{journal: journal.New(time.Now)}
	h := NewHandler(f, nil)
	for target, want := range map[string]int{"/v1/events?kind=pley": 400, "/v1/events?kind=play,": 400} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
		if w.Code != want || !strings.Contains(w.Body.String(), "there are connect, describe, play") {
			t.Errorf("%s: %d %s", target, w.Code, w.Body)
		}
	}
	f.journal.Close()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/events", nil))
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d after the end", w.Code)
	}
}

// TestMissedEvents: what a reader has missed is told in its place.
func TestMissedEvents(t *testing.T) {
	j := journal.New(time.Now)
	r, err := j.Read(journal.Filter{Queue: 1})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		j.Tell(Event{Kind: journal.Play})
	}
	var said []string
	err = readEvents(strings.NewReader(string(eventsText(nil, r))), func(e Event) error { said = append(said, string(e.Kind)); return nil },
		func(n uint64) error { said = append(said, fmt.Sprint(n)); return nil })
	if strings.Join(said, " ") != "play 2" || err != nil {
		t.Errorf("%q, %v", said, err)
	}
}

func TestPointOrders(t *testing.T) {
	f := &fakeServer{}
	s := httptest.NewServer(NewHandler(f, nil))
	defer s.Close()
	c, err := NewClient(strings.TrimPrefix(s.URL, "http://"), "")
	if err != nil {
		t.Fatal(err)
	}
	p, err := c.StopPoint(context.Background(), "live", " closed\nuntil  noon")
	if err != nil || p.State != "stopped" || p.Reason != "closed until noon" {
		t.Errorf("stop: %+v, %v", p, err)
	}
	if p, err = c.StopPoint(context.Background(), "live", ""); err != nil || p.Reason != "stopped by the admin API" {
		t.Errorf("stop without a reason: %+v, %v", p, err)
	}
	if p, err = c.StartPoint(context.Background(), "live"); err != nil || p.State != "idle" {
		t.Errorf("start: %+v, %v", p, err)
	}
	if _, err = c.StartPoint(context.Background(), "dead"); err == nil || !strings.Contains(err.Error(), `point "dead": not found`) {
		t.Errorf("no such point: %v", err)
	}
	for path, want := range map[string]int{"/v1/points/live/pause": 404, "/v1/points/live/stop": 405} {
		method := http.MethodPost
		if want == 405 {
			method = http.MethodGet
		}
		w := httptest.NewRecorder()
		NewHandler(f, nil).ServeHTTP(w, httptest.NewRequest(method, path, nil))
		if w.Code != want {
			t.Errorf("%s %s: %d", method, path, w.Code)
		}
	}
}

// FuzzReadEvents: a server that is none brings an error, or nothing.
func FuzzReadEvents(f *testing.F) {
	f.Add([]byte("id: 1\nevent: play\ndata: {\"id\":1,\"kind\":\"play\"}\n\n"))
	f.Add([]byte("event: missed\ndata: {\"missed\": 3}\n\n: \n\ndata: x\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = readEvents(strings.NewReader(string(b)), func(e Event) error {
			if _, err := json.Marshal(e); err != nil {
				t.Errorf("%+v was read, and cannot be written: %v", e, err)
			}
			return nil
		}, func(uint64) error { return nil })
	})
}
