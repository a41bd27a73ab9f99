package host

import (
	"fmt"
	"os"

	"github.com/coreos/go-systemd/v22/daemon"
)

// notify tells systemd, if it waits for that (Type=notify), what the server does: daemon.SdNotifyReady, daemon.SdNotifyStopping.
func (s *Server) notify(state string) {
	if state == daemon.SdNotifyReady {
		state += fmt.Sprintf("\nMAINPID=%d", os.Getpid()) // another process, after a take-over
	}
	if _, err := daemon.SdNotify(false, state); err != nil {
		s.log.Warn("systemd is not told", "what", state, "error", err)
	}
}
