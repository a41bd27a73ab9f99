package hosttest

import (
	"context"
	"os"
	"path/filepath"

	"github.com/weir-media/weir/host/internal/admin"
)

// Plan is what a configuration changes, and Touched a session that this touches, in the
// words of the admin API.
type (
	Plan    = admin.Plan
	Touched = admin.Touched
)

// Plan tells what a configuration would change. It gives the host's error.
func (s *Server) Plan(yaml string) (p Plan, err error) {
	s.labelled(func(context.Context) { p, err = s.host.PlanConfig(s.proposal(yaml)) })
	return p, err
}

// Apply puts a configuration in force. It gives the host's error.
func (s *Server) Apply(yaml string) (p Plan, err error) {
	s.modules.prebuild(yaml)
	s.labelled(func(context.Context) { p, err = s.host.ApplyConfig(s.proposal(yaml)) })
	return p, err
}

func (s *Server) proposal(yaml string) admin.Proposal {
	return admin.Proposal{File: filepath.Join(s.dir, configFile), Dir: s.dir, Text: yaml}
}

// WriteFile puts a file into the configuration's folder.
func (s *Server) WriteFile(name string, content []byte) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), content, 0o600); err != nil {
		s.t.Fatal(err)
	}
}
