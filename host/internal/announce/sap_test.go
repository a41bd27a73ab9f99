package announce

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weir-media/weir/host/internal/point"
)

// stage is what notices say, and what was heard of them.
type stage struct {
	mu    sync.Mutex
	text  map[string]string // by the group's address; empty: nothing to say
	fault error             // of the writer
	mute  error             // of the sockets
	open  int
	heard []string
	began time.Time
}

func newStage(t *testing.T) (*stage, *SAP) {
	s := &stage{text: map[string]string{}, began: time.Now()}
	a := NewSAP(SAPOptions{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Write: s.write, Open: s.opened})
	t.Cleanup(func() { a.Close(false) })
	return s, a
}

func (s *stage) write(n Notice) (announcement, deletion []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := s.text[n.Group.To.Addr().String()]
	switch {
	case s.fault != nil:
		return nil, nil, s.fault
	case text == "":
		return nil, nil, fmt.Errorf("%w: no rendition", ErrNotAnnounced)
	}
	return []byte("+" + text), []byte("-" + text), nil
}

func (s *stage) opened(Notice) (Sender, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mute != nil {
		return nil, s.mute
	}
	s.open++
	return &mouth{s}, nil
}

type mouth struct{ s *stage }

func (m *mouth) Send(b []byte) error {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	if m.s.mute != nil {
		return m.s.mute
	}
	m.s.heard = append(m.s.heard, fmt.Sprintf("%v%s", time.Since(m.s.began).Round(time.Second), b))
	return nil
}

func (m *mouth) Close() error {
	m.s.mu.Lock()
	defer m.s.mu.Unlock()
	m.s.open--
	return nil
}

func (s *stage) say(group, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text[group] = text
}

func (s *stage) fail(fault, mute error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.mute = fault, mute
}

func (s *stage) sockets() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open
}

// expect waits until all is quiet and compares what was heard since.
func (s *stage) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.heard, want) {
		t.Errorf("heard %q, want %q", s.heard, want)
	}
	s.heard = nil
}

func noticeOf(p *point.Point, group string) Notice {
	return Notice{Point: p, Group: Group{Rendition: "rtp", To: netip.MustParseAddrPort(group + ":5000"), TTL: 1}, To: netip.MustParseAddr("239.255.255.255"), Interval: 5 * time.Second}
}

// TestSAP: said at once and every five seconds; what changes is taken back and said anew at
// once; so is what goes, and all at the end.
func TestSAP(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newStage(t)
		p := point.New(point.Options{Name: "tv"}, nil)
		one, two := noticeOf(p, "239.1.1.1"), noticeOf(p, "239.1.1.2")
		s.say("239.1.1.1", "a")
		s.say("239.1.1.2", "x")
		a.Set([]Notice{one})
		s.expect(t, "0s+a")
		time.Sleep(12 * time.Second)
		s.expect(t, "5s+a", "10s+a")
		a.Refresh()
		p.Expect() // a change of the point's
		s.expect(t)
		s.say("239.1.1.1", "b")
		a.Refresh()
		s.expect(t, "12s-a", "12s+b")
		a.Set([]Notice{one, two})
		s.expect(t, "12s+x")
		a.Set([]Notice{two})
		s.expect(t, "12s-b")
		s.say("239.1.1.2", "")
		p.Expect()
		s.expect(t, "12s-x")
		if st := a.Of(p); len(st) != 1 || st[0].State != SAPWaiting || st[0].Announcements != 1 || st[0].Deletions != 1 {
			t.Errorf("%+v", st)
		}
		time.Sleep(8 * time.Second)
		s.say("239.1.1.2", "y")
		a.Refresh()
		s.expect(t, "20s+y")
		a.Close(false)
		s.expect(t, "20s-y")
		if sent, _ := a.Counts(); s.sockets() != 0 || sent["tv"] != (SAPCounts{Announcements: 6, Deletions: 4}) {
			t.Errorf("%d sockets open, sent %+v", s.sockets(), sent)
		}
		a.Set([]Notice{one})
		time.Sleep(time.Minute)
		s.expect(t)
	})
}

// TestSAPWriterFails: a plugin that does not answer changes nothing of what it has said.
func TestSAPWriterFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newStage(t)
		p := point.New(point.Options{Name: "tv"}, nil)
		s.fail(errors.New("the plugin is quarantined"), nil)
		s.say("239.1.1.1", "a")
		a.Set([]Notice{noticeOf(p, "239.1.1.1")})
		s.expect(t)
		if st := a.Of(p)[0]; st.State != SAPFailed || st.Reason != "the plugin is quarantined" {
			t.Errorf("%+v", st)
		}
		s.fail(nil, nil)
		time.Sleep(6 * time.Second)
		s.expect(t, "5s+a")
		s.fail(errors.New("the plugin is quarantined"), nil)
		time.Sleep(6 * time.Second)
		s.expect(t, "10s+a")
		if st := a.Of(p)[0]; st.State != SAPAnnounced || st.Reason == "" {
			t.Errorf("%+v", st)
		}
	})
}

// TestSAPSocketFails: a socket that fails is opened anew.
func TestSAPSocketFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newStage(t)
		p := point.New(point.Options{Name: "tv"}, nil)
		s.say("239.1.1.1", "a")
		a.Set([]Notice{noticeOf(p, "239.1.1.1")})
		s.expect(t, "0s+a")
		s.fail(nil, errors.New("network is unreachable"))
		time.Sleep(11 * time.Second)
		s.expect(t)
		if st := a.Of(p)[0]; st.State != SAPFailed || st.Failed != 2 || s.sockets() != 0 {
			t.Errorf("%+v with %d sockets", st, s.sockets())
		}
		s.fail(nil, nil)
		time.Sleep(5 * time.Second)
		s.expect(t, "15s+a")
		a.Close(true) // another server says the same
		s.expect(t)
	})
}

// TestManyNotices: a change of one has nobody else speak out of turn.
func TestManyNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := newStage(t)
		p := point.New(point.Options{Name: "tv"}, nil)
		var all []Notice
		for i := range 20 {
			group := fmt.Sprintf("239.1.1.%d", i+1)
			s.say(group, group)
			all = append(all, noticeOf(p, group))
		}
		a.Set(all)
		var want []string
		for _, n := range all {
			want = append(want, "0s+"+n.Group.To.Addr().String())
		}
		slices.SortFunc(want, func(a, b string) int { return addr(a[3:] + ":1").Compare(addr(b[3:] + ":1")) })
		s.expect(t, want...)
		s.say("239.1.1.7", "other")
		a.Refresh()
		s.expect(t, "0s-239.1.1.7", "0s+other")
	})
}
