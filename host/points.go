package host

import (
	"errors"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/point"
)

// StopPoint ends a point's source and its viewers, each in the words of its protocol, and
// refuses new ones until StartPoint, whatever configuration is put in force meanwhile. Of a
// point that is stopped only the reason changes.
func (s *Server) StopPoint(name, reason string) error {
	if reason == "" {
		reason = "stopped by an operator"
	}
	s.changes.mu.Lock()
	defer s.changes.mu.Unlock()
	p, err := s.findPoint(name)
	if err == nil && s.isTaken() {
		err = errors.New("another server is taking over from this one; stop the point there")
	}
	if err != nil {
		return notFound(err)
	}
	if p.Stop(reason) {
		s.log.Info("point stopped", "point", name, "why", reason)
		s.room.EndSource(name, reason)
	}
	return nil
}

// StartPoint lets sources and viewers of a stopped point in again, and starts the source of
// one that has a URL.
func (s *Server) StartPoint(name string) error {
	s.changes.mu.Lock()
	defer s.changes.mu.Unlock()
	p, err := s.findPoint(name)
	if err != nil {
		return notFound(err)
	}
	if p.Start() {
		s.log.Info("point started", "point", name)
		s.room.StartSources()
	}
	return nil
}

func (s *Server) findPoint(name string) (*point.Point, error) {
	if err := s.notClosing(); err != nil {
		return nil, err
	}
	if p := s.room.Point(name); p != nil {
		return p, nil
	}
	return nil, &UnknownError{"point", name}
}

// newPoint makes a point of the configuration.
func (s *Server) newPoint(c config.Point, file string) *point.Point {
	p := s.watchedPoint(pointOptions(c))
	if !c.Enabled {
		p.Stop(notEnabled(file))
	}
	return p
}

// watchedPoint makes a point whose viewers count with those of all others, and whose changes
// are told.
func (s *Server) watchedPoint(o point.Options) *point.Point {
	o.Total = &s.vitals.total
	p := point.New(o, s.ready)
	s.vitals.records.watch(p)
	return p
}

// notEnabled is why a point is stopped that nobody has stopped by hand.
func notEnabled(file string) string { return "enabled: false in " + file }

func pointRates(r config.Rates) point.Rates {
	return point.Rates{Bandwidth: r.Bandwidth, PerViewer: r.PerViewer, Joins: r.Joins}
}

func totalLimits(l config.Limits) point.Limits {
	return point.Limits{Viewers: l.Viewers, Rates: pointRates(l.Rates)}
}

// stopsNote says what the change does to a point that is stopped, or is to be.
func (p *pointStep) stopsNote() string {
	switch {
	case p.stops:
		return "its source and viewers end"
	case p.action == admin.Added && !p.now.Enabled && p.stopped == "":
		return "it begins stopped"
	case p.starts:
		return "it is started"
	case p.stopped != "":
		return "it stays stopped (" + p.stopped + "); start it with: weir point start " + p.now.Name
	}
	return ""
}

// switches notes what becomes of a point's being stopped. The word of an operator holds
// until the configuration itself says something else than before. A point that is added may
// be there, made from a template.
func (p *pointStep) switches(s *Server) {
	at := s.room.Point(p.now.Name)
	if p.action == admin.Removed || at == nil {
		return
	}
	why, stopped := at.IsStopped()
	if stopped {
		p.stopped = why
	}
	wasMade := p.action == admin.Added
	p.restarts = p.restarts || wasMade && !p.now.Push
	p.stops = !stopped && (wasMade || p.old.Enabled) && !p.now.Enabled
	p.starts = stopped && !wasMade && !p.old.Enabled && p.now.Enabled
	p.restarts = p.restarts && !stopped && !p.stops
}

// pointAudience tells what a point's viewers take, and its limits.
func pointAudience(p *point.Point) admin.Audience {
	o, u := p.Options(), p.Use()
	return audience(o.MaxViewers, o.Rates, u)
}

func audience(viewers int, r point.Rates, u point.Use) admin.Audience {
	return admin.Audience{Viewers: u.Viewers, RateBits: u.Rate, MaxViewers: viewers, MaxRateBits: r.Bandwidth, MaxViewerRateBits: r.PerViewer, MaxJoins: r.Joins}
}

// wholeAudience tells it of all points together.
func (s *Server) wholeAudience() admin.Audience {
	for _, p := range s.room.Points() {
		p.Use() // counts what its rates are now
	}
	l := s.vitals.total.Limits()
	return audience(l.Viewers, l.Rates, s.vitals.total.Use())
}

// switchedPoints gives the points that an operator has stopped, with the reasons, and those
// that one has started against the configuration. What the configuration itself stops is not
// among them: the next server has its own.
func (s *Server) switchedPoints() (stopped map[string]string, started []string) {
	c := s.config()
	stopped = map[string]string{}
	for _, p := range s.room.Points() {
		of, named := c.Point(p.Name())
		isOff := named && !of.Enabled
		switch why, is := p.IsStopped(); {
		case is && !(isOff && why == notEnabled(c.File)):
			stopped[p.Name()] = why
		case !is && isOff:
			started = append(started, p.Name())
		}
	}
	return stopped, started
}

// switchAsBefore stops and starts the points that an operator has stopped and started in the
// server that this one takes over from.
func (s *Server) switchAsBefore(stopped map[string]string, started []string) {
	for name, why := range stopped {
		if p := s.room.Point(name); p != nil {
			p.Stop(why)
		}
	}
	for _, name := range started {
		if p := s.room.Point(name); p != nil {
			p.Start()
		}
	}
}
