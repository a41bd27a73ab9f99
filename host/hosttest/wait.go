package hosttest

import (
	"encoding/json"
	"testing"
	"time"
)

const (
	// deadline is when a wait fails the test. Chosen: far above what two busy cores need.
	deadline = 60 * time.Second
	// interval is the time between two looks. Chosen: short beside all that is waited for.
	interval = 10 * time.Millisecond
)

// Status describes the whole server, as `weir status --json`.
func (s *Server) Status() Status { return s.host.Status() }

// Faults lists the last faults of a plugin, the latest first, without their frames.
func (s *Server) Faults(plugin string) []Fault {
	s.t.Helper()
	all, err := s.host.Faults(plugin)
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// Sessions lists the sessions on a point, or all for "".
func (s *Server) Sessions(point string) []Session { return s.host.Sessions(point) }

// Point gives a point of the configuration as it is now.
func (s *Server) Point(name string) Point {
	s.t.Helper()
	p, ok := findPoint(s.Status(), name)
	if !ok {
		s.t.Fatalf("there is no point %q", name)
	}
	return p
}

// Plugin gives a plugin of the configuration as it is now.
func (s *Server) Plugin(name string) PluginStatus {
	s.t.Helper()
	for _, p := range s.Status().Plugins {
		if p.Name == name {
			return p
		}
	}
	s.t.Fatalf("there is no plugin %q", name)
	return PluginStatus{}
}

// WaitStatus waits until ok is true of the server's status, and gives that status.
func (s *Server) WaitStatus(what string, ok func(Status) bool) (st Status) {
	s.t.Helper()
	s.Wait(what, func() bool {
		st = s.Status()
		return ok(st)
	})
	return st
}

// WaitPoint waits until a point is in a state: idle, waiting, live, draining, failed.
func (s *Server) WaitPoint(name, state string) Point {
	s.t.Helper()
	return s.waitPoint(name, "is "+state, func(p Point) bool { return p.State == state })
}

// WaitViewers waits until a point has exactly n viewers.
func (s *Server) WaitViewers(name string, n int) Point {
	s.t.Helper()
	return s.waitPoint(name, "has the viewers", func(p Point) bool { return p.Viewers == n })
}

// WaitRendition waits until one of a point's renditions can be watched: it has its header.
func (s *Server) WaitRendition(point, name string) Point {
	s.t.Helper()
	return s.waitPoint(point, "has rendition "+name, func(p Point) bool {
		for _, r := range p.Renditions {
			if r.Name == name && r.HeaderBytes > 0 {
				return true
			}
		}
		return false
	})
}

// WaitMedia waits until the point holds or has held media up to a time, counted from
// its first packet, in one of its renditions.
func (s *Server) WaitMedia(name string, until time.Duration) Point {
	s.t.Helper()
	return s.waitPoint(name, "is "+until.String()+" old", func(p Point) bool {
		for _, r := range p.Renditions {
			if r.NewestSeconds >= until.Seconds() {
				return true
			}
		}
		return false
	})
}

func (s *Server) waitPoint(name, what string, ok func(Point) bool) (p Point) {
	s.t.Helper()
	s.WaitStatus("point "+name+" "+what, func(st Status) bool {
		var found bool
		p, found = findPoint(st, name)
		return found && ok(p)
	})
	return p
}

func findPoint(st Status, name string) (Point, bool) {
	for _, p := range st.Points {
		if p.Name == name {
			return p, true
		}
	}
	return Point{}, false
}

// Wait polls until done is true, and fails the test if that takes too long.
func (s *Server) Wait(what string, done func() bool) {
	s.t.Helper()
	if !poll(done) {
		st, _ := json.MarshalIndent(s.Status(), "", " ")
		s.t.Fatalf("after %v still not: %s\n%s", deadline, what, st)
	}
}

// Eventually is Wait for what is no server's.
func Eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	if !poll(done) {
		t.Fatalf("after %v still not: %s", deadline, what)
	}
}

// poll looks until done is true; false means that the deadline came first.
func poll(done func() bool) bool {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for end := time.Now().Add(deadline); !done(); <-tick.C {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
