package host

import (
	"errors"
	"fmt"
	"strings"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/config"
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
	if err != nil {
		return admin.Plan{}, refused(err)
	}
	plan, err := s.changeTo(c, apply)
	if err != nil && apply {
		s.log.Error("configuration refused; nothing has changed", "config", file, "error", err)
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
		plan.Sessions = x.touched(s.room.Sessions())
		return plan, nil
	}
	if s.isTaken() {
		return admin.Plan{}, refused(errors.New("another server is taking over from this one; apply the configuration there"))
	}
	if plan.Sessions, err = s.apply(x); err != nil {
		return admin.Plan{}, refused(err)
	}
	plan.Applied = true
	s.log.Info("configuration in force", "config", c.File, "changes", len(plan.Changes), "sessions_touched", len(plan.Sessions))
	for _, change := range plan.Changes {
		s.log.Info("changed", "what", change.What, "name", change.Name, "action", change.Action)
	}
	return plan, nil
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
	for line := range strings.SplitSeq(strings.TrimSuffix(err.Error(), "\n"+admin.ErrRefused.Error()), "\n") {
		s.log.Error("configuration not reloaded", "problem", line)
	}
	if errors.Is(err, admin.ErrRefused) || s.options.ConfigPath != "" {
		s.log.Warn("the configuration that ran runs on", "config", s.config().File)
	}
}
