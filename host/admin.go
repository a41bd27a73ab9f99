package host

import (
	"net/netip"

	"github.com/weir-media/weir/host/internal/admin"
)

// serveAdmin opens the admin API where the configuration says, in the place of the
// server that this one takes over from, if any.
func (s *Server) serveAdmin(from *taking) error {
	o := admin.Options{
		Backend:   s,
		Exporter:  s.vitals.registry.Handler(),
		Socket:    s.config().Admin.Socket,
		Address:   addressText(s.config().Admin.Address),
		TokenFile: s.config().Admin.TokenFile,
		Metrics:   addressText(s.config().Metrics),
		Log:       s.log,
	}
	if from != nil {
		o.Replace, o.Inherited = true, from.sockets.takeAdmin()
	}
	a, err := admin.Open(o)
	if err != nil {
		return err
	}
	s.admin = a
	return nil
}

func addressText(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
