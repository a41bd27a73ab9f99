package host

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
	"github.com/weir-media/weir/host/internal/telemetry"
)

// PlanConfig tells what a configuration would change, and which sessions it would touch.
func (s *Server) PlanConfig(p admin.Proposal) (admin.Plan, error) { return s.change(p, false) }

// ApplyConfig puts a configuration in force, all or nothing.
func (s *Server) ApplyConfig(p admin.Proposal) (admin.Plan, error) { return s.change(p, true) }

func (s *Server) change(p admin.Proposal, apply bool) (admin.Plan, error) {
	s.changes.mu.Lock()
	defer s.changes.mu.Unlock()
	file, dir := p.File, p.Dir
	if file == "" {
		file = "the configuration"
	}
	if running := s.config().Dir; dir == "" || sameFolder(dir, running) {
		dir = running
	}
	c, err := config.Options{AllowPortZero: s.options.Tests.PortZero}.Parse(file, dir, []byte(p.Text), s.options.Environ)
	var plan admin.Plan
	if err != nil {
		err = refused(err)
	} else {
		plan, err = s.changeTo(c, apply)
	}
	if err != nil && apply {
		s.logRefusal("configuration refused; nothing has changed", file, err)
	}
	return plan, err
}

// changeTo plans or applies a configuration. Server.changes.mu is held.
func (s *Server) changeTo(c *config.Config, apply bool) (admin.Plan, error) {
	x, err := s.propose(c)
	if err != nil {
		return admin.Plan{}, refused(err)
	}
	plan := admin.Plan{Config: c.File, Changes: x.changes, URLs: x.urls(s), Warnings: x.warnings}
	if !apply {
		if err = x.tryAddresses(s); err != nil {
			return admin.Plan{}, refused(err)
		}
		plan.Sessions = x.touched(s.room.Sessions())
		x.noteStays(plan.Sessions)
		return plan, nil
	}
	if s.isTaken() {
		return admin.Plan{}, refused(errors.New("another server is taking over from this one; apply the configuration there"))
	}
	if plan.Sessions, err = s.apply(x); err != nil {
		return admin.Plan{}, refused(err)
	}
	x.noteStays(plan.Sessions)
	plan.Applied = true
	s.changes.refused.clear()
	s.changes.watch.follow()
	s.log.Info("configuration in force", "config", c.File, "changes", len(plan.Changes), "sessions_touched", len(plan.Sessions))
	for _, change := range plan.Changes {
		s.log.Info("changed", "what", change.What, "name", change.Name, "action", change.Action, "keys", keysText(change))
	}
	for _, i := range x.untaken {
		s.warnOfSocket(i)
	}
	return plan, nil
}

// keysText writes the keys of a change, with their values where these hold no secrets.
func keysText(c admin.Change) string {
	dash := func(value string) string {
		if value == "" {
			return "-"
		}
		return value
	}
	var all []string
	for _, k := range c.Keys {
		if c.What == admin.OfListener {
			all = append(all, k.Key+": "+dash(k.Old)+" -> "+dash(k.New))
		} else {
			all = append(all, k.Key)
		}
	}
	return strings.Join(all, "; ")
}

// logRefusal logs why a configuration was refused, each line as a reason of its own:
// lines that differ in nothing but their error are only counted.
func (s *Server) logRefusal(message, file string, err error) {
	for line := range strings.SplitSeq(strings.TrimSuffix(err.Error(), "\n"+admin.ErrRefused.Error()), "\n") {
		s.log.Error(message, "config", file, telemetry.KeyReason, line)
	}
}

// isTaken tells whether a new server is taking this one's place.
func (s *Server) isTaken() bool {
	x := &s.succession
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.after != nil && !x.after.isDead()
}

// refused marks an error after which everything is as it was.
func refused(err error) error { return fmt.Errorf("%w\n%w", err, admin.ErrRefused) }

// hangup applies the file that the server was started with, as it is now. Modules that
// have changed under the same name are part of that.
func (s *Server) hangup() {
	s.changes.mu.Lock()
	defer s.changes.mu.Unlock()
	c, err := loadConfig(s.options)
	if err == nil {
		_, err = s.changeTo(c, true)
	}
	if err == nil {
		return
	}
	s.changes.refused.note(cmp.Or(s.options.ConfigPath, s.config().File), nil, err)
	s.logRefusal("configuration not reloaded", s.options.ConfigPath, err)
	if errors.Is(err, admin.ErrRefused) || s.options.ConfigPath != "" {
		s.log.Warn("the configuration that ran runs on", "config", s.config().File)
	}
}
