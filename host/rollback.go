package host

import (
	"time"

	"github.com/weir-media/weir/host/internal/admin"
	"github.com/weir-media/weir/host/internal/manifest"
	"github.com/weir-media/weir/host/internal/session"
)

// takenAgain is how often a roll-back that waits for the end of a take-over looks whether
// that has failed (chosen).
const takenAgain = time.Second

// rollBack has the generation before come back, with its routes and what the configuration
// in force grants it, for one that faults more than it did. The configuration stays: what
// it names is tried again by the next reload or apply.
func (s *Server) rollBack(r *session.Runner) {
	if !s.lockChanges(r.Name()) {
		return
	}
	defer s.changes.mu.Unlock()
	s.mu.Lock()
	p := s.plugins[r.Name()]
	s.mu.Unlock()
	if p == nil || p.runner != r {
		return // it was removed meanwhile
	}
	may := func(m *manifest.Manifest) session.Grant { return grant(p.config.Grant, m) }
	g, err := r.RollBack(may, s.notClosing)
	if g == nil || err != nil {
		return // it was changed meanwhile, or the runner has said why not
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p.runs = p.before
	s.declare(p, g.Manifest())
}

// lockChanges takes changes.mu while no other server takes over from this one: what that
// has been shown must be what runs. It is false if the server closes.
func (s *Server) lockChanges(plugin string) bool {
	for told := false; ; told = true {
		s.changes.mu.Lock()
		if !s.isTaken() {
			return true
		}
		s.changes.mu.Unlock()
		if !told {
			s.log.Warn("roll-back waits for the end of the take-over", "plugin", plugin)
		}
		select {
		case <-s.succession.leave:
			return false
		case <-time.After(takenAgain):
		}
	}
}

func stayingOf(all []session.Staying) (out []admin.Staying) {
	for _, x := range all {
		out = append(out, admin.Staying(x))
	}
	return out
}
